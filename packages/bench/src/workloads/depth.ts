import { Effect } from "effect"
import { usualBytes, type Workload } from "./Workload.ts"

/** Depth of the queue: does it run slower when more is waiting? */
export const depth: Workload = {
  name: "depth",
  title: "Backlog 10 000 against 1 000 000",
  how: "A worker is started and runs 10 000 tasks (or less, of a slow system): of a backlog of so many, and of one of a million (or twenty times as many as are run elsewhere, if that is less).",
  metrics: [
    { key: "small", title: "of the small backlog", unit: "/s", better: "more" },
    { key: "large", title: "of the large backlog", unit: "/s", better: "more" },
    { key: "large/small", title: "the latter against the former", unit: "%", better: "more" }
  ],
  fits: ({ can }) => can.workers,
  measure: ({ bench: { session }, plan, system, tasks }) =>
    Effect.gen(function* () {
      const few = Math.max(100, Math.min(10_000, Math.floor(tasks / 5), plan.backlog / 10))
      const many = Math.min(plan.backlog, tasks * 20)
      const runOf = (backlog: number) =>
        session(
          system,
          {},
          Effect.fnUntraced(function* ({ check, fill, run }) {
            yield* fill({ count: backlog, bytes: usualBytes })
            const { perSecond } = yield* run(few)
            yield* check(few)
            return perSecond
          })
        )
      const small = yield* runOf(few)
      const large = yield* runOf(many)
      return { small, large, "large/small": (large / small) * 100 }
    })
}
