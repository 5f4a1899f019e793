import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Broker, ConsumerLost, Unavailable } from "../../src/Broker.ts"
import type { Publication } from "../../src/Broker.ts"
import { ackWith, ids, wire } from "./rig.ts"
import { claim, consume, publish, reasonOf, run, settling } from "./storm.ts"

describe("memory broker: one command for each queue", () => {
  const message = (id: string, queue: string): Publication => ({ id, queue, wire: wire(5) })

  run("publish puts the receipts into the order of the messages", (storm) =>
    Effect.gen(function* () {
      yield* publish(message("b", "two"))
      storm.sent()
      const receipts = yield* publish(
        message("a", "one"),
        message("b", "two"),
        message("c", "one"),
        message("d", "two")
      )
      assert.deepStrictEqual(receipts, ["accepted", "duplicate", "accepted", "accepted"])
      assert.deepStrictEqual(storm.sent(), ["publish", "publish"])
      const broker = yield* Broker
      assert.deepStrictEqual(yield* broker.queues, ["two", "one"])
      assert.strictEqual((yield* broker.counts("one")).queued, 2)
      assert.deepStrictEqual(yield* publish(), [])
    })
  )

  run("settle answers in the order of the settlements", (storm) =>
    Effect.gen(function* () {
      const consumer = yield* consume("one", "two")
      yield* publish(message("a", "one"), message("b", "two"), message("c", "one"))
      const [a, c] = yield* claim(consumer, 9, "one")
      const [b] = yield* claim(consumer, 9, "two")
      yield* consumer.settle(settling([b!]))
      storm.sent()
      assert.deepStrictEqual(yield* consumer.settle(settling([a!, b!, c!])), ["settled", "refused", "settled"])
      assert.deepStrictEqual(storm.sent(), ["settle", "settle"])
      assert.deepStrictEqual(yield* consumer.settle([]), [])
      assert.deepStrictEqual(storm.sent(), [])
    })
  )

  run("renew and reconcile speak of all queues", () =>
    Effect.gen(function* () {
      const peer = yield* consume("one", "two")
      const consumer = yield* consume("one", "two")
      yield* publish(message("a", "one"), message("b", "two"))
      const held = [...(yield* claim(consumer, 9, "one")), ...(yield* claim(consumer, 9, "two"))]
      const broker = yield* Broker
      yield* broker.end(held, "any")
      assert.deepStrictEqual(yield* consumer.renew, {
        doubt: false,
        revoked: [
          { id: "a", queue: "one" },
          { id: "b", queue: "two" }
        ],
        suspects: []
      })
      yield* TestClock.adjust("4 seconds")
      const { suspects } = yield* consumer.renew
      assert.deepStrictEqual(
        suspects.map(({ consumer, endsIn, queue }) => [consumer, queue, endsIn]),
        [
          [peer.id, "one", 4_000],
          [peer.id, "two", 4_000]
        ]
      )
      assert.deepStrictEqual(yield* consumer.reconcile(held), { lost: held, found: [] })
      assert.isFalse((yield* consumer.renew).doubt)
    })
  )
})

describe("memory broker: lost replies", () => {
  run("a claim whose reply was lost is noticed by the next renewal, found, and counts as no crash", (storm) =>
    Effect.gen(function* () {
      const consumer = yield* consume()
      yield* publish("a", "b")
      const [a] = yield* claim(consumer, 1)
      storm.weather = (step) => (step === "claim" ? "no reply" : "fair")
      assert.deepStrictEqual(
        reasonOf(yield* Effect.exit(claim(consumer))),
        new Unavailable({ accepted: "maybe", detail: "no reply" })
      )
      storm.weather = () => "fair"
      assert.isTrue((yield* consumer.renew).doubt)
      const { found, lost } = yield* consumer.reconcile([a!])
      assert.deepStrictEqual([found.map(({ crashes, id }) => [id, crashes]), lost], [[["b", 0]], []])
      assert.isFalse((yield* consumer.renew).doubt)
      assert.deepStrictEqual(yield* consumer.settle(settling([a!, ...found])), ["settled", "settled"])
      assert.isFalse((yield* consumer.renew).doubt)
    })
  )

  run("a settlement whose reply was lost is noticed too, and told as lost", (storm) =>
    Effect.gen(function* () {
      const consumer = yield* consume()
      yield* publish("a", "b")
      const held = yield* claim(consumer)
      storm.weather = () => "no reply"
      yield* Effect.exit(consumer.settle(settling([held[0]!], ackWith("done"))))
      storm.weather = () => "fair"
      assert.isTrue((yield* consumer.renew).doubt)
      assert.deepStrictEqual(yield* consumer.reconcile(held), { lost: [held[0]!], found: [] })
      assert.isFalse((yield* consumer.renew).doubt)
    })
  )

  run("nothing is in doubt when commands are lost, or all is well", (storm) =>
    Effect.gen(function* () {
      const consumer = yield* consume()
      yield* publish("a", "b")
      const held = yield* claim(consumer)
      storm.weather = () => "lost"
      yield* Effect.exit(claim(consumer))
      yield* Effect.exit(consumer.settle(settling(held)))
      storm.weather = () => "fair"
      assert.isFalse((yield* consumer.renew).doubt)
      const broker = yield* Broker
      yield* broker.end([held[0]!], "any")
      assert.isFalse((yield* consumer.renew).doubt)
      assert.deepStrictEqual(yield* consumer.settle(settling(held)), ["refused", "settled"])
      assert.isFalse((yield* consumer.renew).doubt)
    })
  )

  run("a claim that is carried out twice is found", (storm) =>
    Effect.gen(function* () {
      const consumer = yield* consume()
      yield* publish("a", "b")
      storm.weather = (step) => (step === "claim" ? "twice" : "fair")
      const held = yield* claim(consumer, 1)
      assert.deepStrictEqual(ids(held), ["b"])
      assert.isTrue((yield* consumer.renew).doubt)
      assert.deepStrictEqual(ids((yield* consumer.reconcile(held)).found), ["a"])
    })
  )

  run("a reconciliation finds again what a claim brought before, if the caller does not know of it", () =>
    Effect.gen(function* () {
      const consumer = yield* consume()
      yield* publish("a")
      const held = yield* claim(consumer)
      assert.deepStrictEqual(yield* consumer.reconcile([]), { lost: [], found: held })
      assert.deepStrictEqual(yield* consumer.reconcile([]), { lost: [], found: held })
    })
  )

  for (const first of ["claim", "reconcile"] as const) {
    run(
      `a claim under way beside a reconciliation brings its message once: the reply of ${first} comes first`,
      (storm) =>
        Effect.gen(function* () {
          const consumer = yield* consume()
          yield* publish("a")
          const gates = { claim: yield* Deferred.make<void>(), reconcile: yield* Deferred.make<void>() }
          storm.weather = (step) => (step === "claim" || step === "reconcile" ? gates[step] : "fair")
          const claiming = yield* Effect.forkChild(claim(consumer), { startImmediately: true })
          const reconciling = yield* Effect.forkChild(consumer.reconcile([]), { startImmediately: true })
          const second = first === "claim" ? "reconcile" : "claim"
          const fibers = { claim: claiming, reconcile: reconciling }
          yield* Deferred.succeed(gates[first], undefined)
          yield* Fiber.await<unknown, unknown>(fibers[first])
          yield* Deferred.succeed(gates[second], undefined)
          const given = [...(yield* Fiber.join(claiming)), ...(yield* Fiber.join(reconciling)).found]
          assert.deepStrictEqual(ids(given), ["a"])
          assert.isFalse((yield* consumer.renew).doubt)
          yield* consumer.settle(settling(given))
          assert.isFalse((yield* consumer.renew).doubt)
        })
    )
  }
})

