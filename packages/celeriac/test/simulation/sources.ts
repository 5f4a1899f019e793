/** The sources of the core, with mutants. */
import type * as SimulationModule from "../../src/testing/Simulation.ts"
import type * as MemoryModule from "../../src/testing/simulation/MemoryDriver.ts"
import type * as PlanModule from "../../src/testing/simulation/Plan.ts"
import { type Mutant, mutation } from "./mutation.ts"

export const { load, occurrences } = mutation(new URL("../../src/", import.meta.url))

export interface Simulation {
  readonly Simulation: typeof SimulationModule
  readonly Plan: typeof PlanModule
  readonly memory: (typeof MemoryModule)["memory"]
}

/** The simulation on the mutated sources. */
export const simulation = async (mutant: Mutant): Promise<Simulation> => {
  const [Simulation, Plan, { memory }] = await Promise.all([
    load<typeof SimulationModule>(mutant, "testing/Simulation.ts"),
    load<typeof PlanModule>(mutant, "testing/simulation/Plan.ts"),
    load<typeof MemoryModule>(mutant, "testing/simulation/MemoryDriver.ts")
  ])
  return { Simulation, Plan, memory }
}
