import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CeleriacMemory from "../../src/CeleriacMemory.ts"
import { Conformance, Faults } from "../../src/testing/index.ts"

const servers = {
  "memory, one store": CeleriacMemory.layerServer,
  "memory, two stores": CeleriacMemory.layerServers,
  "memory with faults that do no harm": Faults.layerMemory
}

for (const [server, layer] of Object.entries(servers)) {
  const driver = Layer.merge(layer, Conformance.layerTime)
  const suites: Record<string, ReadonlyArray<Conformance.Case<Layer.Success<typeof driver>>>> = {
    Broker: Conformance.broker,
    ResultBackend: Conformance.resultBackend,
    Notifier: Conformance.notifier,
    ...(server !== "memory, two stores" && { "Broker and ResultBackend together": Conformance.together })
  }
  for (const [contract, cases] of Object.entries(suites)) {
    describe(`${contract} (${server})`, () => {
      for (const { effect, name } of cases) it.effect(name, () => Effect.provide(effect, driver))
    })
  }
}

describe("Conformance", () => {
  it("names each case once in its suite", () => {
    for (const suite of [Conformance.broker, Conformance.resultBackend, Conformance.notifier, Conformance.together]) {
      assert.strictEqual(new Set(suite.map(({ name }) => name)).size, suite.length)
    }
  })
})