describe("memory broker: lost consumers", () => {
  const outlived = Effect.fnUntraced(function* (...queues: ReadonlyArray<string>) {
    const consumer = yield* consume(...queues)
    const peer = yield* consume(...queues)
    return {
      consumer,
      recover: (queue: string) =>
        Effect.gen(function* () {
          const { suspects } = yield* peer.renew
          return yield* peer.recover(suspects.find((one) => one.queue === queue && one.consumer === consumer.id)!)
        })
    }
  })

  run("fails every step with ConsumerLost, until it has reconciled", () =>
    Effect.gen(function* () {
      const { consumer, recover } = yield* outlived("q")
      yield* publish("a")
      const held = yield* claim(consumer)
      yield* TestClock.adjust("8 seconds")
      assert.deepStrictEqual(yield* recover("q"), { moved: 1, more: false })
      const lost = new ConsumerLost({ consumer: consumer.id })
      for (const step of [claim(consumer), consumer.settle(settling(held)), consumer.renew]) {
        assert.deepStrictEqual(reasonOf(yield* Effect.exit<unknown, { reason: unknown }, never>(step)), lost)
      }
      assert.deepStrictEqual(yield* consumer.reconcile(held), { lost: held, found: [] })
      assert.isFalse((yield* consumer.renew).doubt)
      assert.deepStrictEqual(
        (yield* claim(consumer)).map(({ crashes, id }) => [id, crashes]),
        [["a", 1]]
      )
    })
  )

  run("that lost one of two queues settles in the other, and keeps what it holds there", () =>
    Effect.gen(function* () {
      const { consumer, recover } = yield* outlived("one", "two")
      yield* publish({ id: "a", queue: "one", wire: wire(5) }, { id: "b", queue: "two", wire: wire(5) })
      yield* publish({ id: "c", queue: "two", wire: wire(5) })
      const [a] = yield* claim(consumer, 9, "one")
      const [b, c] = yield* claim(consumer, 9, "two")
      yield* TestClock.adjust("8 seconds")
      yield* recover("one")
      assert.deepStrictEqual(yield* consumer.settle(settling([a!, b!])), ["refused", "settled"])
      assert.deepStrictEqual(reasonOf(yield* Effect.exit(consumer.renew)), new ConsumerLost({ consumer: consumer.id }))
      assert.deepStrictEqual(yield* consumer.reconcile([a!, c!]), { lost: [a!], found: [] })
      assert.isFalse((yield* consumer.renew).doubt)
    })
  )
})

describe("memory broker: consumers come and go", () => {
  run("closing the scope gives back what is held, and counts it as crashed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const consumer = yield* Scope.provide(consume(), scope)
      yield* publish("a", "b")
      yield* claim(consumer)
      yield* Scope.close(scope, Exit.void)
      const next = yield* consume()
      assert.notStrictEqual(next.id, consumer.id)
      assert.deepStrictEqual(
        (yield* claim(next)).map(({ crashes, id }) => [id, crashes]),
        [
          ["a", 1],
          ["b", 1]
        ]
      )
    })
  )

  run("closing tries again when it was not heard", (storm) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const consumer = yield* Scope.provide(consume(), scope)
      yield* publish("a")
      yield* claim(consumer)
      let tries = 0
      storm.weather = (step) => (step === "close" && ++tries < 3 ? "lost" : "fair")
      yield* Scope.close(scope, Exit.void)
      const broker = yield* Broker
      assert.strictEqual((yield* broker.counts("q")).queued, 1)
    })
  )

  run("closing ends also when nobody hears it", (storm) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(consume(), scope)
      storm.weather = () => "lost"
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Scope.close(scope, Exit.void))))
    })
  )
})
