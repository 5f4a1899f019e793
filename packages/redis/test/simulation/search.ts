/**
 * Looks for what catches the mutants: `node --conditions=@celeriac/source search.ts [SEEDS] [NAME]`. In the rules of the
 * conformance suites first, then step by step, with a few seeds, in the scenarios, and with as many seeds as are given.
 */
import { scenarios } from "celeriac/testing/simulation/Scenarios"
import * as Effect from "effect/Effect"
import { directed } from "./directed.ts"
import { type Ground, hunt, rules, unchanged } from "./hunt.ts"
import { mutants } from "./mutants.ts"
import { editOf, occurrences } from "./mutation.ts"
import { redisServer } from "./server.ts"

const [seeds = "60", only = ""] = process.argv.slice(2)

/** Where to look, and with how many seeds: what costs least first. */
const places: ReadonlyArray<Ground> = [
  ...Array.from(rules.keys(), (rule) => [{ rule }, 0] as const),
  // keys
  ...(Object.keys(directed) as Array<keyof typeof directed>).map((story) => [{ directed: story }, 0] as const),
  [{ seed: 1 }, 12],
  ...Array.from(rules.keys())
    .filter((rule) => !rule.startsWith("together: "))
    .map((rule) => [{ rule, stores: "two" }, 0] as const),
  ...(Object.keys(scenarios) as Array<keyof typeof scenarios>).map((scenario) => [{ scenario, seed: 1 }, 3] as const),
  [{ seed: 13 }, Number(seeds)]
]

const search = Effect.gen(function* () {
  const url = yield* redisServer
  for (const { edits, name } of mutants) {
    if (!name.includes(only)) continue
    const missing = edits.filter((edit) => occurrences(edit) !== 1)
    for (const { file, find } of missing) console.log(`${name}: not once in ${file}: ${find}`)
    if (missing.length > 0) continue
    const prey = { ...unchanged, edit: editOf(edits) }
    const started = performance.now()
    const caught = yield* hunt(url, prey, places)
    const time = Math.round(performance.now() - started)
    console.log(JSON.stringify({ name, ms: time, by: caught?.by, detail: caught?.detail.slice(0, 200) }))
  }
})
await Effect.runPromise(Effect.scoped(search))
