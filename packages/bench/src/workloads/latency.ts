import { Effect } from "effect"
import { quantiles } from "../comparison/bench.ts"
import { Spoilt } from "../comparison/process.ts"
import { type Metric, usualBytes, type Workload } from "./Workload.ts"

const metric = (key: string, title: string): Metric => ({ key, title, unit: "ms", better: "less" })

/** One message at a time, while nothing else happens. */
export const idle: Workload = {
  name: "idle",
  title: "Latency, idle",
  how: "One message at a time is enqueued and its result waited for, while nothing else happens.",
  metrics: [
    metric("p50", "enqueue to start, p50"),
    metric("p99", "enqueue to start, p99"),
    metric("result_p50", "enqueue to result, p50"),
    metric("result_p99", "enqueue to result, p99")
  ],
  fits: ({ can }) => can.call,
  measure: ({ bench: { session }, plan: { calls: count }, system }) =>
    session(
      system,
      {},
      Effect.fnUntraced(function* ({ check, during, produce }) {
        const { run, value } = yield* during(produce({ _tag: "Calls", count, bytes: usualBytes }, count))
        yield* check()
        return { ...quantiles(run.starts), ...quantiles(value.samples["result"] ?? [], "result_") }
      })
    )
}

/** So many results are waited for each second. */
const watch = 200

/** Half of what the system runs when it has a backlog, for a while. */
export const steady: Workload = {
  name: "steady",
  title: "Latency at half load",
  how: `Messages come one by one at half the rate at which the system ran its backlog; ${watch} of them a second are waited for.`,
  metrics: [
    { key: "rate", title: "messages a second", unit: "/s" },
    metric("p50", "enqueue to start, p50"),
    metric("p99", "enqueue to start, p99"),
    metric("p999", "enqueue to start, p99.9"),
    metric("result_p50", "enqueue to result, p50"),
    metric("result_p99", "enqueue to result, p99"),
    metric("result_p999", "enqueue to result, p99.9")
  ],
  fits: ({ can }) => can.wake,
  measure: ({ bench: { session }, pace, plan: { steadyMillis: millis }, system }) =>
    session(
      system,
      {},
      Effect.fnUntraced(function* ({ check, during, produce }) {
        const rate = Math.max(1, Math.floor(pace / 2))
        const count = Math.round((rate * millis) / 1000)
        const { run, value } = yield* during(produce({ _tag: "Steady", rate, count, bytes: usualBytes, watch }, count))
        const { count: sent = 0, nanos = 0 } = value.figures
        if (sent !== count) return yield* new Spoilt({ problem: `${system.title} enqueued ${sent} of ${count}` })
        yield* check()
        return {
          // less than asked for: the producer could not keep up
          rate: (sent * 1e9) / nanos,
          ...quantiles(run.starts),
          ...quantiles(value.samples["result"] ?? [], "result_")
        }
      })
    )
}
