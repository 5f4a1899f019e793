/**
 * Random lives on the memory layers, see `Simulation`. `CELERIAC_SIMULATION_SEEDS` says how many (160; 15 with `CELERIAC_FAST`),
 * `CELERIAC_SIMULATION_FROM` where they begin (1).
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { Coverage, harms, steps } from "../../src/testing/simulation/Coverage.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"
import * as Plan from "../../src/testing/simulation/Plan.ts"
import { distant } from "./distant.ts"
import { explain } from "./explain.ts"
import { scenarios } from "./scenarios.ts"

const fast = process.env["CELERIAC_FAST"] === "1"
const count = Number(process.env["CELERIAC_SIMULATION_SEEDS"] ?? (fast ? 15 : 160))
const from = Number(process.env["CELERIAC_SIMULATION_FROM"] ?? 1)

/** So many seeds fill the matrix of steps and faults, with room to spare. */
const enough = 150

/** What has to happen beside the faults of the matrix, or the seeds prove little. */
const events = [
  ...["worker crash", "worker drain", "producer crash", "blocked", "abandoned", "late command", "push lost"],
  ...[
    "recovered",
    "claimed alone",
    "suspect passed on",
    "claim reply lost",
    "orphan found",
    "overlap excused",
    "revoked"
  ],
  ...["fault stop", "fault disconnect", "fault outage", "fault deafen", "fault jump"],
  ...["ended succeeded", "ended failed", "ended revoked", "ended expired", "ended ignored", "ended dead"]
]

/** What the stories have to bring about. */
const turns: Partial<Record<keyof typeof scenarios, ReadonlyArray<string>>> = {
  "poison among long runs": ["suspect passed on", "claimed beside others", "worker crash"],
  "back to the same": ["overlap excused", "recovered"],
  "deaf worker": ["ended revoked"]
}

const live = Effect.fnUntraced(function* (plans: ReadonlyArray<Plan.Plan>) {
  const coverage = new Coverage()
  let fewest = Infinity
  for (const plan of plans) {
    const outcome = yield* Simulation.run(memory, plan)
    coverage.add(outcome.coverage)
    fewest = Math.min(fewest, outcome.faults)
    if (outcome.violation !== undefined) assert.fail(yield* explain(memory, outcome))
  }
  return { coverage, fewest }
})

const seeds = (length: number, first = 1) => Array.from({ length }, (_, index) => first + index)

describe("simulation on memory", () => {
  it.live(
    `${count} seeds keep every promise`,
    () =>
      Effect.gen(function* () {
        const plans = seeds(count, from).map(Plan.make)
        for (const { messages, seed, workers } of plans) {
          assert.isAtLeast(workers, 3, `workers of seed ${seed}`)
          assert.isAtLeast(messages.length, 30, `messages of seed ${seed}`)
        }
        const { coverage, fewest } = yield* live(plans)
        assert.isAtLeast(fewest, 10, "faults that bit in the seed with the fewest")
        if (count < enough) return
        assert.deepStrictEqual(coverage.missing, [], `empty cells of\n${coverage.toString()}`)
        for (const event of events) assert.isAbove(coverage.events.get(event) ?? 0, 0, event)
      }),
    { timeout: 30_000 + 1000 * count }
  )

  it.live.each(Object.entries(scenarios))(
    "the story of %s ends well",
    ([name, make]) =>
      Effect.gen(function* () {
        const { coverage } = yield* live(seeds(fast ? 3 : 10).map(make))
        if (fast) return
        // one of the keys
        for (const event of turns[name as keyof typeof scenarios] ?? []) {
          assert.isAbove(coverage.events.get(event) ?? 0, 0, event)
        }
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
})
