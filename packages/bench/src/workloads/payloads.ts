import { Effect } from "effect"
import type { Metric, Workload } from "./Workload.ts"

const sizes = [
  { bytes: 10_000, text: "10 kB", part: 0.25 },
  { bytes: 100_000, text: "100 kB", part: 0.04 }
]

/** Large payloads. */
export const payloads: Workload = {
  name: "payloads",
  title: "Large payloads",
  how: "The same as the backlog of no-ops, with payloads of 10 kB and 100 kB.",
  metrics: sizes.flatMap(({ bytes, text }): ReadonlyArray<Metric> => [
    { key: `bulkEnqueue_${bytes}`, title: `bulk enqueue, ${text}`, unit: "/s", better: "more" },
    { key: `process_${bytes}`, title: `process, ${text}`, unit: "/s", better: "more" }
  ]),
  fits: () => true,
  measure: ({ bench: { session }, system, tasks }) =>
    Effect.map(
      Effect.forEach(sizes, ({ bytes, part }) =>
        session(
          system,
          {},
          Effect.fnUntraced(function* ({ check, fill, run }) {
            // a server of a small machine holds as much
            const count = Math.max(10, Math.min(Math.floor(tasks * part), Math.floor(4e8 / bytes)))
            const filled = yield* fill({ count, bytes })
            const { perSecond } = yield* run()
            yield* check()
            return { [`bulkEnqueue_${bytes}`]: filled.perSecond, [`process_${bytes}`]: perSecond }
          })
        )
      ),
      (figures) => Object.assign({}, ...figures)
    )
}
