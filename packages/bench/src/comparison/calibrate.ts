/** Finds out how fast a system is, and for one without a good default, with what concurrency. */
import { Effect } from "effect"
import { median } from "../statistics.ts"
import type { System } from "../systems/System.ts"
import { usualBytes } from "../workloads/Workload.ts"
import type { Bench } from "./bench.ts"

/** Each candidate is tried so often, in turns. */
const rounds = 2

const ownDefault = 0

const candidatesOf = ({ concurrencies }: System): ReadonlyArray<number> =>
  concurrencies.length === 0 ? [ownDefault] : concurrencies

export interface Candidate {
  /** 0: the system's default. */
  readonly concurrency: number
  readonly perSecond: number
}

/** No-ops a second for each candidate, the best one first. That is used from here on. */
export const calibrate = Effect.fnUntraced(function* (bench: Bench, system: System, tasks: number) {
  const rates = new Map<number, Array<number>>(candidatesOf(system).map((concurrency) => [concurrency, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [concurrency, measured] of rates) {
      const { perSecond } = yield* bench.session(system, { concurrency }, ({ check, fill, run }) =>
        Effect.tap(Effect.andThen(fill({ count: tasks, bytes: usualBytes }), run()), check())
      )
      measured.push(perSecond)
    }
  }
  const candidates = Array.from(rates, ([concurrency, measured]): Candidate => ({
    concurrency,
    perSecond: median(measured)
  })).toSorted((left, right) => right.perSecond - left.perSecond)
  const [best] = candidates
  if (best !== undefined && best.concurrency !== ownDefault) bench.concurrency.set(system.name, best.concurrency)
  return candidates
})
