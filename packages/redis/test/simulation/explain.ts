/** What to tell people of a life on a real server that broke a promise. */
import * as Simulation from "celeriac/testing/Simulation"
import type { Driver } from "celeriac/testing/simulation/Driver"
import * as Effect from "effect/Effect"

/** With the commands that replay it. */
export const explain = (driver: Driver, outcome: Simulation.Outcome) =>
  Effect.map(Simulation.explain(driver, outcome), (text) =>
    [
      text,
      `all of it again:   node --conditions=@celeriac/source packages/redis/test/simulation/explore.ts 1 ${outcome.plan.seed} trace`,
      "the small plan:    … packages/redis/test/simulation/replay.ts FILE, where FILE holds the JSON above"
    ].join("\n")
  )
