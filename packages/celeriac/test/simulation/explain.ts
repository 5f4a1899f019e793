/** What to tell people of a life on the memory layers that broke a promise. */
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"

/** With the commands that replay it. */
export const explain = (outcome: Simulation.Outcome) =>
  Effect.map(Simulation.explain(memory, outcome), (text) =>
    [
      text,
      `all of it again:   node --conditions=@celeriac/source packages/celeriac/test/simulation/explore.ts 1 ${outcome.plan.seed} trace`,
      "the small plan:    … packages/celeriac/test/simulation/replay.ts FILE, where FILE holds the JSON above"
    ].join("\n")
  )
