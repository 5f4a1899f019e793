/** Lives one plan: `node --conditions=@celeriac/source replay.ts SEED`, or the name of a file with a plan as JSON. */
import { readFileSync } from "node:fs"
import * as Simulation from "celeriac/testing/Simulation"
import type * as Plan from "celeriac/testing/simulation/Plan"
import * as Effect from "effect/Effect"
import { explain } from "./explain.ts"
import * as RedisDriver from "./RedisDriver.ts"
import { redisServer } from "./server.ts"

const [what = "1"] = process.argv.slice(2)
const isSeed = /^\d+$/.test(what)
const replay = Effect.gen(function* () {
  const driver = yield* RedisDriver.make(yield* redisServer)
  const plan = isSeed
    ? Simulation.planOf(driver, Number(what))
    : // what `Simulation.format` wrote; members that were left out are undefined
      (JSON.parse(readFileSync(what, "utf8")) as Plan.Plan)
  const outcome = yield* Simulation.run(driver, plan, { trace: true })
  if (outcome.violation === undefined) return console.log(`${outcome.trace.join("\n")}\nevery promise was kept`)
  process.exitCode = 1
  console.log(isSeed ? yield* explain(driver, outcome) : Simulation.format(outcome))
})
await Effect.runPromise(Effect.scoped(replay))
