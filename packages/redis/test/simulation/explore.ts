/** Many seeds by hand: `node --conditions=@celeriac/source explore.ts COUNT FROM [trace]`. */
import * as Simulation from "celeriac/testing/Simulation"
import { Coverage } from "celeriac/testing/simulation/Coverage"
import * as Plan from "celeriac/testing/simulation/Plan"
import * as Effect from "effect/Effect"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../../scripts/redis-server.mjs"
import * as RedisDriver from "./RedisDriver.ts"

const [count = 100, from = 1, mode] = process.argv.slice(2).map((text) => (isNaN(Number(text)) ? text : Number(text)))
const server: { readonly url: string; readonly stop: () => Promise<void> } = await startRedis()
const total = new Coverage()
const explore = Effect.gen(function* () {
  const driver = yield* RedisDriver.make(server.url)
  for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
    const { coverage, trace, violation } = yield* Simulation.run(driver, Plan.make(seed), { trace: mode === "trace" })
    total.add(coverage)
    if (violation === undefined) {
      const leftovers = yield* driver.leftovers
      if (leftovers.length > 0) console.log(`seed ${seed} leaves ${leftovers.join(", ")}`)
      continue
    }
    if (mode === "trace") console.log(trace.join("\n"))
    console.log(`seed ${seed} at ${violation.at}: ${violation.rule}: ${violation.detail.slice(0, 600)}`)
  }
})
const started = performance.now()
await Effect.runPromise(Effect.scoped(explore)).finally(server.stop)
const millis = performance.now() - started
console.log(total.toString())
console.log(
  Array.from(total.events, ([event, times]) => `${event} ${times}`)
    .toSorted()
    .join(" · ")
)
console.log("missing:", total.missing.join(", "))
console.log(`${String(count)} seeds, ${(millis / Number(count)).toFixed(0)} ms each`)
