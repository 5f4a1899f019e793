/** What a call becomes: its options, their precedence, ids, lineage and services. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { Broker } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Message from "../src/Message.ts"
import * as Router from "../src/Router.ts"
import * as Task from "../src/Task.ts"
import * as TaskGroup from "../src/TaskGroup.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, epoch, errorOf, pass, run, started, world } from "./fixture.ts"

class Mail extends Task.make("mail", { payload: { to: Schema.String }, success: Schema.String, error: Boom }) {}

class Ping extends Task.make("ping") {}

/** Where a message is, and what is on the wire. */
const found = Effect.fnUntraced(function* (handle: TaskHandle<unknown, unknown>) {
  const broker = yield* Broker
  const [where] = yield* broker.locate([handle])
  assert(where !== undefined && where.place !== "ended", "the message is there")
  const { dueAt, place, wire } = where
  return { dueAt, place, wire, message: Result.getOrThrow(Message.decode(handle, wire)) }
})

const minute = 60_000

/** What an option of a call does to the message. */
const options: ReadonlyArray<
  readonly [EnqueueOptions, Partial<Message.Message> & { readonly dueAt?: number; readonly place?: string }]
> = [
  [{}, { queue: "default", priority: 5, place: "queued" }],
  [{ id: "order-1" }, { id: "order-1", enqueuedAt: epoch }],
  [{ id: "x".repeat(256) }, { id: "x".repeat(256) }],
  [{ queue: "mail" }, { queue: "mail" }],
  [{ priority: 0 }, { priority: 0 }],
  [{ priority: 9 }, { priority: 9 }],
  [{ delay: "1 minute" }, { place: "scheduled", dueAt: epoch + minute }],
  [{ delay: 0 }, { place: "queued" }],
  [{ delay: 0.25 }, { place: "scheduled", dueAt: epoch + 1 }],
  [{ at: epoch + minute }, { place: "scheduled", dueAt: epoch + minute }],
  [{ at: new Date(epoch + minute) }, { place: "scheduled", dueAt: epoch + minute }],
  [{ at: epoch - minute }, { place: "queued" }],
  [{ at: 0 }, { place: "queued" }],
  [{ expires: "1 minute" }, { expiresAt: epoch + minute }],
  [{ expires: new Date(epoch + 5) }, { expiresAt: epoch + 5 }],
  [{ headers: { a: "b", "": "" } }, { headers: { a: "b", "": "" } }],
  [{ resultTtl: "1 minute" }, { resultTtl: minute }],
  [{ ignoreResult: true }, { ignoreResult: true }],
  [{ ignoreResult: false }, { ignoreResult: false }],
  [{ retries: 0 }, { retries: 0 }],
  [{ retries: 7 }, { retries: 7 }],
  [{ softTimeLimit: "1 second" }, { softTimeLimit: 1000 }],
  [{ timeLimit: "1 minute" }, { timeLimit: minute }],
  [{ timeLimit: Infinity }, { timeLimit: 0 }],
  [{ ack: "early" }, { ack: "early" }],
  [{ ack: "late" }, { ack: "late" }]
]

