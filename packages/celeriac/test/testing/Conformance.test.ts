import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Broker } from "../../src/Broker.ts"
import * as CeleriacMemory from "../../src/CeleriacMemory.ts"
import type { Notifier } from "../../src/Notifier.ts"
import type { ResultBackend } from "../../src/ResultBackend.ts"
import { Conformance, Faults } from "../../src/testing/index.ts"
import * as Distant from "./distant.ts"

type Services = Broker | ResultBackend | Notifier | Conformance.ConformanceTime

const servers: Record<string, Layer.Layer<Services>> = {
  "memory, one store": Layer.merge(CeleriacMemory.layerServer, Conformance.layerTime),
  "memory, two stores": Layer.merge(CeleriacMemory.layerServers, Conformance.layerTime),
  "memory with faults that do no harm": Layer.merge(Faults.layerMemory, Conformance.layerTime),
  "memory, far away": Layer.merge(Distant.layerServer, Distant.layerTime)
}

for (const [server, driver] of Object.entries(servers)) {
  const suites: Record<string, ReadonlyArray<Conformance.Case<Services>>> = {
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
