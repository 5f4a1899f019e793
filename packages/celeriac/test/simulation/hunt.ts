/** Lets a mutant live until it breaks a promise. */
import * as Effect from "effect/Effect"
import { scenarios } from "../../src/testing/simulation/Scenarios.ts"
import { directed, type Steps } from "./directed.ts"
import type { Case } from "./mutants.ts"
import type { Mutant } from "./mutation.ts"
import { load, simulation } from "./sources.ts"

export interface Catch {
  /** 0 when it was caught step by step. */
  readonly seed: number
  readonly detail: string
}

const stepsOf = async (mutant: Mutant): Promise<Steps> => ({
  Store: await load(mutant, "memory/Store.ts"),
  Leases: await load(mutant, "memory/Leases.ts"),
  Records: await load(mutant, "memory/Records.ts")
})

/** Whether the directed test throws on these sources. */
export const stumbles = async (mutant: Mutant, story: keyof typeof directed): Promise<string | undefined> => {
  const steps = await stepsOf(mutant)
  try {
    directed[story](steps)
    return undefined
  } catch (error) {
    return String(error).split("\n")[0]
  }
}

/** The seed that caught it last is tried first, then as many as are given. */
export const hunt = async (mutant: Case, seeds: number): Promise<Catch | undefined> => {
  const { by } = mutant
  if ("directed" in by) {
    const detail = await stumbles(mutant, by.directed)
    return detail === undefined ? undefined : { seed: 0, detail }
  }
  const { Plan, Simulation, memory } = await simulation(mutant)
  const planOf = "scenario" in by ? scenarios[by.scenario] : Plan.make
  for (const seed of [by.seed, ...Array.from({ length: seeds }, (_, index) => index + 1)]) {
    const { violation } = await Effect.runPromise(Simulation.run(memory, planOf(seed)))
    if (violation !== undefined) return { seed, detail: `${violation.rule}: ${violation.detail}` }
  }
  return undefined
}

/** The sources as they are. */
export const unchanged: Mutant = { name: "unchanged", edits: [] }

/** What the sources as they are do wrong where the mutant was caught: nothing, one hopes. */
export const passes = async ({ by }: Case, seed: number): Promise<string | undefined> => {
  if ("directed" in by) return stumbles(unchanged, by.directed)
  const { Plan, Simulation, memory } = await simulation(unchanged)
  const planOf = "scenario" in by ? scenarios[by.scenario] : Plan.make
  const { violation } = await Effect.runPromise(Simulation.run(memory, planOf(seed)))
  return violation && `${violation.rule}: ${violation.detail}`
}
