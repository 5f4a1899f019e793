import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { Coverage } from "../../src/testing/simulation/Coverage.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"
import * as Plan from "../../src/testing/simulation/Plan.ts"

/** More by hand: `node --conditions=@celeriac/source packages/celeriac/test/simulation/explore.ts 1000 1`. */
const seeds = Number(process.env["CELERIAC_SIMULATION_SEEDS"] ?? (process.env["CELERIAC_FAST"] === "1" ? 15 : 60))

describe("simulation", () => {
  it.live(
    `${seeds} lives with faults keep every promise`,
    () =>
      Effect.gen(function* () {
        const coverage = new Coverage()
        for (let seed = 1; seed <= seeds; seed++) {
          const outcome = yield* Simulation.run(memory, Plan.make(seed))
          assert.isUndefined(outcome.violation, `seed ${seed}`)
          coverage.add(outcome.coverage)
        }
        for (const step of ["publish", "claim", "settle", "renew", "reconcile"]) {
          assert.match(coverage.toString(), new RegExp(`${step}\\s+[1-9]`), `${step} never came`)
        }
      }),
    120_000
  )

  it.live(
    "a seed goes the same way again, to the letter",
    () =>
      Effect.gen(function* () {
        const lives = yield* Effect.forEach([7, 7, 8], (seed) =>
          Simulation.run(memory, Plan.make(seed), { trace: true })
        )
        assert.deepStrictEqual(lives[0]!.trace, lives[1]!.trace)
        assert.strictEqual(lives[0]!.digest, lives[1]!.digest)
        assert.notStrictEqual(lives[0]!.digest, lives[2]!.digest)
      }),
    30_000
  )
})
