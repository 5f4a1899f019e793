/** Spans and metrics by the OpenTelemetry semantic conventions for messaging, and what handlers log. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { Broker } from "../src/Broker.ts"
import * as Message from "../src/Message.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, exitWithin, pass, started, stores, turns, within, world } from "./fixture.ts"

class Job extends Task.make("job.run", {
  payload: { n: Schema.Number },
  success: Schema.Number,
  error: Boom,
  queue: "q",
  retry: { delay: "1 second", jitter: false, times: 1 }
}) {}

class Child extends Task.make("child") {}

const fails = 1
const dies = 2
const times = 3
const nests = 4
const ignores = 5

const Live = Layer.mergeAll(
  Job.toLayer(({ n }, context) =>
    Effect.gen(function* () {
      yield* Effect.logInfo(`n is ${n}`)
      if (n === fails) return yield* new Boom({ code: 1 })
      if (n === dies) return yield* Effect.die(new TypeError("broken"))
      if (n === times) return yield* Effect.never
      if (n === nests) yield* Effect.orDie(Child.enqueue())
      if (n === ignores) return yield* context.ignore
      return yield* Effect.withSpan(Effect.succeed(n), "inside")
    })
  ),
  Child.toLayer(() => Effect.void)
)

const Main = Worker.layer({ tasks: [Job, Child], name: "w" }).pipe(Layer.provide(Live))

const { layer } = stores[0]

const recorder = (sampled = true) => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan({ ...options, sampled: options.sampled && sampled })
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return {
    spans,
    tracer,
    named,
    one: (name: string) => (assert.strictEqual(named(name).length, 1, name), named(name)[0]!)
  }
}

const attributesOf = (span: Tracer.NativeSpan): unknown => Object.fromEntries(span.attributes)

const exitOf = (span: Tracer.NativeSpan): Exit.Exit<unknown, unknown> => {
  assert(span.status._tag === "Ended", "it has ended")
  return span.status.exit
}

describe("spans", () => {
  it.effect("of a message: send and process, linked, each in a trace of its own", () => {
    const { named, one, spans, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        // a span around the whole program is not the parent of its runs
        yield* Effect.withSpan(started(Main), "program")
        const handle = yield* Job.enqueue({ n: 9 }, { id: "a", priority: 7 })
        yield* within(0, handle.await)
        const send = one("send q")
        assert.strictEqual(send.kind, "producer")
        assert.deepStrictEqual(attributesOf(send), {
          "messaging.system": "celeriac",
          "messaging.operation.name": "send",
          "messaging.operation.type": "send",
          "messaging.destination.name": "q",
          "messaging.message.id": "a",
          "messaging.celeriac.task.name": "job.run"
        })
        assert(Exit.isSuccess(exitOf(send)))
        const process = one("process q")
        assert.strictEqual(process.kind, "consumer")
        assert.deepStrictEqual(attributesOf(process), {
          "messaging.system": "celeriac",
          "messaging.operation.name": "process",
          "messaging.operation.type": "process",
          "messaging.destination.name": "q",
          "messaging.message.id": "a",
          "messaging.message.conversation_id": "a",
          "messaging.client.id": "w",
          "messaging.celeriac.task.name": "job.run",
          "messaging.celeriac.attempt": 1,
          "messaging.celeriac.deliveries": 1,
          "messaging.celeriac.priority": 7
        })
        assert(Exit.isSuccess(exitOf(process)))
        assert(Option.isNone(process.parent))
        assert.notStrictEqual(process.traceId, send.traceId)
        const [link] = process.links
        assert.deepInclude(link?.span, { traceId: send.traceId, spanId: send.spanId })
        assert.strictEqual(
          Option.getOrThrow(one("inside").parent).spanId,
          process.spanId,
          "the handler's spans are inside"
        )
        assert.strictEqual(spans.length, 4, "and no others: nothing of the fetch loop")
        assert.deepStrictEqual(named("a"), [], "names have no ids in them")
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("a caller's span is the parent of send", () => {
    const { one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        yield* Effect.withSpan(Job.enqueue({ n: 9 }), "caller")
        assert.strictEqual(Option.getOrThrow(one("send q").parent).spanId, one("caller").spanId)
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("the context travels in the message, as W3C has it", () => {
    const { one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 9 })
        const [where] = yield* (yield* Broker).locate([handle])
        assert(where !== undefined && where.place !== "ended", "the message is there")
        const message = Result.getOrThrow(Message.decode(handle, where.wire))
        const { spanId, traceId } = one("send q")
        assert.strictEqual(message.traceparent, `00-${traceId}-${spanId}-01`)
        assert.match(message.traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("of a batch: one, with the count and without ids", () => {
    const { named, one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        yield* Job.enqueueAll([{ n: 9 }, { n: 9 }, { n: 9 }])
        assert.deepStrictEqual(attributesOf(one("send q")), {
          "messaging.system": "celeriac",
          "messaging.operation.name": "send",
          "messaging.operation.type": "send",
          "messaging.destination.name": "q",
          "messaging.batch.message_count": 3
        })
        yield* Task.enqueueAll([Job.s({ n: 9 }), Child.s()])
        const mixed = one("send")
        assert.isFalse(mixed.attributes.has("messaging.destination.name"))
        yield* started(Main)
        yield* turns
        assert.strictEqual(named("process q").length, 4)
        assert.strictEqual(named("process default").length, 1)
        assert.deepInclude(named("process default")[0]!.links[0]?.span, { spanId: mixed.spanId })
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  const failures: ReadonlyArray<readonly [n: number, type: string]> = [
    [fails, "Boom"],
    [dies, "TypeError"],
    [times, "timeout"]
  ]
  it.effect.each(failures)("a run that fails (%i): each attempt has a span that says so: %s", ([n, type]) => {
    const { named, one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        const handle = yield* Job.enqueue({ n }, { timeLimit: "1 second" })
        yield* exitWithin("5 seconds", handle.await)
        const attempts = named("process q")
        assert.deepStrictEqual(
          attempts.map((span) => span.attributes.get("messaging.celeriac.attempt")),
          [1, 2]
        )
        for (const span of attempts) {
          assert(Exit.isFailure(exitOf(span)))
          assert.strictEqual(span.attributes.get("error.type"), type)
          assert.strictEqual(span.links[0]?.span.spanId, one("send q").spanId, "retries link to the same enqueue")
        }
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("a run that is revoked was cancelled", () => {
    const { one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        const handle = yield* Job.enqueue({ n: times })
        yield* turns
        yield* handle.revoke()
        yield* turns
        assert.strictEqual(one("process q").attributes.get("error.type"), "cancelled")
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("a verdict of the handler is no error", () => {
    const { one, tracer } = recorder()
    return world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        yield* exitWithin(0, (yield* Job.enqueue({ n: ignores })).await)
        assert.isFalse(one("process q").attributes.has("error.type"))
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect("a send that fails says why", () => {
    const { one, tracer } = recorder()
    return world(layer, ({ wire }) =>
      Effect.gen(function* () {
        wire.fate = () => "refused"
        yield* exitWithin("7 seconds", Job.enqueue({ n: 9 }))
        const send = one("send q")
        assert(Exit.isFailure(exitOf(send)))
        assert.strictEqual(send.attributes.get("error.type"), "BrokerUnavailable")
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect(
    "a message that a handler enqueues: its send is inside of the parent's process, in one conversation",
    () => {
      const { one, tracer } = recorder()
      return world(layer, () =>
        Effect.gen(function* () {
          yield* started(Main)
          const handle = yield* Job.enqueue({ n: nests }, { id: "root" })
          yield* within(0, handle.await)
          yield* turns
          assert.strictEqual(Option.getOrThrow(one("send default").parent).spanId, one("process q").spanId)
          assert.strictEqual(one("process default").attributes.get("messaging.message.conversation_id"), "root")
        }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      )
    }
  )

  it.effect("a message that was not sampled is not sampled when it runs", () => {
    const { named, tracer } = recorder(false)
    return world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        const handle = yield* Job.enqueue({ n: 9 })
        const sent = named("send q")
        assert.strictEqual(sent.length, 1)
        yield* within(0, handle.await)
        assert.strictEqual(named("process q").length, 0)
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    )
  })

  it.effect.each(["", "nonsense", "00-xyz-1-01", `00-${"0".repeat(32)}-${"0".repeat(16)}-01`])(
    "a trace context that is none (%j) is no link, and no harm",
    (traceparent) => {
      const { one, tracer } = recorder()
      return world(layer, () =>
        Effect.gen(function* () {
          yield* started(Main)
          const broker = yield* Broker
          const message: Message.Message = {
            id: "a",
            queue: "q",
            task: "job.run",
            priority: 5,
            payload: { n: 9 },
            traceparent
          }
          yield* broker.publish({
            publisher: "p",
            sequence: 1,
            resend: false,
            messages: [{ id: "a", queue: "q", wire: Message.encode(message) }]
          })
          assert.strictEqual(yield* within(0, (yield* Job.handle("a")).await), 9)
          assert.deepStrictEqual(one("process q").links, [])
        }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      )
    }
  )
})

describe("without a tracer", () => {
  it.effect("no span is made, and no trace context is sent", () => {
    // Effect's own tracer, which is always there, makes spans that go nowhere
    const native = Tracer.nativeTracer as { span: Tracer.Tracer["span"] }
    const original = native.span
    let made = 0
    return world(layer, () =>
      Effect.gen(function* () {
        native.span = (options) => {
          made++
          return original.call(Tracer.nativeTracer, options)
        }
        yield* Effect.withSpan(Effect.void, "counted")
        assert.strictEqual(made, 1, "the count works")
        yield* started(Main)
        made = 0
        const handles = yield* Job.enqueueAll([{ n: ignores }, { n: fails }])
        yield* within(
          "5 seconds",
          Effect.forEach(handles, (handle) => Effect.exit(handle.await))
        )
        assert.strictEqual(made, 0)
        const scheduled = yield* Job.enqueue({ n: 9 }, { delay: "1 hour" })
        assert.strictEqual(made, 0)
        const [where] = yield* (yield* Broker).locate([scheduled])
        assert(where !== undefined && where.place !== "ended", "the message is there")
        assert.notInclude(where.wire, "tp")
      }).pipe(Effect.ensuring(Effect.sync(() => void (native.span = original))))
    )
  })
})

describe("metrics", () => {
  const series = Effect.map(Metric.snapshot, (snapshots) =>
    snapshots
      .filter(({ id }) => id.startsWith("messaging."))
      .map(({ attributes, id, state }) => {
        const value = "count" in state ? Number(state.count) : Number.NaN
        const own = Object.entries(attributes ?? {})
          .filter(([key]) => key !== "messaging.system" && key !== "unit")
          .map(([key, label]) => `${key.replace("messaging.", "")}=${label}`)
        return `${id}{${own.toSorted().join(",")}} ${value}`
      })
      .toSorted()
  )

  it.effect("count what was sent, each finished run by its outcome, and how long runs took", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        const handles = yield* Job.enqueueAll([{ n: 9 }, { n: 9 }, { n: fails }, { n: ignores }])
        yield* pass("3 seconds")
        yield* Effect.forEach(handles, (handle) => Effect.exit(handle.await))
        const labels = (outcome: string) =>
          `celeriac.outcome=${outcome},celeriac.task.name=job.run,destination.name=q,operation.name=process`
        assert.deepStrictEqual(yield* series, [
          `messaging.client.consumed.messages{${labels("Failed")}} 2`,
          `messaging.client.consumed.messages{${labels("Ignored")}} 1`,
          `messaging.client.consumed.messages{${labels("Succeeded")}} 2`,
          "messaging.client.sent.messages{destination.name=q,operation.name=send} 4",
          `messaging.process.duration{${labels("Failed")}} 2`,
          `messaging.process.duration{${labels("Ignored")}} 1`,
          `messaging.process.duration{${labels("Succeeded")}} 2`
        ])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("durations are seconds", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const Slow = Child.toLayer(() => Effect.sleep("2 seconds"))
        yield* started(Worker.layer({ tasks: [Child] }).pipe(Layer.provide(Slow)))
        yield* Child.enqueue()
        yield* pass("3 seconds")
        const snapshots = yield* Metric.snapshot
        const duration = snapshots.find(({ id }) => id === "messaging.process.duration")
        assert(duration?.type === "Histogram")
        assert.strictEqual(duration.state.sum, 2)
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("messages that end without a run are counted, and have no duration", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const Slow = Child.toLayer(() => Effect.sleep("2 seconds"))
        yield* started(Worker.layer({ tasks: [Child], concurrency: 1, prefetch: 1 }).pipe(Layer.provide(Slow)))
        yield* Child.enqueue()
        const waiting = yield* Child.enqueue()
        yield* turns
        yield* waiting.revoke()
        yield* pass("3 seconds")
        const endings = (yield* Metric.snapshot).flatMap(({ attributes, id }) =>
          id.includes("consumed") || id.includes("duration")
            ? [`${id} ${attributes?.["messaging.celeriac.outcome"]}`]
            : []
        )
        const durations = (yield* Metric.snapshot).flatMap((metric) =>
          metric.type === "Histogram" && metric.state.count > 0 ? [metric.state.sum] : []
        )
        assert.includeMembers(endings, [
          "messaging.client.consumed.messages Succeeded",
          "messaging.client.consumed.messages Revoked"
        ])
        assert.deepStrictEqual(durations, [2])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("tasks that the worker does not know are one series, however many messages name", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* started(
          Worker.layer({ tasks: [Child], unknownTaskWindow: 0 }).pipe(Layer.provide(Child.toLayer(() => Effect.void)))
        )
        yield* Child.enqueue()
        for (const name of ["one", "two", "three"]) {
          yield* Task.make(name).enqueue(undefined)
          yield* Task.make(name).enqueue(undefined, { expires: "10 seconds", queue: "lonely" })
        }
        yield* pass("80 seconds", "1 second")
        const tasks = (yield* Metric.snapshot).flatMap(({ attributes, id }) =>
          id.includes("consumed") ? [attributes?.["messaging.celeriac.task.name"]] : []
        )
        assert.deepStrictEqual(new Set(tasks), new Set(["child", "_OTHER"]))
        const counts = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
          id.includes("consumed") && attributes?.["messaging.celeriac.task.name"] === "_OTHER" && "count" in state
            ? [`${attributes["messaging.celeriac.outcome"]} ${state.count}`]
            : []
        )
        assert.include(counts, "Expired 3")
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("nothing is counted as sent that was refused", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* Job.enqueue({ n: 9 }, { id: "a" })
        yield* Effect.exit(Job.enqueue({ n: 9 }, { id: "a" }))
        yield* Effect.exit(Job.enqueue({ n: 9 }, { delay: -1 }))
        assert.deepStrictEqual(yield* series, [
          "messaging.client.sent.messages{destination.name=q,operation.name=send} 1"
        ])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )
})

describe("logs", () => {
  it.effect("what a handler logs names task, id and attempt; annotations around its Layer stay", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        yield* Effect.annotateLogs(started(Main), { service: "shop" })
        yield* Job.enqueue({ n: fails }, { id: "a" })
        yield* pass("3 seconds")
        const own = lines.filter(({ text }) => text === "n is 1")
        assert.deepStrictEqual(
          own.map(({ annotations }) => annotations),
          [1, 2].map((attempt) => ({ service: "shop", task: "job.run", id: "a", attempt }))
        )
      })
    )
  )

  it.effect("a worker says when it is ready, and which messages failed", () =>
    world(layer, ({ lines, warnings }) =>
      Effect.gen(function* () {
        yield* started(Main)
        const ready = lines.find(({ text }) => text === "worker w is ready")
        assert.deepInclude(ready?.annotations, { queues: "q,default", tasks: 2 })
        for (const n of [9, ignores]) yield* Job.enqueue({ n })
        yield* turns
        assert.deepStrictEqual(warnings(), [])
        yield* Job.enqueue({ n: fails }, { id: "a", retries: 0 })
        yield* turns
        assert.strictEqual(warnings().length, 1)
        const failed = lines.find(({ level }) => level === "Warn" || level === "Error")
        assert.match(failed?.text ?? "", /task "job.run" failed: .*Boom/)
        assert.deepInclude(failed?.annotations, { task: "job.run", id: "a", attempt: 1 })
        assert.isFalse(lines.some(({ cause }) => Cause.hasDies(cause)))
      })
    )
  )
})
