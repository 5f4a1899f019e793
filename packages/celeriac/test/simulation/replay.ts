/** Lives one plan: `node --conditions=@celeriac/source replay.ts SEED`, or the name of a file with a plan as JSON. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"
import * as Plan from "../../src/testing/simulation/Plan.ts"
import { explain } from "./explain.ts"

const [what = "1"] = process.argv.slice(2)
const isSeed = /^\d+$/.test(what)
// what `Simulation.format` wrote; members that were left out are undefined
const plan = isSeed ? Plan.make(Number(what)) : (JSON.parse(readFileSync(what, "utf8")) as Plan.Plan)
const outcome = await Effect.runPromise(Simulation.run(memory, plan, { trace: true }))
if (outcome.violation === undefined) console.log(`${outcome.trace.join("\n")}\nevery promise was kept`)
else {
  process.exitCode = 1
  console.log(isSeed ? await Effect.runPromise(explain(outcome)) : Simulation.format(outcome))
}