describe("options of a call", () => {
  it.effect.each(options)("%o", ([given, expected]) =>
    run(() =>
      Effect.gen(function* () {
        const handle = yield* Mail.enqueue({ to: "a" }, given)
        const { dueAt, message, place } = yield* found(handle)
        const { dueAt: dueAtExpected, place: placeExpected, ...fields } = expected
        assert.deepInclude(message, fields)
        if (placeExpected !== undefined) assert.strictEqual(place, placeExpected)
        assert.strictEqual(dueAt, dueAtExpected)
        assert.deepStrictEqual(message.payload, { to: "a" })
        assert.strictEqual(handle.queue, message.queue)
        assert.strictEqual(handle.id, message.id)
        assert.strictEqual(handle.task, "mail")
      })
    )
  )

  it.effect("none: the message says what it must and no more", () =>
    run(() =>
      Effect.gen(function* () {
        const { wire } = yield* found(yield* Mail.enqueue({ to: "a" }))
        assert.strictEqual(wire, `15{"t":"mail","p":{"to":"a"}}`)
        const { message, wire: least } = yield* found(yield* Ping.enqueue())
        assert.strictEqual(least, `15{"t":"ping"}`)
        assert.isTrue(TaskId.isGenerated(message.id))
        assert.strictEqual(Message.enqueuedAt(message), epoch, "the id tells the time")
      })
    )
  )

  it.effect("enqueuedAt is the time of the clock, also when ids run ahead of it", () =>
    run(() =>
      Effect.gen(function* () {
        const { next } = yield* TaskId.Generator
        next(epoch + 60 * minute)
        const { message } = yield* found(yield* Ping.enqueue())
        assert.strictEqual(TaskId.timeOf(message.id), epoch + 60 * minute)
        assert.strictEqual(Message.enqueuedAt(message), epoch)
      })
    )
  )

  it.effect("many at once: in order, in one round trip, of different tasks", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const handles = yield* Mail.enqueueAll([{ to: "a" }, { to: "b" }, { to: "c" }], { priority: 7 })
        assert.strictEqual(wire.count("publish"), 1)
        for (const [index, to] of ["a", "b", "c"].entries()) {
          const { message } = yield* found(handles[index]!)
          assert.deepInclude(message, { payload: { to }, priority: 7 })
        }
        const [mail, ping] = yield* Task.enqueueAll([Mail.s({ to: "d" }, { id: "d" }), Ping.s()])
        assert.strictEqual(wire.count("publish"), 2)
        assert.strictEqual(mail.id, "d")
        assert.strictEqual(ping.task, "ping")
        assert.deepStrictEqual(yield* Task.enqueueAll([]), [])
        assert.deepStrictEqual(yield* Mail.enqueueAll([]), [])
        assert.strictEqual(wire.count("publish"), 2, "nothing to send, nothing sent")
      })
    )
  )

  it.effect("more than a batch holds: all of them, in order", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const handles = yield* Mail.enqueueAll(Array.from({ length: 1201 }, (_, index) => ({ to: String(index) })))
        assert.strictEqual(handles.length, 1201)
        assert.strictEqual(wire.count("publish"), 3)
        const broker = yield* Broker
        assert.strictEqual((yield* broker.counts("default")).queued, 1201)
        assert.deepInclude((yield* found(handles[1200]!)).message, { payload: { to: "1200" } })
        const ids = handles.map(({ id }) => id)
        assert.deepStrictEqual(ids.toSorted(), ids, "ids grow")
      })
    )
  )
})

