/** The figures of a comparison, summed up: what all reports are written from. */
import type { Candidate } from "../comparison/calibrate.ts"
import type { Comparison, Samples } from "../comparison/comparison.ts"
import type { Plan } from "../comparison/plan.ts"
import type { Machine } from "../machine.ts"
import { ratio, type Summary, summary } from "../statistics.ts"
import type { SystemName } from "../systems/System.ts"
import type { Metric, Workload } from "../workloads/Workload.ts"

/** `null` stands for what could not be measured, and for systems that are not here. */
export type BySystem<A> = { readonly [Name in SystemName]?: A | null }

export interface Row {
  readonly metric: Metric
  readonly values: BySystem<Summary>
  /** How many times better the first system is than each of the others. */
  readonly better: BySystem<Summary>
}

export interface Section {
  readonly workload: Pick<Workload, "name" | "title" | "how">
  readonly rows: ReadonlyArray<Row>
}

/** The memory layers have nobody to be compared with. */
export interface MemoryLayers {
  readonly enqueue: Summary
  readonly run: Summary
}

export interface Report {
  readonly plan: Plan
  readonly machine: Machine
  readonly redis: string
  readonly systems: ReadonlyArray<{
    readonly name: SystemName
    readonly title: string
    readonly version: string | undefined
    readonly calibration: ReadonlyArray<Candidate>
  }>
  readonly sections: ReadonlyArray<Section>
  readonly memoryLayers: MemoryLayers | undefined
  readonly failures: ReadonlyArray<string>
  readonly seconds: number
}

const series = (samples: Samples | undefined, { key }: Metric): ReadonlyArray<number | undefined> =>
  samples?.map((figures) => figures?.[key]) ?? []

const row = (
  metric: Metric,
  samples: ReadonlyMap<SystemName, Samples>,
  systems: ReadonlyArray<{ readonly name: SystemName }>
): Row => {
  const values: { [Name in SystemName]?: Summary | null } = {}
  const better: { [Name in SystemName]?: Summary | null } = {}
  const first = systems[0] && series(samples.get(systems[0].name), metric)
  for (const { name } of systems) {
    const own = series(samples.get(name), metric)
    const known = own.filter((value) => value !== undefined)
    values[name] = known.length === 0 ? null : summary(known)
    if (first === undefined || metric.better === undefined || name === systems[0]?.name) continue
    better[name] = (metric.better === "more" ? ratio(first, own) : ratio(own, first)) ?? null
  }
  return { metric, values, better }
}

/** `systems`: all that there are, installed or not. */
export const sections = (
  { measured }: Comparison,
  systems: ReadonlyArray<{ readonly name: SystemName }>
): ReadonlyArray<Section> =>
  measured.map(({ samples, workload: { how, metrics, name, title } }) => ({
    workload: { name, title, how },
    rows: metrics
      .map((metric) => row(metric, samples, systems))
      // nobody could do it
      .filter(({ values }) => Object.values(values).some((value) => value !== null))
  }))
