import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Broker } from "../../src/Broker.ts"
import { Notifier } from "../../src/Notifier.ts"
import { Faults, TaskTest } from "../../src/testing/index.ts"
import { crew, Echo } from "./workers.ts"

describe("Faults", () => {
  const publish = (id: string, resend = false) =>
    Effect.flatMap(Broker, (broker) =>
      broker.publish({ publisher: "p", sequence: 1, resend, messages: [{ id, queue: "q", wire: "15{}" }] })
    )
  const isThere = (id: string) =>
    Effect.flatMap(Broker, (broker) =>
      Effect.map(broker.locate([{ id, queue: "q" }]), ([where]) => where !== undefined)
    )

  interface Case {
    readonly plan: (faults: Faults.Faults["Service"]) => Effect.Effect<void>
    /** How the publish ends: `accepted`, or what its error says of it; `undefined`: it has no answer yet. */
    readonly answer: "accepted" | "no" | "maybe" | undefined
    /** Whether the message is there. */
    readonly there: boolean
    readonly fault: Faults.Fault | undefined
  }
  const cases: Record<string, Case> = {
    nothing: { plan: () => Effect.void, answer: "accepted", there: true, fault: undefined },
    loseCommands: { plan: (faults) => faults.loseCommands(), answer: "maybe", there: false, fault: "command lost" },
    loseReplies: { plan: (faults) => faults.loseReplies(), answer: "maybe", there: true, fault: "reply lost" },
    "delay of the command": {
      plan: (faults) => faults.delay({ by: "1 second" }),
      answer: undefined,
      there: false,
      fault: "command delayed"
    },
    "delay of the reply": {
      plan: (faults) => faults.delay({ by: "1 second", reply: true }),
      answer: undefined,
      there: true,
      fault: "reply delayed"
    },
    repeat: {
      plan: (faults) => faults.repeat({ after: "1 second" }),
      answer: "accepted",
      there: true,
      fault: "command repeated"
    },
    disconnect: { plan: (faults) => faults.disconnect(), answer: "no", there: false, fault: "disconnected" },
    "loseCommands of another step": {
      plan: (faults) => faults.loseCommands({ step: ["claim", "settle"] }),
      answer: "accepted",
      there: true,
      fault: undefined
    },
    "loseCommands of a worker": {
      plan: (faults) => faults.loseCommands({ worker: "client" }),
      answer: "maybe",
      there: false,
      fault: "command lost"
    },
    "loseCommands of another worker": {
      plan: (faults) => faults.loseCommands({ worker: "cli" }),
      answer: "accepted",
      there: true,
      fault: undefined
    },
    "loseCommands, taken back": {
      plan: (faults) => Effect.andThen(faults.loseCommands(), faults.clear),
      answer: "accepted",
      there: true,
      fault: undefined
    },
    "disconnect, mended": {
      plan: (faults) => Effect.andThen(faults.disconnect(), faults.reconnect),
      answer: "accepted",
      there: true,
      fault: undefined
    }
  }
  const every: ReadonlyArray<Faults.Fault> = [
    "command lost",
    "reply lost",
    "command delayed",
    "reply delayed",
    "command repeated",
    "disconnected",
    "push lost"
  ]

  for (const [name, { answer, fault, plan, there }] of Object.entries(cases)) {
    it.effect(`${name}: answered ${answer}, ${there ? "carried out" : "not carried out"}`, () =>
      Effect.gen(function* () {
        const faults = yield* Faults.Faults
        yield* plan(faults)
        const fiber = yield* Effect.forkChild(Effect.result(publish("a")))
        yield* TaskTest.settle
        const result = fiber.pollUnsafe()
        assert.strictEqual(result !== undefined, answer !== undefined)
        if (result !== undefined) {
          assert(result._tag === "Success")
          const { value } = result
          const said =
            value._tag === "Success"
              ? value.success[0]
              : value.failure.reason._tag === "Unavailable" && value.failure.reason.accepted
          assert.strictEqual(said, answer)
        }
        for (const each of every) assert.strictEqual(yield* faults.happened(each), each === fault ? 1 : 0, each)
        assert.strictEqual(yield* faults.sent("publish"), 1)
        yield* Effect.andThen(faults.clear, faults.reconnect)
        // another connection: it does not wait behind what is delayed
        const consumer = yield* (yield* Broker).consume({ worker: "w", queues: ["q"], lease: Duration.seconds(3) })
        const { deliveries } = yield* consumer.claim({ queue: "q", count: 9, bytes: 9 })
        assert.deepStrictEqual(
          deliveries.map(({ id }) => id),
          there ? ["a"] : []
        )
        yield* TaskTest.advance("1 second")
        assert.isTrue(answer !== undefined || fiber.pollUnsafe() !== undefined)
      }).pipe(Effect.scoped, Effect.provide(Faults.layerMemory))
    )
  }

  it.effect("knows a worker by its whole name", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const broker = yield* Broker
      const [short, long] = yield* Effect.forEach(["w", "w-1"], (worker) =>
        broker.consume({ worker, queues: ["q"], lease: Duration.seconds(30) })
      )
      yield* faults.loseCommands({ worker: "w", times: 2 })
      const results = [yield* Effect.result(short!.renew), yield* Effect.result(long!.renew)]
      assert.deepStrictEqual(
        results.map(({ _tag }) => _tag),
        ["Failure", "Success"]
      )
    }).pipe(Effect.scoped, Effect.provide(Faults.layerMemory))
  )

  it.effect("hits as many as it is told to, then no more", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      yield* faults.loseReplies({ times: 2 })
      const results = yield* Effect.forEach([1, 2, 3], () => Effect.result(publish("a", true)))
      assert.deepStrictEqual(
        results.map(({ _tag }) => _tag),
        ["Failure", "Failure", "Success"]
      )
    }).pipe(Effect.provide(Faults.layerMemory))
  )

  it.effect("a delayed command holds up those behind it, and is carried out although its sender gave up", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      yield* faults.delay({ by: "10 seconds" })
      const first = yield* Effect.forkChild(Effect.timeoutOption(publish("a"), "1 second"))
      const second = yield* Effect.forkChild(isThere("a"))
      yield* TaskTest.advance("9 seconds")
      assert.isDefined(first.pollUnsafe())
      assert.isUndefined(second.pollUnsafe())
      yield* TaskTest.advance("1 second")
      assert.isTrue(yield* Fiber.join(second))
      assert.isTrue(yield* isThere("a"), "the line is free again")
    }).pipe(Effect.provide(Faults.layerMemory))
  )

  it.effect("a repeated command arrives a second time", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const broker = yield* Broker
      const consumer = yield* broker.consume({ worker: "w", queues: ["q"], lease: Duration.minutes(3) })
      yield* broker.publish({
        publisher: "p",
        sequence: 1,
        resend: false,
        messages: ["a", "b"].map((id) => ({ id, queue: "q", wire: "15{}" }))
      })
      yield* faults.repeat({ step: "claim", after: "5 seconds" })
      yield* consumer.claim({ queue: "q", count: 1, bytes: 1 })
      assert.strictEqual((yield* broker.counts("q")).active, 1)
      yield* TaskTest.advance("5 seconds")
      assert.strictEqual((yield* broker.counts("q")).active, 2)
    }).pipe(Effect.scoped, Effect.provide(Faults.layerMemory))
  )

  it.effect("lost pushes are lost, and only those that are meant", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const notifier = yield* Notifier
      const heard: Array<string> = []
      for (const channel of ["wake:a", "reply:a"]) {
        yield* notifier.subscribe(channel, { onMessage: (text) => void heard.push(text), onReset: () => {} })
      }
      yield* faults.losePushes({ channel: "wake:", times: 2 })
      for (const n of [1, 2, 3]) {
        yield* notifier.publish("wake:a", `wake ${n}`)
        yield* notifier.publish("reply:a", `reply ${n}`)
      }
      yield* TaskTest.settle
      assert.deepStrictEqual(heard, ["reply 1", "reply 2", "wake 3", "reply 3"])
      assert.strictEqual(yield* faults.happened("push lost"), 2)
    }).pipe(Effect.scoped, Effect.provide(Faults.layerMemory))
  )

  it.effect("a worker looks by itself when its push is lost", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const { starts, worker } = crew()
      yield* Layer.build(worker("w"))
      yield* TaskTest.settle
      yield* faults.losePushes({ channel: "wake:" })
      yield* TaskTest.settle
      yield* Echo.enqueue({ text: "a" })
      yield* TaskTest.settle
      assert.deepStrictEqual([starts, yield* faults.happened("push lost")], [[], 1])
      yield* TaskTest.advance("2 seconds")
      assert.deepStrictEqual(starts, ["w a"])
    }).pipe(Effect.scoped, Effect.provide(TaskTest.layer))
  )

  it.effect("a worker that is cut off gives up what it runs, another runs it, and the first comes back", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const { interrupted, starts, worker } = crew()
      yield* Layer.build(worker("first", Effect.never))
      yield* Layer.build(worker("second", Effect.never))
      yield* Echo.enqueue({ text: "a" })
      yield* TaskTest.settle
      assert.deepStrictEqual(starts, ["first a"])
      yield* faults.disconnect({ worker: "first", for: "20 seconds" })
      yield* TaskTest.advance("3 seconds")
      assert.deepStrictEqual(interrupted, ["first"])
      yield* TaskTest.advance("2 seconds")
      assert.deepStrictEqual(starts, ["first a", "second a"])
      assert.isAbove(yield* faults.happened("disconnected"), 2)
      yield* TaskTest.advance("20 seconds")
      yield* Echo.enqueueAll(Array.from({ length: 40 }, (_, index) => ({ text: `${index}` })))
      yield* TaskTest.settle
      assert.isTrue(starts.slice(2).some((start) => start.startsWith("first")))
    }).pipe(Effect.scoped, Effect.provide(TaskTest.layer))
  )

  it.effect("a reconnect tells subscribers that they may have missed something", () =>
    Effect.gen(function* () {
      const faults = yield* Faults.Faults
      const notifier = yield* Notifier
      const heard: Array<string> = []
      yield* notifier.subscribe("c", {
        onMessage: (text) => void heard.push(text),
        onReset: () => void heard.push("reset")
      })
      yield* faults.disconnect({ for: "5 seconds" })
      heard.length = 0
      yield* notifier.publish("c", "lost")
      yield* TaskTest.advance("5 seconds")
      yield* notifier.publish("c", "heard")
      yield* TaskTest.settle
      assert.deepStrictEqual(heard, ["reset", "heard"])
    }).pipe(Effect.scoped, Effect.provide(Faults.layerMemory))
  )
})
