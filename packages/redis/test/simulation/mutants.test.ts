/** Each guard of the scripts, and of the code around them, is taken out once, and somebody must notice. Left out with `CELERIAC_FAST`. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Simulation from "celeriac/testing/Simulation"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Catch, hunt, unchanged } from "./hunt.ts"
import { fast } from "./lives.ts"
import { mutants, sourceMutants } from "./mutants.ts"
import { editOf, occurrences } from "./mutation.ts"
import * as RedisDriver from "./RedisDriver.ts"
import { redisServer } from "./server.ts"
import * as sources from "./sources.ts"

/** How far the search goes when the seed that caught it last does not catch it any more. */
const search = 100

const all = [...mutants, ...sourceMutants]

describe("mutants", () => {
  it("each text stands in its file exactly once", () => {
    for (const [some, count] of [
      [mutants, occurrences],
      [sourceMutants, sources.occurrences]
    ] as const) {
      for (const { edits, name } of some) {
        for (const edit of edits) {
          assert.strictEqual(count(edit), 1, `mutant "${name}": ${JSON.stringify(edit.find)} in ${edit.file}`)
        }
      }
    }
  })

  it("there are enough of them, and no two have the same name", () => {
    assert.isAtLeast(mutants.length, 60)
    assert.strictEqual(new Set(all.map(({ name }) => name)).size, all.length)
  })
})

describe.skipIf(fast)("mutants", () => {
  const scope = Scope.makeUnsafe()
  let url = ""

  beforeAll(async () => {
    url = await Effect.runPromise(Scope.provide(redisServer, scope))
  })

  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  /** What is caught in one place must pass there without the mutant: asked once. */
  const passed = new Set<string>()

  const check = Effect.fnUntraced(function* (caught: Catch | undefined) {
    if (caught === undefined) return assert.fail(`nobody noticed, with ${search} seeds where there are seeds`)
    const place = JSON.stringify(caught.by)
    if (passed.has(place)) return
    const wrong = yield* hunt(url, unchanged, [[caught.by, 0]])
    assert.isUndefined(wrong, "it fails without the mutant too")
    passed.add(place)
  })

  it.live.each(mutants.map((mutant) => ({ mutant, name: mutant.name })))(
    "$name: caught",
    ({ mutant: { by, edits } }) =>
      Effect.suspend(() => Effect.flatMap(hunt(url, { ...unchanged, edit: editOf(edits) }, [[by, search]]), check)),
    120_000
  )

  it.live.each(sourceMutants.map((mutant) => ({ mutant, name: mutant.name })))(
    "$name: caught",
    ({ mutant }) =>
      Effect.promise(() => sources.preyOf(mutant)).pipe(
        Effect.flatMap((prey) => hunt(url, prey, [[mutant.by, search]])),
        Effect.flatMap(check)
      ),
    120_000
  )

  it.live(
    "a failing seed becomes a small one that fails in the same way",
    () =>
      Effect.gen(function* () {
        const { edits } = mutants.find(({ name }) => name === "claim: fences do not grow")!
        const driver = yield* RedisDriver.make(url, editOf(edits))
        const { failed } = yield* Simulation.explore(driver, { from: 1, count: search })
        assert.isDefined(failed)
        const { plan, violation } = failed
        const text = yield* Simulation.explain(driver, failed)
        assert.include(text, `seed ${plan.seed} breaks ${violation!.rule}`)
        // what is printed can be lived again
        const printed = JSON.parse(text.slice(text.lastIndexOf("the plan: ") + 10)) as typeof plan
        assert.isBelow(printed.messages.length, plan.messages.length / 2)
        const again = yield* Simulation.run(driver, printed)
        assert.isDefined(again.violation)
        assert.strictEqual(again.violation.rule, violation!.rule)
        assert.include(text, again.violation.detail)
      }).pipe(Effect.scoped),
    120_000
  )
})
