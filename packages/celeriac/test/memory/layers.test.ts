import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Broker, wakeChannel } from "../../src/Broker.ts"
import * as MemoryHub from "../../src/memory/MemoryHub.ts"
import { layerResultBackend } from "../../src/memory/MemoryResultBackend.ts"
import * as MemoryStore from "../../src/memory/MemoryStore.ts"
import { Notifier } from "../../src/Notifier.ts"
import { replyChannel, ResultBackend, ResultBackendError } from "../../src/ResultBackend.ts"
import { ackWith, ids, ttl, wire } from "./rig.ts"
import { claim, consume, publish, run, settling } from "./storm.ts"

describe("memory layers: pushes", () => {
  const listen = Effect.fnUntraced(function* (channel: string) {
    const notifier = yield* Notifier
    const heard: Array<string> = []
    yield* notifier.subscribe(channel, {
      onMessage: (message) => heard.push(message),
      onReset: () => heard.push("reset")
    })
    return heard
  })
  /** Pushes are delivered in a microtask. */
  const settled = Effect.promise(() => Promise.resolve())

  run("arrive after the step that sent them, in order", () =>
    Effect.gen(function* () {
      const { push } = yield* MemoryHub.MemoryHub
      const heard = yield* listen("channel")
      assert.strictEqual(push("channel", "one"), 1)
      assert.strictEqual(push("channel", "two"), 1)
      assert.strictEqual(push("elsewhere", "three"), 0)
      assert.deepStrictEqual(heard, ["reset"])
      yield* settled
      assert.deepStrictEqual(heard, ["reset", "one", "two"])
    })
  )

  run("a subscriber may publish while it is told", () =>
    Effect.gen(function* () {
      const hub = yield* MemoryHub.MemoryHub
      const heard = yield* listen("out")
      hub.subscribe("in", {
        onMessage: (message) => {
          hub.push("out", `${message}!`)
          heard.push("returned")
        },
        onReset: () => {}
      })
      hub.push("in", "one")
      hub.push("in", "two")
      yield* settled
      yield* settled
      assert.deepStrictEqual(heard, ["reset", "returned", "returned", "one!", "two!"])
    })
  )

  run("end with the scope, and can be lost", (storm) =>
    Effect.gen(function* () {
      const hub = yield* MemoryHub.MemoryHub
      const notifier = yield* Notifier
      const scope = yield* Scope.make()
      const heard = yield* Scope.provide(listen("channel"), scope)
      storm.passes = false
      yield* notifier.publish("channel", "lost")
      yield* settled
      storm.passes = true
      hub.reset()
      yield* notifier.publish("channel", "told")
      yield* settled
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(hub.push("channel", "late"), 0)
      yield* settled
      assert.deepStrictEqual(heard, ["reset", "reset", "told"])
    })
  )

  run("wake an idle consumer, and tell of revocations and results", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const results = yield* ResultBackend
      const consumer = yield* consume()
      const woken = yield* listen(wakeChannel(consumer.id))
      const revoked = yield* listen(`revoke:${consumer.id}`)
      const replies = yield* listen(replyChannel("client"))
      yield* claim(consumer)
      yield* publish("a", "b")
      yield* results.watch("client", [{ id: "a", queue: "q" }], "end")
      const [a, b] = yield* claim(consumer)
      yield* broker.end([b!], "any")
      yield* consumer.settle(settling([a!], ackWith("done")))
      yield* settled
      assert.deepStrictEqual(woken, ["reset", "q"])
      assert.deepStrictEqual(revoked, ["reset", JSON.stringify(["b", "q"])])
      assert.deepStrictEqual(replies, ["reset", JSON.stringify(["a", "q"])])
    })
  )
})

