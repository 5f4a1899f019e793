import { Effect } from "effect"
import { usualBytes, type Workload } from "./Workload.ts"

export const callers = [1, 50, 1000] as const

/** Messages that are enqueued one by one, as web servers do. */
export const singles: Workload = {
  name: "singles",
  title: "Single enqueues",
  how: "So many callers in one process; each waits until its message is accepted before it enqueues the next. Then a worker runs all of them.",
  metrics: callers.map((count) => ({
    key: String(count),
    title: count === 1 ? "1 caller" : `${count} callers at once`,
    unit: "/s",
    better: "more"
  })),
  fits: () => true,
  measure: ({ bench: { session }, plan: { singlesMillis: millis }, system }) =>
    session(
      system,
      {},
      Effect.fnUntraced(function* ({ check, run, singles }) {
        const rates: Record<string, number> = {}
        for (const count of callers) {
          if (count > system.can.callers) continue
          rates[count] = yield* singles({ callers: count, millis, bytes: usualBytes })
        }
        yield* run()
        yield* check()
        return rates
      })
    )
}
