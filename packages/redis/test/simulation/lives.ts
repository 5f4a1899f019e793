/** Random lives on a real server, see `Simulation`: what the test files of the simulation have in common. */
import { assert } from "@effect/vitest"
import * as Simulation from "celeriac/testing/Simulation"
import type { Driver } from "celeriac/testing/simulation/Driver"
import type * as Plan from "celeriac/testing/simulation/Plan"
import { scenarios, turns } from "celeriac/testing/simulation/Scenarios"
import * as Effect from "effect/Effect"
import { explain } from "./explain.ts"
import * as RedisDriver from "./RedisDriver.ts"
import { redisServer } from "./server.ts"

export const fast = process.env["CELERIAC_FAST"] === "1"

/** So many seeds fill the matrix of steps and faults, with room to spare. */
const enough = 150

/** Of all files together: 300; 15 with `CELERIAC_FAST`; or as `CELERIAC_SIMULATION_SEEDS` says. */
const count = Number(process.env["CELERIAC_SIMULATION_SEEDS"] ?? (fast ? 15 : 2 * enough))
const from = Number(process.env["CELERIAC_SIMULATION_FROM"] ?? 1)

/** The seeds of one file. */
export const seedsOf = (half: "even" | "odd"): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, index) => from + index).filter((seed) => seed % 2 === (half === "even" ? 0 : 1))

/** The stories of one file: every other. */
export const storiesOf = (half: "even" | "odd"): ReadonlyArray<keyof typeof scenarios> =>
  // its keys
  (Object.keys(scenarios) as Array<keyof typeof scenarios>).filter(
    (_, index) => index % 2 === (half === "even" ? 0 : 1)
  )

/** On a server of its own. */
const onServer = <A, E>(run: (driver: Driver) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const driver = yield* RedisDriver.make(yield* redisServer)
      return yield* run(driver)
    })
  )

const live = (driver: Driver, plans: ReadonlyArray<Plan.Plan>) =>
  Effect.tap(Simulation.live(driver, plans), ({ failed }) =>
    failed === undefined ? Effect.void : Effect.map(explain(driver, failed), (text) => assert.fail(text))
  )

/** Every promise is kept, and enough happened. */
export const checkSeeds = (seeds: ReadonlyArray<number>) =>
  onServer((driver) =>
    Effect.gen(function* () {
      const lives = yield* live(
        driver,
        seeds.map((seed) => Simulation.planOf(driver, seed))
      )
      const shown = seeds.length < enough ? { matrix: false, events: [] } : {}
      assert.deepStrictEqual(Simulation.gaps(lives, shown), [], lives.coverage.toString())
    })
  )

/** A story ends well, and what it is about happens. */
export const checkStory = (story: keyof typeof scenarios) =>
  onServer((driver) =>
    Effect.gen(function* () {
      const seeds = Array.from({ length: fast ? 1 : 10 }, (_, index) => 1 + index)
      const lives = yield* live(driver, seeds.map(scenarios[story]))
      const events = fast ? [] : (turns[story] ?? [])
      assert.deepStrictEqual(Simulation.gaps(lives, { faults: 0, matrix: false, events }), [])
    })
  )

/** The same seed goes the same way to the letter: twice on one server, and on another one, whose tables are in another order. */
export const checkWays = (seeds: ReadonlyArray<number>) => {
  const ways = onServer((driver) =>
    Effect.forEach([...seeds, ...seeds], (seed) =>
      Simulation.run(driver, Simulation.planOf(driver, seed), { trace: true })
    )
  )
  return Effect.gen(function* () {
    const [first, second] = yield* Effect.all([ways, ways])
    const digests = new Set<number>()
    for (const [index, seed] of seeds.entries()) {
      const [one, again, elsewhere] = [first[index]!, first[seeds.length + index]!, second[index]!]
      assert.isAbove(one.trace.length, 500)
      assert.deepStrictEqual(again.trace, one.trace, `seed ${seed} on the same server`)
      assert.deepStrictEqual(elsewhere.trace, one.trace, `seed ${seed} on another server`)
      assert.deepStrictEqual([again.digest, elsewhere.digest], [one.digest, one.digest])
      digests.add(one.digest)
    }
    assert.strictEqual(digests.size, seeds.length)
  })
}
