/** What to tell people of a life that broke a promise. */
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import type { Driver } from "../../src/testing/simulation/Driver.ts"

/** The smallest plan found that breaks the same promise, what happened in it, and how to live it again. */
export const explain = Effect.fnUntraced(function* (driver: Driver, { plan, violation }: Simulation.Outcome) {
  const smaller = yield* Simulation.shrink(driver, plan, violation!.rule)
  return [
    Simulation.format(yield* Simulation.run(driver, smaller, { trace: true })),
    `all of it again:   node --conditions=@celeriac/source packages/celeriac/test/simulation/explore.ts 1 ${plan.seed} trace`,
    "the small plan:    … packages/celeriac/test/simulation/replay.ts FILE, where FILE holds the JSON above"
  ].join("\n")
})
