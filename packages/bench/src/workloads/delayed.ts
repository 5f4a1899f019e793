import { Effect } from "effect"
import { quantiles } from "../comparison/bench.ts"
import { usualBytes, type Workload } from "./Workload.ts"

const hour = 3_600_000
/** Milliseconds after which a message of the stream falls due. */
const delay = 500
/** A second. */
const rate = 200

/** A great many messages that are due in an hour, and others that fall due meanwhile. */
export const delayed: Workload = {
  name: "delayed",
  title: "Delayed messages",
  how: `A million messages (or twenty times as many as are run elsewhere, if that is less) wait for an hour; beside them ${rate} a second fall due after ${delay} ms. Then a backlog falls due at one instant.`,
  metrics: [
    { key: "waiting", title: "messages that wait", unit: "messages" },
    { key: "bytes", title: "Redis memory per delayed message", unit: "bytes", better: "less" },
    { key: "heap", title: "heap of the worker", unit: "MB", better: "less" },
    { key: "p50", title: "late by, p50", unit: "ms", better: "less" },
    { key: "p99", title: "late by, p99", unit: "ms", better: "less" },
    { key: "promote", title: "due at one instant: promoted and run", unit: "/s", better: "more" }
  ],
  fits: ({ can }) => can.delay,
  measure: ({ bench: { server, session }, plan, system, tasks }) =>
    Effect.gen(function* () {
      const waiting = Math.min(plan.delayed, tasks * 20)
      const late = yield* session(
        system,
        {},
        Effect.fnUntraced(function* ({ check, during, fill, produce }) {
          const empty = yield* server.memory
          yield* fill({ count: waiting, bytes: usualBytes, dueIn: hour })
          const bytes = ((yield* server.memory) - empty) / waiting
          const count = Math.round((rate * plan.steadyMillis) / 1000)
          const steady = {
            _tag: "Steady",
            rate,
            count,
            bytes: usualBytes,
            watch: 0,
            delay
          } as const
          const { run } = yield* during(produce(steady, count), count)
          yield* check(count)
          return { waiting, bytes, heap: run.heap / 1e6, ...quantiles(run.starts) }
        })
      )
      const promote = yield* session(
        system,
        {},
        Effect.fnUntraced(function* ({ check, fill, run }) {
          // all are due before the worker starts: enqueueing takes less than running
          const dueIn = 1000 + 2000 * plan.seconds
          yield* fill({ count: tasks, bytes: usualBytes, dueIn })
          yield* Effect.sleep(dueIn)
          const { perSecond } = yield* run()
          yield* check()
          return perSecond
        })
      )
      return { ...late, promote }
    })
}
