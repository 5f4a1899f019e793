/** Messages that the sweep ends: their records, the count, the log line, and when it looks. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import { ResultBackend } from "../src/ResultBackend.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { errorOf, exitWithin, pass, started, stores, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}

class Brief extends Task.make("brief", { success: Schema.Number, resultTtl: "2 minutes" }) {}

class Silent extends Task.make("silent", { success: Schema.Number, ignoreResult: true }) {}

const Live = Layer.mergeAll(
  Job.toLayer(({ n }) => Effect.succeed(n)),
  Brief.toLayer(() => Effect.succeed(1)),
  Silent.toLayer(() => Effect.succeed(1))
)

const serve = started(Worker.layer({ tasks: [Job, Brief, Silent] }).pipe(Layer.provide(Live)))

const lonely = { queue: "lonely", expires: "10 seconds" } as const

const reasonOf = (handle: Effect.Success<ReturnType<typeof Job.handle>>) =>
  Effect.map(exitWithin(0, handle.await), (exit) => errorOf(exit).reason._tag)

describe.each(stores)("$store", ({ layer, store }) => {
  it.effect("records are kept as the message, or its task, asks for", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handles = [
          yield* Job.enqueue({ n: 1 }, lonely),
          yield* Job.enqueue({ n: 1 }, { ...lonely, resultTtl: "1 minute" }),
          yield* Job.enqueue({ n: 1 }, { ...lonely, ignoreResult: true }),
          yield* Brief.enqueue(undefined, lonely),
          yield* Silent.enqueue(undefined, lonely),
          yield* Silent.enqueue(undefined, { ...lonely, ignoreResult: false })
        ]
        yield* serve
        yield* pass("10 seconds")
        const reasons = Effect.forEach(handles, reasonOf)
        assert.deepStrictEqual(yield* reasons, ["Expired", "Expired", "ResultGone", "Expired", "ResultGone", "Expired"])
        yield* pass("1 minute", "1 minute")
        assert.deepStrictEqual(yield* reasons, [
          "Expired",
          "ResultGone",
          "ResultGone",
          "Expired",
          "ResultGone",
          "Expired"
        ])
        yield* pass("1 minute", "1 minute")
        assert.deepStrictEqual(yield* reasons, [
          "Expired",
          "ResultGone",
          "ResultGone",
          "ResultGone",
          "ResultGone",
          "Expired"
        ])
        const states = yield* Effect.forEach(handles, ({ state }) => state)
        for (const state of states) assert.deepStrictEqual(state, Option.some("expired"))
      })
    )
  )

  it.effect("they are counted like other ends, and logged in one line", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        yield* Job.enqueueAll([{ n: 1 }, { n: 2 }, { n: 3 }], lonely)
        yield* Brief.enqueue(undefined, { ...lonely, queue: "lonelier" })
        yield* serve
        yield* serve
        yield* pass("20 seconds", "1 second")
        const counts = (yield* Metric.snapshot)
          .filter(({ id }) => id === "messaging.client.consumed.messages")
          .map(({ attributes, state }) =>
            [
              attributes?.["messaging.destination.name"],
              attributes?.["messaging.celeriac.task.name"],
              attributes?.["messaging.celeriac.outcome"],
              "count" in state ? Number(state.count) : Number.NaN
            ].join(" ")
          )
        assert.deepStrictEqual(new Set(counts), new Set(["lonelier brief Expired 1", "lonely job Expired 3"]))
        const told = lines.filter(({ text }) => text.includes("expired"))
        assert.deepStrictEqual(
          told.map(({ level, text }) => [level, text]),
          [["Info", "4 messages expired before a run of them"]]
        )
        assert.deepStrictEqual(told[0]!.annotations["queues"], "lonely,lonelier")
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("it looks when something expires, once a minute otherwise, and not without end", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const first = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: 450_500 })
        yield* serve
        yield* pass("7 minutes", "10 seconds")
        assert.isAtMost(wire.count("overdue"), 8)
        yield* pass("30250 millis")
        assert.deepStrictEqual(yield* first.state, Option.some("queued"))
        yield* pass("250 millis")
        assert.deepStrictEqual(yield* first.state, Option.some("expired"))
        // what comes later is seen within a minute
        const second = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "1 second" })
        yield* pass("1 minute", "1 second")
        assert.deepStrictEqual(yield* second.state, Option.some("expired"))
        wire.calls.length = 0
        yield* Job.enqueueAll(
          Array.from({ length: 100 }, (_, n) => ({ n })),
          { queue: "lonely", expires: "2 minutes" }
        )
        for (let count = 0; count < 100; count++) {
          yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: 120_000 + count * 100 })
        }
        yield* pass("3 minutes", "250 millis")
        assert.isAtMost(wire.count("overdue"), 20, "not for each of a hundred that expire one after the other")
      })
    )
  )

  it.effect("a message that is claimed, or has run, between the look and the end is not ended", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        class Retried extends Task.make("retried", {
          success: Schema.Number,
          retry: { delay: "1 hour", jitter: false, times: 1 }
        }) {}
        const handle = yield* Retried.enqueue(undefined, { queue: "lonely", expires: "10 seconds" })
        wire.latency = ({ step }) => (step === "end" ? "1 second" : undefined)
        yield* serve
        // the broker has said that it is overdue; its end is on its way
        yield* pass("10500 millis")
        const broker = yield* Broker
        const consumer = yield* broker.consume({ worker: "other", queues: ["lonely"], lease: Duration.seconds(30) })
        const { deliveries } = yield* consumer.claim({ queue: "lonely", count: 1, bytes: 1 })
        assert.strictEqual(deliveries.length, 1)
        const back = { _tag: "Reschedule", wire: deliveries[0]!.wire, delay: 3_600_000, to: "tail", ran: true } as const
        yield* consumer.settle([{ delivery: deliveries[0]!, disposition: back }])
        yield* pass("5 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
        const results = yield* ResultBackend
        assert.isUndefined((yield* results.read([handle]))[0]!.record, store)
      })
    )
  )
})

describe("two stores: the worker dies between the two", () => {
  it.effect("whoever looks finds the record with the broker, and writes it", () =>
    world(CeleriacMemory.layerTwoStores, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, lonely)
        const { stop } = yield* serve
        wire.latency = ({ step }) => (step === "commit" ? "1 hour" : undefined)
        yield* pass("11 seconds")
        yield* stop
        wire.mend()
        const results = yield* ResultBackend
        assert.isUndefined((yield* results.read([handle]))[0]!.record)
        assert.strictEqual(yield* reasonOf(handle), "Expired")
        assert.isDefined((yield* results.read([handle]))[0]!.record)
      })
    )
  )
})
