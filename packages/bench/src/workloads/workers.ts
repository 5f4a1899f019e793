import { Effect } from "effect"
import { usualBytes, type Workload } from "./Workload.ts"

const numbers = [1, 2, 4]

/** Several worker processes on one queue. */
export const workers: Workload = {
  name: "workers",
  title: "Several worker processes",
  how: "The same backlog of no-ops, run by 1, 2 and 4 worker processes.",
  metrics: numbers.map((count) => ({
    key: String(count),
    title: count === 1 ? "1 process" : `${count} processes`,
    unit: "/s",
    better: "more"
  })),
  fits: ({ can }) => can.workers,
  measure: ({ bench: { session }, system, tasks }) =>
    Effect.gen(function* () {
      const rates: Record<string, number> = {}
      for (const count of numbers) {
        rates[count] = yield* session(
          system,
          { workers: count },
          Effect.fnUntraced(function* ({ check, fill, run }) {
            yield* fill({ count: tasks, bytes: usualBytes })
            const { perSecond } = yield* run()
            yield* check()
            return perSecond
          })
        )
      }
      return rates
    })
}
