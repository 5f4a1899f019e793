/** Many seeds by hand: `node --conditions=@celeriac/source explore.ts COUNT FROM [trace]`. */
import * as Effect from "effect/Effect"
import * as Simulation from "../../src/testing/Simulation.ts"
import { Coverage } from "../../src/testing/simulation/Coverage.ts"
import { memory } from "../../src/testing/simulation/MemoryDriver.ts"
import * as Plan from "../../src/testing/simulation/Plan.ts"

const [count = 100, from = 1, mode] = process.argv.slice(2).map((text) => (isNaN(Number(text)) ? text : Number(text)))
const started = performance.now()
const total = new Coverage()
const rules = new Map<string, Array<number>>()
let faults = 0,
  least = Infinity
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  const outcome = await Effect.runPromise(Simulation.run(memory, Plan.make(seed), { trace: mode === "trace" }))
  total.add(outcome.coverage)
  faults += outcome.faults
  least = Math.min(least, outcome.faults)
  if (outcome.violation !== undefined) {
    const { at, detail, rule } = outcome.violation
    if (mode === "trace") console.log(outcome.trace.join("\n"))
    if ((rules.get(rule)?.length ?? 0) < 6) console.log(`seed ${seed} at ${at}: ${rule}: ${detail.slice(0, 600)}`)
    rules.set(rule, [...(rules.get(rule) ?? []), seed])
  }
}
const millis = performance.now() - started
console.log(total.toString())
console.log(
  [...total.events]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([event, n]) => `${event} ${n}`)
    .join(" · ")
)
console.log("missing:", total.missing.join(", "))
console.log([...rules].map(([rule, seeds]) => `${rule}: ${seeds.length} (${seeds.slice(0, 8).join()})`).join("\n"))
console.log(
  `${String(count)} seeds, ${(millis / Number(count)).toFixed(1)} ms each, faults ${(faults / Number(count)).toFixed(1)} (least ${least})`
)
