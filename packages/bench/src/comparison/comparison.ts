/**
 * All systems through all workloads, side by side: in each round every system has its turn, each time on the emptied server,
 * and each round begins with another one.
 */
import { Effect } from "effect"
import type { Server, ServerError } from "../server.ts"
import type { System, SystemName } from "../systems/System.ts"
import type { Workload } from "../workloads/Workload.ts"
import * as Bench from "./bench.ts"
import { type Candidate, calibrate } from "./calibrate.ts"
import type { Plan } from "./plan.ts"
import type { Spoilt } from "./process.ts"

/** One entry for each round; `undefined` when it could not be used. */
export type Samples = ReadonlyArray<Bench.Figures | undefined>

export interface Measured {
  readonly workload: Workload
  readonly samples: ReadonlyMap<SystemName, Samples>
}

export interface Comparison {
  readonly systems: ReadonlyArray<System>
  readonly calibration: ReadonlyMap<SystemName, ReadonlyArray<Candidate>>
  readonly measured: ReadonlyArray<Measured>
  /** What went wrong, in sentences. Whoever reads the figures must see these first. */
  readonly failures: ReadonlyArray<string>
}

export interface Options {
  readonly plan: Plan
  /** Those that are here. */
  readonly systems: ReadonlyArray<System>
  readonly workloads: ReadonlyArray<{ readonly workload: Workload; readonly rounds: number }>
  readonly progress: (text: string) => Effect.Effect<void>
}

/** Another one begins each time, and every other round goes the other way. */
export const orderOf = <A>(values: ReadonlyArray<A>, round: number): ReadonlyArray<A> => {
  const first = round % values.length
  const turned = [...values.slice(first), ...values.slice(0, first)]
  return round % 2 === 0 ? turned : turned.toReversed()
}

export const compare = Effect.fnUntraced(function* (server: Server, { plan, progress, systems, workloads }: Options) {
  const bench = yield* Bench.make(server)
  const failures: Array<string> = []
  const calibration = new Map<SystemName, ReadonlyArray<Candidate>>()
  const paces = new Map<SystemName, number>(systems.map(({ name, pace }) => [name, pace]))
  const paceOf = ({ name }: System) => paces.get(name)!
  const tasksOf = (system: System) => Math.max(100, Math.min(plan.mostTasks, Math.round(paceOf(system) * plan.seconds)))

  /** A run that cannot be used is told, and the others go on. */
  const tolerant = <A>(what: string, effect: Effect.Effect<A, Spoilt | ServerError>) =>
    Effect.catch(effect, (error) => {
      failures.push(`${what}: ${error.message}`)
      return Effect.as(progress(`FAILED ${what}: ${error.message}`), undefined)
    })

  for (const system of systems) {
    const tasks = Math.ceil(tasksOf(system) / 2)
    const candidates = yield* tolerant(`${system.title}, first runs`, calibrate(bench, system, tasks))
    const [best] = candidates ?? []
    if (candidates === undefined || best === undefined) continue
    paces.set(system.name, best.perSecond)
    yield* progress(`${system.title} runs about ${Math.round(best.perSecond)} tasks a second`)
    if (system.concurrencies.length === 0) continue
    calibration.set(system.name, candidates)
    yield* progress(`${system.title} is fastest with concurrency ${best.concurrency}`)
  }

  const measured: Array<Measured> = []
  for (const { rounds, workload } of workloads) {
    const fitting = systems.filter(workload.fits)
    const samples = new Map<SystemName, Array<Bench.Figures | undefined>>(fitting.map(({ name }) => [name, []]))
    for (let round = 1 - plan.warmUps; round <= rounds; round++) {
      yield* progress(`${workload.title}: ${round < 1 ? "warm-up" : `round ${round} of ${rounds}`}`)
      for (const system of orderOf(fitting, round)) {
        const figures = yield* tolerant(
          `${workload.name}, ${system.title}, ${round < 1 ? "warm-up" : `round ${round}`}`,
          workload.measure({
            bench,
            plan,
            system,
            tasks: tasksOf(system),
            pace: paceOf(system),
            // a cold or disturbed round says too little
            ran: (perSecond) => paces.set(system.name, Math.max(perSecond, round < 1 ? 0 : paceOf(system)))
          })
        )
        if (round > 0) samples.get(system.name)!.push(figures)
      }
    }
    measured.push({ workload, samples })
  }
  return { systems, calibration, measured, failures } satisfies Comparison
}, Effect.scoped)
