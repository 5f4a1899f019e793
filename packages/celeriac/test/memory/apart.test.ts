/** Messages and results in memory, each on a store of its own: halves that go with another store's. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Broker } from "../../src/Broker.ts"
import * as CeleriacMemory from "../../src/CeleriacMemory.ts"
import * as Client from "../../src/Client.ts"
import * as Notifier from "../../src/Notifier.ts"
import { ResultBackend } from "../../src/ResultBackend.ts"
import * as Task from "../../src/Task.ts"
import { Conformance } from "../../src/testing/index.ts"
import * as Worker from "../../src/Worker.ts"

const both = Notifier.layerBoth(CeleriacMemory.layerBroker, CeleriacMemory.layerResultBackend)

class Length extends Task.make("length", {
  payload: { text: Schema.String },
  success: Schema.Number,
  progress: Schema.String
}) {}

describe("the halves of the memory layers", () => {
  it.effect("have stores of their own, also beside the whole", () =>
    Effect.gen(function* () {
      const whole = yield* Layer.build(CeleriacMemory.layerServer)
      const halves = yield* Layer.build(Layer.merge(CeleriacMemory.layerBroker, CeleriacMemory.layerResultBackend))
      const places = [
        Context.get(whole, Broker).location,
        Context.get(halves, Broker).location,
        Context.get(halves, ResultBackend).location
      ]
      assert.strictEqual(new Set(places).size, 3)
    }).pipe(Effect.scoped)
  )

  it.effect("are one server for all to whom one build provides them", () =>
    Effect.gen(function* () {
      const places: Array<string> = []
      const user = (at: number) =>
        Layer.effectDiscard(
          Effect.all([Broker, ResultBackend]).pipe(
            Effect.map(([broker, results]) => {
              places[at] = `${broker.location} ${results.location}`
            })
          )
        ).pipe(Layer.provide(CeleriacMemory.layerBroker), Layer.provide(CeleriacMemory.layerResultBackend))
      yield* Layer.build(Layer.merge(user(0), user(1)))
      assert.lengthOf(places, 2)
      assert.strictEqual(places[0], places[1])
    }).pipe(Effect.scoped)
  )

  it.effect("tell a push once to whoever listens to both", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const notifier = yield* Notifier.Notifier
      yield* notifier.subscribe("channel", {
        onMessage: (message) => heard.push(message),
        onReset: () => heard.push("reset")
      })
      yield* notifier.publish("channel", "one")
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(heard, ["reset", "one"])
    }).pipe(Effect.scoped, Effect.provide(both))
  )

  it.effect("together serve a task from end to end", () =>
    Effect.gen(function* () {
      const handler = Length.toLayer(({ text }, task) => Effect.as(task.progress("half"), text.length))
      yield* Layer.build(Layer.provide(Worker.layer({ tasks: [Length] }), handler))
      assert.strictEqual(yield* Length.execute({ text: "three" }), 5)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Client.layer, both)))
  )
})

describe("the halves keep the rules of the contracts", () => {
  const driver = Layer.merge(both, Conformance.layerTime)
  for (const { effect, name } of [Conformance.broker, Conformance.resultBackend, Conformance.notifier].flat()) {
    it.effect(name, () => Effect.provide(effect, driver))
  }
})
