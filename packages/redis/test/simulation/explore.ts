/** Many seeds by hand: `node --conditions=@celeriac/source explore.ts COUNT FROM [trace]`. */
import * as Simulation from "celeriac/testing/Simulation"
import { Coverage } from "celeriac/testing/simulation/Coverage"
import * as Effect from "effect/Effect"
import * as RedisDriver from "./RedisDriver.ts"
import { redisServer } from "./server.ts"

const [count = "100", from = "1", mode] = process.argv.slice(2)
const last = Number(from) + Number(count) - 1
const explore = Effect.gen(function* () {
  const driver = yield* RedisDriver.make(yield* redisServer)
  const total = new Coverage(driver.steps)
  const started = performance.now()
  for (let seed = Number(from); seed <= last; seed++) {
    const plan = Simulation.planOf(driver, seed)
    const { coverage, trace, violation } = yield* Simulation.run(driver, plan, { trace: mode === "trace" })
    total.add(coverage)
    if (mode === "trace") console.log(trace.join("\n"))
    if (violation === undefined) continue
    console.log(`seed ${seed} at ${violation.at}: ${violation.rule}: ${violation.detail.slice(0, 600)}`)
  }
  const millis = performance.now() - started
  console.log(total.toString())
  const events = Array.from(total.events, ([event, times]) => `${event} ${times}`)
  console.log(events.toSorted().join(" · "))
  console.log("missing:", total.missing.join(", "))
  console.log(`${count} seeds, ${(millis / Number(count)).toFixed(0)} ms each`)
})
await Effect.runPromise(Effect.scoped(explore))