describe("memory result backend", () => {
  run("shares the broker's location, or has one of its own", () =>
    Effect.gen(function* () {
      const here = yield* Broker
      assert.strictEqual((yield* ResultBackend).location, here.location)
      const apart = yield* Layer.build(
        Layer.fresh(layerResultBackend).pipe(Layer.provide(Layer.fresh(MemoryStore.layer)))
      )
      assert.notStrictEqual(Context.get(apart, ResultBackend).location, here.location)
    })
  )

  run("of its own keeps notes by their fence, and pushes to the same clients", () =>
    Effect.gen(function* () {
      const apart = yield* Layer.build(
        Layer.fresh(layerResultBackend).pipe(Layer.provide(Layer.fresh(MemoryStore.layer)))
      )
      const results = Context.get(apart, ResultBackend)
      const notifier = yield* Notifier
      const heard: Array<string> = []
      yield* notifier.subscribe(replyChannel("client"), { onMessage: (one) => heard.push(one), onReset: () => {} })
      const a = { id: "a", queue: "q" }
      yield* results.watch("client", [a], "end")
      const note = { ...a, kind: "progress", consumer: "w", value: "half", ttl } as const
      assert.deepStrictEqual(
        yield* results.note([
          { ...note, fence: 2 },
          { ...note, fence: 1 }
        ]),
        ["noted", "refused"]
      )
      assert.deepStrictEqual(yield* results.commit([{ ...a, value: "done", ttl }]), ["committed"])
      assert.deepStrictEqual(yield* results.commit([{ ...a, value: "again", ttl }]), ["lost"])
      assert.deepStrictEqual(yield* results.read([a]), [
        { record: "done", progress: undefined, attempts: [], live: undefined }
      ])
      yield* results.unwatch("client", [a])
      yield* results.forget([a], undefined)
      assert.strictEqual((yield* results.read([a]))[0]!.record, undefined)
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(heard, [JSON.stringify(["a", "q"])])
    })
  )

  run("fails with its own error", (storm) =>
    Effect.gen(function* () {
      const results = yield* ResultBackend
      storm.weather = () => "lost"
      assert.deepStrictEqual(
        yield* Effect.flip(results.read([{ id: "a", queue: "q" }])),
        new ResultBackendError({ detail: "lost" })
      )
    })
  )
})

describe("memory layers: time", () => {
  run("is that of the clock: delays, expiry, records", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const results = yield* ResultBackend
      const consumer = yield* consume()
      const [delayed, expiring] = ["a", "b"].map((id) => ({ id, queue: "q" }))
      yield* publish(
        { ...delayed!, wire: wire(5), delay: 1_000 },
        { ...expiring!, wire: wire(5), delay: 60_000, expiresAt: 500 }
      )
      assert.deepStrictEqual(yield* claim(consumer), [])
      yield* TestClock.adjust("500 millis")
      const limits = { count: 9, bytes: 1000 }
      const overdue = { messages: [{ ...expiring!, wire: wire(5) }], nextIn: undefined }
      assert.deepStrictEqual(yield* broker.overdue(limits), overdue)
      yield* TestClock.adjust("500 millis")
      const held = yield* claim(consumer)
      assert.deepStrictEqual(ids(held), ["a"])
      yield* consumer.settle(settling(held, ackWith("done")))
      yield* TestClock.adjust(ttl - 1)
      assert.strictEqual((yield* results.read([delayed!]))[0]!.record, "done")
      yield* TestClock.adjust(1)
      assert.isUndefined((yield* results.read([delayed!]))[0]!.record)
    })
  )

  run("looks at places, dead letters and queues", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const consumer = yield* consume()
      yield* publish("a")
      assert.strictEqual((yield* broker.locate([{ id: "a", queue: "q" }]))[0]?.place, "queued")
      yield* consumer.settle(settling(yield* claim(consumer), { _tag: "Ack", dead: "poison" }))
      assert.deepStrictEqual(yield* broker.locate([{ id: "a", queue: "q" }]), [undefined])
      assert.deepStrictEqual(yield* broker.deadLetters("q", { limit: 5 }), [
        { id: "a", queue: "q", wire: wire(5), reason: "poison", diedAt: 0 }
      ])
      assert.deepStrictEqual(yield* broker.counts("q"), { queued: 0, scheduled: 0, active: 0, dead: 1, deadDropped: 0 })
      assert.deepStrictEqual(yield* broker.queues, ["q"])
    })
  )
})
