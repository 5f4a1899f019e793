/** Each guard is taken out once, and somebody must notice. Left out with `CELERIAC_FAST`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { directed } from "./directed.ts"
import { hunt, passes, stumbles, unchanged } from "./hunt.ts"
import { mutants } from "./mutants.ts"
import { occurrences, simulation } from "./sources.ts"

const fast = process.env["CELERIAC_FAST"] === "1"

/** How far the search goes when the seed that caught it last does not catch it any more. */
const search = 250

describe("mutants", () => {
  it("each text stands in its file exactly once", () => {
    for (const { edits, name } of mutants) {
      for (const edit of edits) {
        assert.strictEqual(occurrences(edit), 1, `mutant "${name}": ${JSON.stringify(edit.find)} in ${edit.file}`)
      }
    }
  })

  it("there are enough of them, and no two have the same name", () => {
    assert.isAtLeast(mutants.length, 50)
    assert.strictEqual(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it.each(Object.keys(directed) as ReadonlyArray<keyof typeof directed>)("%s", async (story) => {
    assert.strictEqual(await stumbles(unchanged, story), undefined)
    const used = mutants.some(({ by }) => "directed" in by && by.directed === story)
    assert.isTrue(used, "a story that no mutant needs")
  })

  it.skipIf(fast).each(mutants.map((mutant) => ({ mutant, name: mutant.name })))(
    "$name: caught",
    async ({ mutant }) => {
      const caught = await hunt(mutant, search)
      assert.isDefined(caught, `nobody noticed in ${search} seeds`)
      // what caught it lets the sources pass as they are
      assert.strictEqual(await passes(mutant, caught.seed), undefined)
    },
    60_000
  )

  it.skipIf(fast)(
    "a failing seed becomes a small one that fails in the same way",
    async () => {
      const mutant = mutants.find(({ name }) => name === "settle by who does not hold it")!
      const { Plan, Simulation, memory } = await simulation(mutant)
      const { failed } = await Effect.runPromise(Simulation.explore(memory, { from: 1, count: search }))
      assert.isDefined(failed)
      const { plan, violation } = failed
      const smaller = await Effect.runPromise(Simulation.shrink(memory, plan, violation!.rule))
      const size = (one: typeof plan) => one.messages.length + one.stepFaults.length + one.processFaults.length
      assert.strictEqual(size(Plan.make(plan.seed)), size(plan))
      assert.isBelow(smaller.messages.length, plan.messages.length / 2)
      assert.isBelow(size(smaller), size(plan) / 2)
      assert.isAtMost(smaller.workers, plan.workers)
      const outcome = await Effect.runPromise(Simulation.run(memory, smaller, { trace: true }))
      assert.strictEqual(outcome.violation?.rule, violation!.rule)
      const text = Simulation.format(outcome)
      assert.include(text, `seed ${plan.seed} breaks ${violation!.rule}`)
      assert.include(text, outcome.violation!.detail)
      // what is printed can be lived again
      const printed = JSON.parse(text.slice(text.lastIndexOf("the plan: ") + 10)) as typeof plan
      const again = await Effect.runPromise(Simulation.run(memory, printed))
      assert.deepStrictEqual(again.violation, outcome.violation)
    },
    120_000
  )
})
