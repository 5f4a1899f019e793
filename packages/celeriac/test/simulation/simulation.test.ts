/**
 * Random lives on the memory layers, see `Simulation`. `CELERIAC_SIMULATION_SEEDS` says how many (160; 15 with `CELERIAC_FAST`),
 * `CELERIAC_SIMULATION_FROM` where they begin (1).
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { Coverage, harms, steps } from "../../src/testing/simulation/Coverage.ts"
import type { Driver } from "../../src/testing/simulation/Driver.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"
import * as Plan from "../../src/testing/simulation/Plan.ts"
import { scenarios, turns } from "../../src/testing/simulation/Scenarios.ts"
import { distant } from "./distant.ts"
import { explain } from "./explain.ts"

const fast = process.env["CELERIAC_FAST"] === "1"
const count = Number(process.env["CELERIAC_SIMULATION_SEEDS"] ?? (fast ? 15 : 160))
const from = Number(process.env["CELERIAC_SIMULATION_FROM"] ?? 1)

/** So many seeds fill the matrix of steps and faults, with room to spare. */
const enough = 150

const live = (plans: ReadonlyArray<Plan.Plan>) =>
  Effect.tap(Simulation.live(memory, plans), ({ failed }) =>
    failed === undefined ? Effect.void : Effect.map(explain(failed), (text) => assert.fail(text))
  )

const seeds = (length: number, first = 1) => Array.from({ length }, (_, index) => first + index)

describe("simulation on memory", () => {
  it.live(
    `${count} seeds keep every promise`,
    () =>
      Effect.gen(function* () {
        const plans = seeds(count, from).map((seed) => Simulation.planOf(memory, seed))
        for (const { messages, seed, workers } of plans) {
          assert.isAtLeast(workers, 3, `workers of seed ${seed}`)
          assert.isAtLeast(messages.length, 30, `messages of seed ${seed}`)
        }
        const lives = yield* live(plans)
        const shown = count < enough ? { matrix: false, events: [] } : {}
        assert.deepStrictEqual(Simulation.gaps(lives, shown), [], lives.coverage.toString())
      }),
    { timeout: 30_000 + 1000 * count }
  )

  it.live.each(Object.entries(scenarios))(
    "the story of %s ends well",
    ([name, make]) =>
      Effect.gen(function* () {
        const lives = yield* live(seeds(fast ? 3 : 10).map(make))
        // one of the keys
        const events = fast ? [] : (turns[name as keyof typeof scenarios] ?? [])
        assert.deepStrictEqual(Simulation.gaps(lives, { faults: 0, matrix: false, events }), [])
      }),
    60_000
  )

  it.live(
    "the same seed goes the same way to the letter",
    () =>
      Effect.gen(function* () {
        const digests = new Set<number>()
        for (const seed of seeds(3)) {
          const first = yield* Simulation.run(memory, Plan.make(seed), { trace: true })
          const second = yield* Simulation.run(memory, Plan.make(seed))
          const third = yield* Simulation.run(memory, Plan.make(seed), { trace: true })
          assert.strictEqual(first.digest, second.digest)
          assert.deepStrictEqual(first.trace, third.trace)
          assert.isAbove(first.trace.length, 500)
          digests.add(first.digest)
        }
        assert.strictEqual(digests.size, 3)
      }),
    30_000
  )

  it.live(
    "a server that is far away makes no difference: the same seed goes the same way",
    () =>
      Effect.gen(function* () {
        for (const seed of seeds(2)) {
          const near = yield* Simulation.run(memory, Plan.make(seed))
          const far = yield* Simulation.run(distant(memory), Plan.make(seed))
          assert.isUndefined(far.violation)
          assert.strictEqual(far.digest, near.digest)
        }
      }),
    60_000
  )

  it.live("a plan that was written down goes the same way", () =>
    Effect.gen(function* () {
      const plan = Plan.make(1)
      // members that are undefined are left out
      const read = JSON.parse(JSON.stringify(plan)) as Plan.Plan
      const digests = [yield* Simulation.run(memory, plan), yield* Simulation.run(memory, read)]
      assert.strictEqual(digests[0]!.digest, digests[1]!.digest)
    })
  )

  it("the matrix knows its empty cells", () => {
    const coverage = new Coverage()
    assert.strictEqual(coverage.missing.length, steps.length * harms.length)
    coverage.bitten("claim", "reply lost")
    assert.strictEqual(coverage.missing.length, steps.length * harms.length - 1)
    assert.notInclude(coverage.missing, "claim × reply lost")
  })

  it("a driver's own steps are struck too, and the rest of the plan stays as it is", () => {
    const further = ["greet"]
    const { stepFaults, ...rest } = Plan.make(1, further)
    const { stepFaults: common, ...others } = Plan.make(1)
    assert.deepStrictEqual(rest, others)
    assert.deepStrictEqual(stepFaults.slice(0, common.length), common)
    assert.deepStrictEqual(
      stepFaults.slice(common.length).map(({ step }) => step),
      further
    )
    assert.include(new Coverage(further).missing, "greet × delay")
  })

  it("lives that show too little are told", () => {
    const coverage = new Coverage()
    coverage.happened("blocked")
    assert.deepStrictEqual(Simulation.gaps({ coverage, least: 9 }, { matrix: false, events: ["blocked", "revoked"] }), [
      "a life with 9 faults only",
      "never happened: revoked"
    ])
    assert.include(Simulation.gaps({ coverage, least: 10 }), "never done: claim × copy")
  })

  it.live("what a server still has when all is over is a failure", () =>
    Effect.gen(function* () {
      const start: Driver["start"] = (surroundings) =>
        Effect.map(memory.start(surroundings), (server) => ({ ...server, leftovers: Effect.succeed(["a hole"]) }))
      const { violation } = yield* Simulation.run({ ...memory, start }, Plan.make(1))
      assert.deepInclude(violation, { rule: "left behind", detail: "a hole" })
    })
  )
})