describe("precedence: call, Router, task, Defaults", () => {
  const levels = {
    call: { queue: "of-call", priority: 1 },
    router: { queue: "of-router", priority: 2 },
    task: { queue: "of-task", priority: 3 },
    defaults: { queue: "of-defaults", priority: 4 }
  } as const
  type Level = keyof typeof levels
  const all: ReadonlyArray<Level> = ["call", "router", "task", "defaults"]
  const cases = Array.from({ length: 8 }, (_, bits) =>
    all.filter((level, index) => level === "defaults" || (bits & (1 << index)) !== 0)
  )
  it.effect.each(cases.map((given) => ({ given, winner: given[0]! })))("$given: $winner", ({ given, winner }) => {
    const has = (level: Level) => given.includes(level)
    class Job extends Task.make("job", has("task") ? levels.task : {}) {}
    const layer = CeleriacMemory.layer.pipe(Layer.provideMerge(Defaults.layer(levels.defaults)))
    return world(layer, () =>
      Effect.gen(function* () {
        const defaults = yield* Defaults.Defaults
        const handle = yield* Job.enqueue(undefined, has("call") ? levels.call : {}).pipe(
          Effect.provideService(Defaults.Defaults, { ...defaults, ...levels.defaults }),
          Effect.provideService(Router.Router, () => (has("router") ? levels.router : undefined))
        )
        const { message } = yield* found(handle)
        assert.deepInclude(message, levels[winner])
      })
    )
  })

  it.effect("expires: the call's over the task's", () =>
    run(() =>
      Effect.gen(function* () {
        class Job extends Task.make("job", { expires: "1 minute" }) {}
        assert.strictEqual((yield* found(yield* Job.enqueue())).message.expiresAt, epoch + minute)
        const own = yield* Job.enqueue(undefined, { expires: "2 minutes" })
        assert.strictEqual((yield* found(own)).message.expiresAt, epoch + 2 * minute)
      })
    )
  )

  it.effect("a handle by id looks in the queue of the task, then of the Defaults, unless it is told another", () =>
    run(() =>
      Effect.gen(function* () {
        class Queued extends Task.make("job", { queue: "of-task" }) {}
        assert.strictEqual((yield* Queued.handle("a")).queue, "of-task")
        assert.strictEqual((yield* Ping.handle("a")).queue, "default")
        assert.strictEqual((yield* Queued.handle("a", { queue: "x" })).queue, "x")
      })
    )
  )

  class Queued extends Task.make("job", { queue: "of-task" }) {}
  const needsPayload = (request: Router.Request) => ({ queue: (request.payload as { readonly to: string }).to })
  const routers: ReadonlyArray<readonly [what: string, router: Layer.Layer<never, unknown>, queue: string]> = [
    ["patterns answer", Router.layerPatterns({ "j*": "routed" }), "routed"],
    ["patterns that do not fit", Router.layerPatterns({ "k*": "routed" }), "of-task"],
    ["functions have no say", Router.layerTasks(TaskGroup.make(Queued), { job: () => ({ queue: "f" }) }), "of-task"],
    [
      "patterns answer behind functions",
      Router.layerTasks(TaskGroup.make(Queued), { job: () => ({ queue: "f" }) }).pipe(
        Layer.provideMerge(Router.layerPatterns({ "*": "routed" }))
      ),
      "routed"
    ],
    ["one that needs the payload has no say", Layer.succeed(Router.Router, needsPayload), "of-task"],
    ["one that names no queue has no say", Layer.succeed(Router.Router, () => ({ queue: "a b" })), "of-task"]
  ]
  it.effect.each(routers)("a handle by id asks the Router: %s", ([, router, queue]) =>
    run(() =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Queued.handle("a")).queue, queue)
        assert.strictEqual((yield* Queued.handle("a", { queue: "x" })).queue, "x")
      }).pipe(Effect.provide(router))
    )
  )

  it.effect("a handle by id finds what a pattern routed", () =>
    run(() =>
      Effect.gen(function* () {
        yield* Queued.enqueue(undefined, { id: "a" })
        assert(Option.isSome(yield* (yield* Queued.handle("a")).state))
      }).pipe(Effect.provide(Router.layerPatterns({ job: "routed" })))
    )
  )
})

describe("ids", () => {
  it.effect("duplicates among several messages: the error tells what became of each", () =>
    run(() =>
      Effect.gen(function* () {
        yield* Mail.enqueue({ to: "a" }, { id: "a" })
        yield* Mail.enqueue({ to: "c" }, { id: "c", queue: "other" })
        const ids = ["new-1", "a", "new-2", "c", "new-1"]
        const calls = ids.map((id) => Mail.s({ to: id }, id === "c" ? { id, queue: "other" } : { id }))
        const error = errorOf(yield* Effect.exit(Task.enqueueAll(calls)))
        assert(error.reason._tag === "Duplicate")
        assert.deepStrictEqual(error.ids, ids)
        assert.deepStrictEqual(
          error.reason.receipts.map(({ accepted, id, queue }) => [id, queue, accepted]),
          [
            ["new-1", "default", true],
            ["a", "default", false],
            ["new-2", "default", true],
            ["c", "other", false],
            ["new-1", "default", false]
          ]
        )
        assert.deepInclude(error.reason, { id: "a", queue: "default" })
        assert.match(error.message, /2 of the 5 messages of this call were accepted/)
        for (const { id, queue } of error.reason.receipts) {
          assert(Option.isSome(yield* (yield* Mail.handle(id, { queue })).state))
        }
      })
    )
  )

  const Live = Mail.toLayer(({ to }) => Effect.succeed(to))

  it.effect("a caller's id is accepted once while its message lives, and for the dedupe window after its end", () =>
    run(() =>
      Effect.gen(function* () {
        const again = Effect.exit(Mail.enqueue({ to: "b" }, { id: "a" }))
        const handle = yield* Mail.enqueue({ to: "a" }, { id: "a", delay: "1 minute" })
        const refused = Effect.map(again, (exit) => {
          const error = errorOf(exit)
          assert(error.reason._tag === "Duplicate")
          assert.deepInclude(error.reason, { id: "a", queue: "default" })
          assert.deepStrictEqual(error.ids, ["a"])
          assert.match(error.message, /handle by the id/)
        })
        yield* refused
        yield* Mail.enqueue({ to: "c" }, { id: "a", queue: "other" })
        yield* started(Worker.layer({ tasks: [Mail] }).pipe(Layer.provide(Live)))
        yield* pass("2 minutes", "1 second")
        assert.strictEqual(yield* handle.await, "a", "the first one ran")
        yield* refused
        yield* handle.forget
        yield* refused
        yield* pass("11 minutes", "1 minute")
        assert(yield* Effect.isSuccess(again), "the window is over")
      })
    )
  )

  it.effect("an ignored result keeps its id for the window", () =>
    run(() =>
      Effect.gen(function* () {
        yield* started(Worker.layer({ tasks: [Mail] }).pipe(Layer.provide(Live)))
        const send = Mail.enqueue({ to: "b" }, { id: "a", ignoreResult: true })
        yield* send
        yield* pass("9 minutes", "1 minute")
        assert.strictEqual(errorOf(yield* Effect.exit(send)).reason._tag, "Duplicate")
        yield* pass("2 minutes", "1 minute")
        yield* send
      })
    )
  )

  it.effect("twice in one batch: one message", () =>
    run(() =>
      Effect.gen(function* () {
        const batch = Task.enqueueAll([Mail.s({ to: "a" }, { id: "a" }), Mail.s({ to: "b" }, { id: "a" })])
        assert.strictEqual(errorOf(yield* Effect.exit(batch)).reason._tag, "Duplicate")
        const broker = yield* Broker
        assert.strictEqual((yield* broker.counts("default")).queued, 1)
      })
    )
  )
})

