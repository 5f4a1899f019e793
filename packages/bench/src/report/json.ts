/** The report for programs. */
import type { Summary } from "../statistics.ts"
import type { SystemName } from "../systems/System.ts"
import type { BySystem, Report, Row } from "./Report.ts"

type Medians = { readonly [Name in SystemName]?: number | null }

const rowOf = ({ sections }: Report, workload: string, key: string): Row | undefined =>
  sections.find((section) => section.workload.name === workload)?.rows.find(({ metric }) => metric.key === key)

const mapped = <A, B>(values: BySystem<A> | undefined, change: (value: A) => B): BySystem<B> =>
  Object.fromEntries(Object.entries(values ?? {}).map(([name, value]) => [name, value === null ? null : change(value)]))

const rounded = (value: number): number => Number(value.toPrecision(4))
const medians = (row: Row | undefined): Medians => mapped(row?.values, ({ median }) => rounded(median))
const spreads = (summaries: BySystem<Summary> | undefined) =>
  mapped(summaries, ({ lower, max, median, min, rounds, upper }) => ({
    median: rounded(median),
    lower: rounded(lower),
    upper: rounded(upper),
    min: rounded(min),
    max: rounded(max),
    rounds
  }))

/** Several metrics of a workload, by system and then by metric. */
const bundled = (report: Report, workload: string, keys: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    report.systems.map(({ name }) => {
      const values = Object.entries(keys).map(
        ([key, as]) => [as, medians(rowOf(report, workload, key))[name] ?? null] as const
      )
      return [name, values.every(([, value]) => value === null) ? null : Object.fromEntries(values)]
    })
  )

/** Names of the line's figures, and where they come from. */
const figures = {
  process: ["throughput", "process"],
  bulkEnqueue: ["throughput", "bulkEnqueue"],
  bytesPerWaiting: ["throughput", "bytesPerWaiting"],
  bytesPerFinished: ["throughput", "bytesPerFinished"],
  workerCpuMicrosPerTask: ["throughput", "workerCpu"],
  redisCpuMicrosPerTask: ["throughput", "redisCpu"]
} as const

/** One line of JSON. Medians; `spread` has their spreads, `better` how many times better Celeriac is, by rounds. */
export const jsonLine = (report: Report): string => {
  const rows = Object.entries(figures).map(([name, [workload, key]]) => [name, rowOf(report, workload, key)] as const)
  const singles = report.sections.find(({ workload }) => workload.name === "singles")?.rows ?? []
  const idle = report.sections.find(({ workload }) => workload.name === "idle")?.rows ?? []
  const all = [
    ...rows,
    ...singles.map((row) => [`singleEnqueue.${row.metric.key}`, row] as const),
    ...idle.map((row) => [`idleLatencyMs.${row.metric.key}`, row] as const)
  ]
  return JSON.stringify({
    ...Object.fromEntries(rows.map(([name, row]) => [name, medians(row)])),
    singleEnqueue: bundled(report, "singles", { "1": "1", "50": "50", "1000": "1000" }),
    idleLatencyMs: bundled(report, "idle", {
      p50: "p50",
      p99: "p99",
      result_p50: "resultP50",
      result_p99: "resultP99"
    }),
    rawLpush: medians(rowOf(report, "throughput", "rawLpush")).floor ?? null,
    spread: Object.fromEntries(all.map(([name, row]) => [name, spreads(row?.values)])),
    better: Object.fromEntries(all.map(([name, row]) => [name, spreads(row?.better)])),
    concurrency: Object.fromEntries(
      report.systems.map(({ calibration: [best], name }) => [name, best?.concurrency ?? "default"])
    ),
    versions: {
      ...Object.fromEntries(report.systems.map(({ name, version }) => [name, version ?? null])),
      redis: report.redis,
      node: report.machine.node
    },
    machine: report.machine,
    seconds: Math.round(report.seconds),
    failures: report.failures
  })
}

/** Everything. */
export const jsonFile = (report: Report): string => `${JSON.stringify(report, undefined, 2)}\n`
