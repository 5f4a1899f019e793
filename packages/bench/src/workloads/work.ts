import { Effect } from "effect"
import { usualBytes, type Workload } from "./Workload.ts"

/** Tasks that wait for something for a millisecond, a thousand at a time. */
export const work: Workload = {
  name: "work",
  title: "1 ms of asynchronous work, concurrency 1000",
  how: "Each task waits for a millisecond; up to 1000 of them run at the same time. (Celery: one after the other in each of its two processes.)",
  metrics: [
    { key: "process", title: "tasks", unit: "/s", better: "more" },
    { key: "workerCpu", title: "CPU of the worker per task", unit: "µs", better: "less" }
  ],
  fits: ({ name }) => name !== "floor",
  measure: ({ bench: { session }, system, tasks }) =>
    session(
      system,
      { work: 1, ...(system.can.concurrency && { concurrency: 1000 }) },
      Effect.fnUntraced(function* ({ check, fill, run }) {
        yield* fill({ count: tasks, bytes: usualBytes })
        const { perSecond, workerCpu } = yield* run()
        yield* check()
        return { process: perSecond, workerCpu }
      })
    )
}