describe("lineage", () => {
  class Parent extends Task.make("parent", { success: Schema.String }) {}
  class Child extends Task.make("child", { success: Schema.String }) {}
  class Grandchild extends Task.make("grandchild", { success: Schema.Array(Schema.UndefinedOr(Schema.String)) }) {}

  it.effect("messages that a handler enqueues know their parent and their root", () =>
    run(() =>
      Effect.gen(function* () {
        const Live = Layer.mergeAll(
          Parent.toLayer((_, { parentId, rootId, id }) =>
            Effect.gen(function* () {
              assert.isUndefined(parentId)
              assert.strictEqual(rootId, id)
              return (yield* Child.enqueue()).id
            }).pipe(Effect.orDie)
          ),
          Child.toLayer(() =>
            Effect.gen(function* () {
              const [handle] = yield* Task.enqueueAll([Grandchild.s()])
              return handle.id
            }).pipe(Effect.orDie)
          ),
          Grandchild.toLayer((_, { id, parentId, rootId }) => Effect.succeed([id, parentId, rootId]))
        )
        yield* started(Worker.layer({ tasks: [Parent, Child, Grandchild] }).pipe(Layer.provide(Live)))
        const parent = yield* Parent.enqueue()
        const child = yield* Child.handle(yield* parent.await)
        const grandchild = yield* Grandchild.handle(yield* child.await)
        assert.deepStrictEqual(yield* grandchild.await, [grandchild.id, child.id, parent.id])
      })
    )
  )
})

describe("services", () => {
  class Key extends Context.Service<Key, string>()("test/Key") {}
  const Secret = Schema.String.pipe(
    Schema.decodeTo(Schema.String, {
      decode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => text.replace(`${key}:`, ""))),
      encode: SchemaGetter.transformEffect((text: string) => Effect.map(Key, (key) => `${key}:${text}`))
    })
  )
  class Secretive extends Task.make("secretive", { payload: { secret: Secret }, success: Schema.String }) {}

  it.effect("schemas that need services get them on both sides", () =>
    run(() =>
      Effect.gen(function* () {
        const handle = yield* Effect.provideService(Secretive.enqueue({ secret: "s" }), Key, "k")
        assert.deepStrictEqual((yield* found(handle)).message.payload, { secret: "k:s" })
        const Live = Secretive.toLayer(({ secret }) => Effect.succeed(secret))
        yield* started(
          Worker.layer({ tasks: [Secretive] }).pipe(Layer.provide(Live), Layer.provide(Layer.succeed(Key, "k")))
        )
        assert.strictEqual(yield* handle.await, "s")
      })
    )
  )
})
