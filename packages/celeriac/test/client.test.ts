/** What a call becomes: options, their precedence, and the calls that are refused before anything is sent. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { Scope } from "effect/Scope"
import { Broker } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import type { EnqueueError } from "../src/EnqueueError.ts"
import * as Message from "../src/Message.ts"
import * as Router from "../src/Router.ts"
import * as Task from "../src/Task.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, epoch, errorOf, exitWithin, pass, type Services, started, type World, world } from "./fixture.ts"

class Mail extends Task.make("mail", { payload: { to: Schema.String }, success: Schema.String, error: Boom }) {}

class Ping extends Task.make("ping") {}

const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) =>
  world(CeleriacMemory.layer, body)

/** Where a message is, and what is on the wire. */
const found = Effect.fnUntraced(function* (handle: TaskHandle<unknown, unknown>) {
  const broker = yield* Broker
  const where = yield* broker.locate(handle)
  assert(Option.isSome(where), "the message is there")
  const { dueAt, place, wire } = where.value
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
})

/** As if it came from a program without types. */
const untyped = <A>(value: unknown): A => value as A

describe("a call that makes no sense is refused, nothing is sent", () => {
  const cases: ReadonlyArray<readonly [option: string, EnqueueOptions, RegExp]> = [
    ["id", { id: "" }, /1 to 256/],
    ["id", { id: "x".repeat(257) }, /1 to 256/],
    ["id", { id: "a b" }, /without spaces/],
    ["id", { id: "a\n" }, /printable/],
    ["id", { id: "é" }, /ASCII/],
    ["id", { id: "\0" }, /printable/],
    ["id", untyped({ id: 5 }), /1 to 256/],
    ["queue", { queue: "" }, /empty/],
    ["queue", { queue: "{a}" }, /brace/],
    ["queue", { queue: "a b" }, /space/],
    ["queue", { queue: "x".repeat(200) }, /128/],
    ["queue", untyped({ queue: 5 }), /text/],
    ["priority", untyped({ priority: 10 }), /0 to 9/],
    ["priority", untyped({ priority: -1 }), /0 to 9/],
    ["priority", untyped({ priority: 1.5 }), /0 to 9/],
    ["priority", untyped({ priority: Number.NaN }), /0 to 9/],
    ["priority", untyped({ priority: "9" }), /0 to 9/],
    ["delay", { delay: -1 }, /0 or more/],
    ["delay", { delay: "-5 seconds" }, /0 or more/],
    ["delay", { delay: Infinity }, /finite/],
    ["delay", { delay: Number.NaN }, /span of time/],
    ["delay", untyped({ delay: "soon" }), /span of time/],
    ["delay", untyped({ delay: null }), /span of time/],
    ["at", { delay: 5, at: epoch + 5 }, /either "delay" or "at"/],
    ["at", { at: -1 }, /1970/],
    ["at", { at: Number.NaN }, /1970/],
    ["at", { at: Infinity }, /1970/],
    ["at", { at: new Date(Number.NaN) }, /1970/],
    ["at", untyped({ at: "tomorrow" }), /1970/],
    ["at", untyped({ at: null }), /1970/],
    ["expires", { expires: -1 }, /0 or more/],
    ["expires", untyped({ expires: "some day" }), /span of time/],
    ["expires", { expires: new Date(Number.NaN) }, /1970/],
    ["resultTtl", { resultTtl: -1 }, /0 or more/],
    ["resultTtl", { resultTtl: Infinity }, /finite/],
    ["retries", { retries: -1 }, /whole number/],
    ["retries", { retries: 1.5 }, /whole number/],
    ["retries", untyped({ retries: "3" }), /whole number/],
    ["timeLimit", { softTimeLimit: "2 seconds", timeLimit: "1 second" }, /lower softTimeLimit/],
    ["timeLimit", { softTimeLimit: "1 second", timeLimit: "1 second" }, /not shorter/],
    ["timeLimit", { softTimeLimit: -1 }, /softTimeLimit of the call is negative/],
    ["timeLimit", { timeLimit: 0 }, /zero/],
    ["timeLimit", untyped({ timeLimit: "fast" }), /not a duration/],
    ["headers", untyped({ headers: { n: 1 } }), /texts/],
    ["headers", untyped({ headers: ["a"] }), /texts/],
    ["headers", untyped({ headers: "a" }), /texts/],
    ["ack", untyped({ ack: "sometimes" }), /"early" or "late"/],
    ["ignoreResult", untyped({ ignoreResult: "yes" }), /true or false/]
  ]
  it.effect.each(cases)("%s: %o", ([option, given, detail]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueue({ to: "a" }, given)))
        assert.strictEqual(error._tag, "EnqueueError")
        assert(error.reason._tag === "InvalidOption", error.message)
        assert.strictEqual(error.reason.option, option)
        assert.match(error.message, detail)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  class Odd extends Task.make("odd", {
    payload: { n: Schema.Number, list: Schema.Array(Schema.String), any: Schema.optionalKey(Schema.Unknown) }
  }) {}
  const circular: Record<string, unknown> = { n: 1 }
  circular["self"] = circular
  const payloads: ReadonlyArray<readonly [name: string, payload: unknown, RegExp]> = [
    ["nothing", undefined, /object/i],
    ["null", null, /object/i],
    ["a text", "text", /object/i],
    ["a field of another kind", { n: "1", list: [] }, /n/],
    ["a missing field", { n: 1 }, /list/],
    ["one wrong among many", { n: 1, list: ["a", 2, "c"] }, /1/],
    ["a circle", { n: 1, list: [], any: circular }, /./],
    ["a bigint", { n: 1, list: [], any: 1n }, /./],
    [
      "a getter that throws",
      {
        n: 1,
        get list(): never {
          throw new Error("no")
        }
      },
      /./
    ],
    [
      "something that cannot be printed",
      {
        n: {
          toString() {
            throw new Error("no")
          },
          toJSON() {
            throw new Error("no")
          }
        },
        list: []
      },
      /./
    ]
  ]
  it.effect.each(payloads)("payload: %s", ([, payload, issue]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Odd.enqueue(untyped(payload))))
        assert(error.reason._tag === "InvalidPayload", error.message)
        assert.strictEqual(error.reason.task, "odd")
        assert.match(error.reason.issue, issue)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("one bad payload refuses its whole batch", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueueAll(untyped([{ to: "a" }, { to: 1 }, { to: "c" }]))))
        assert.strictEqual(error.reason._tag, "InvalidPayload")
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("a payload over the maximum size, to the character", () => {
    const limit = 100
    return run(({ wire }) =>
      Effect.gen(function* () {
        const fits = limit - `15{"t":"mail","p":{"to":""}}`.length
        const defaults = yield* Defaults.Defaults
        const enqueue = (length: number) =>
          Mail.enqueue({ to: "x".repeat(length) }).pipe(
            Effect.provideService(Defaults.Defaults, { ...defaults, maxMessageSize: limit })
          )
        yield* enqueue(fits)
        const error = errorOf(yield* exitWithin(0, enqueue(fits + 1)))
        assert(error.reason._tag === "TooLarge")
        assert.deepInclude(error.reason, { task: "mail", size: limit + 1, limit })
        assert.match(error.message, /store the data elsewhere/)
        assert.strictEqual(wire.count("publish"), 1)
      })
    )
  })

  it.effect("30 MB", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueue({ to: "x".repeat(30_000_000) })))
        assert.strictEqual(error.reason._tag, "TooLarge")
        assert.isBelow(error.message.length, 500)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  const routers: ReadonlyArray<
    readonly [name: string, router: (request: Router.Request) => Router.Route | undefined, RegExp]
  > = [
    [
      "throws",
      () => {
        throw new Error("no route")
      },
      /threw/
    ],
    ["names no queue", () => ({ queue: "a b" }), /space/],
    ["names no priority", () => ({ queue: "a", priority: 12 }), /0 to 9/]
  ]
  it.effect.each(routers)("a Router that %s", ([, router, detail]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const enqueue = Effect.provideService(Mail.enqueue({ to: "a" }), Router.Router, router)
        const error = errorOf(yield* exitWithin(0, enqueue))
        assert(error.reason._tag === "InvalidOption")
        assert.strictEqual(error.reason.option, "Router")
        assert.match(error.message, detail)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("execute refuses the same, and does not wait", () =>
    run(() =>
      Effect.gen(function* () {
        const exit = yield* exitWithin(0, Mail.execute({ to: "a" }, { delay: -1 }))
        assert.strictEqual((errorOf(exit) as EnqueueError)._tag, "EnqueueError")
      })
    )
  )
})

describe("ids", () => {
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

it.effect("a codec that throws is a refusal", () =>
  run(() =>
    Effect.gen(function* () {
      class Throws extends Task.make("throws", {
        payload: Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: SchemaGetter.transform((): string => {
              throw new Error("encoder")
            })
          })
        )
      }) {}
      const exit = yield* exitWithin(0, Throws.enqueue("a"))
      assert.strictEqual(errorOf(exit).reason._tag, "InvalidPayload")
    })
  )
)
