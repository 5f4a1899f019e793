/** G7: messages that cannot be run, or not yet. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { Broker } from "../src/Broker.ts"
import * as Message from "../src/Message.ts"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import { Job, worker } from "./fixture.job.ts"
import { elapsed, errorOf, exitWithin, pass, started, stores, turns, within, world } from "./fixture.ts"

const serve = (options?: Worker.Options) => worker(Effect.succeed, { concurrency: 1, ...options })

let sequence = 0

/** Puts any text into the queue, as another program would. */
const inject = Effect.fnUntraced(function* (wire: string, options?: { readonly id?: string }) {
  const broker = yield* Broker
  const id = options?.id ?? (yield* TaskId.make)
  const receipts = yield* broker.publish({
    publisher: "stranger",
    sequence: ++sequence,
    resend: false,
    messages: [{ id, queue: "default", wire }]
  })
  assert.deepStrictEqual(receipts, ["accepted"])
  return yield* Job.handle(id)
})

const wireOf = (message: Partial<Message.Message>) =>
  Message.encode({ id: "", queue: "", task: "job", priority: 5, payload: { n: 1 }, ...message })

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`

describe.each(stores)("undecodable: $store", ({ layer }) => {
  const cases: ReadonlyArray<readonly [name: string, wire: () => string, detail: RegExp]> = [
    ["nothing", () => "", /version/],
    ["no JSON", () => "15{", /JSON/],
    ["NULs", () => "\0".repeat(1000), /version/],
    ["lone surrogates", () => "15\ud800", /JSON/],
    ["an older version", () => `05{"t":"job"}`, /version/],
    ["a field of the wrong kind", () => `15{"t":"job","n":"x"}`, /"n" \(attempts\)/],
    ["no payload", () => wireOf({ payload: undefined }), /object/],
    ["a payload of the wrong type, with its path", () => wireOf({ payload: { n: "x" } }), /n/],
    ["100 000 levels", () => `15{"t":"job","p":${deep(100_000)}}`, /./],
    ["30 MB", () => `15{"t":"job","p":{"n":"${"x".repeat(30_000_000)}"}}`, /./],
    ["a content type that it does not know", () => wireOf({ contentType: "application/x" }), /content type/],
    ["a compression that it does not know", () => wireOf({ compression: "zip" }), /compression/],
    ["a key that it does not know", () => wireOf({ keyId: "k" }), /key/]
  ]
  it.effect.each(cases)("$0: a dead letter at once, and the worker lives", ([, wire, detail]) =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve()
        const handle = yield* inject(wire())
        const error = errorOf(yield* exitWithin(0, handle.await))
        assert.instanceOf(error, TaskEnded)
        assert(error.reason._tag === "Undecodable", error.message)
        assert.match(error.reason.detail, detail)
        assert.isBelow(error.reason.detail.length, 3000)
        assert.deepStrictEqual(yield* handle.state, Option.some("dead"))
        const broker = yield* Broker
        const letters = yield* broker.deadLetters("default", { limit: 10 })
        assert.strictEqual(letters.length, 1)
        assert.strictEqual(letters[0]?.wire, wire(), "the letter holds the message as it came")
        const good = yield* Job.enqueue({ n: 3 })
        assert.strictEqual(yield* within(0, good.await), 3)
      })
    )
  )

  it.effect("what objects have by nature is no payload", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve()
        const handle = yield* inject(
          `15{"t":"job","p":{"n":1,"__proto__":{"x":1},"constructor":2},"hd":{"__proto__":"y"}}`
        )
        assert.strictEqual(yield* within(0, handle.await), 1)
        assert.isUndefined(({} as { readonly x?: number }).x)
      })
    )
  )

  it.effect("a task with the name of an object's member is an unknown task", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve()
        for (const task of ["constructor", "__proto__", "toString"]) {
          const handle = yield* inject(wireOf({ task }))
          yield* turns
          assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
        }
      })
    )
  )

  it.effect("a decoder that throws", () =>
    world(layer, () =>
      Effect.gen(function* () {
        class Throws extends Task.make("throws", {
          payload: Schema.String.pipe(
            Schema.decodeTo(Schema.String, {
              decode: SchemaGetter.transform((): string => assert.fail("decoder")),
              encode: SchemaGetter.passthrough()
            })
          )
        }) {}
        yield* started(Worker.layer({ tasks: [Throws] }).pipe(Layer.provide(Throws.toLayer(() => Effect.void))))
        const error = errorOf(yield* exitWithin(0, (yield* Throws.enqueue("a")).await))
        assert(error.reason._tag === "Undecodable")
        assert.match(error.message, /decoder/)
      })
    )
  )
})

describe.each(stores)("a deploy in progress: $store", ({ layer }) => {
  class New extends Task.make("new", { success: Schema.String }) {}
  const NewLive = New.toLayer(() => Effect.succeed("done"))

  it.effect("an unknown task is put off with growing delay, then dead", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* serve({ unknownTaskWindow: "2 minutes" })
        wire.calls.length = 0
        const handle = yield* New.enqueue()
        yield* pass("119 seconds", "1 second")
        assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
        const settles = wire.count("settle")
        assert(settles >= 6 && settles <= 10, `it was put off ${settles} times`)
        const error = errorOf(yield* exitWithin("2 seconds", handle.await))
        assert(error.reason._tag === "UnknownTask")
        assert.match(error.message, /no worker of queue "default" knows task "new"/)
        const end = yield* elapsed
        assert(end >= 120_000 && end <= 122_000, `after ${end} ms`)
        assert.deepStrictEqual(yield* handle.state, Option.some("dead"))
      })
    )
  )

  it.effect("a worker that knows it takes it over", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const old = yield* serve()
        const handle = yield* New.enqueue()
        yield* pass("20 seconds", "1 second")
        yield* started(Worker.layer({ tasks: [New], queues: ["default"] }).pipe(Layer.provide(NewLive)))
        yield* old.stop
        assert.strictEqual(yield* within("31 seconds", handle.await, "1 second"), "done")
      })
    )
  )

  it.effect("a newer payload waits for a newer worker; an older one is upgraded step by step", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const V1 = Schema.Struct({ name: Schema.String })
        const V2 = Schema.Struct({ first: Schema.String, last: Schema.String })
        const V3 = Schema.Struct({ names: Schema.Array(Schema.String) })
        class First extends Task.make("versioned", { payload: V1, success: Schema.String }) {}
        class Third extends Task.make("versioned", {
          payload: V3,
          success: Schema.String,
          version: 3,
          upgrades: {
            1: Task.upgrade(V1, V2, ({ name }) => ({ first: name, last: "?" })),
            2: (encoded) => ({ names: Object.values(encoded as Record<string, string>) })
          }
        }) {}
        const older = yield* started(
          Worker.layer({ tasks: [First] }).pipe(Layer.provide(First.toLayer(({ name }) => Effect.succeed(`1 ${name}`))))
        )
        const newer = yield* Third.enqueue({ names: ["a", "b"] })
        const known = yield* First.enqueue({ name: "c" })
        assert.strictEqual(yield* within(0, known.await), "1 c")
        yield* pass("10 seconds", "1 second")
        assert.deepStrictEqual(yield* newer.state, Option.some("scheduled"))
        yield* older.stop
        const waiting = yield* First.enqueue({ name: "d" })
        yield* started(
          Worker.layer({ tasks: [Third] }).pipe(
            Layer.provide(Third.toLayer(({ names }) => Effect.succeed(`3 ${names.join(" ")}`)))
          )
        )
        assert.strictEqual(yield* within(0, waiting.await), "3 d ?")
        assert.strictEqual(yield* within("31 seconds", newer.await, "1 second"), "3 a b")
      })
    )
  )

  const upgrades: ReadonlyArray<readonly [name: string, upgrade: unknown, detail: RegExp]> = [
    ["that is missing", undefined, /no upgrade/],
    ["that throws", () => assert.fail("upgrade"), /upgrade/],
    ["that makes something else", () => "text", /object/]
  ]
  it.effect.each(upgrades)("an upgrade $0: a dead letter", ([, upgrade, detail]) =>
    world(layer, () =>
      Effect.gen(function* () {
        class Second extends Task.make("job", {
          payload: { m: Schema.Number },
          version: 2,
          ...(upgrade === undefined ? {} : { upgrades: { 1: upgrade as () => unknown } })
        }) {}
        yield* started(Worker.layer({ tasks: [Second] }).pipe(Layer.provide(Second.toLayer(() => Effect.void))))
        const error = errorOf(yield* exitWithin(0, (yield* Job.enqueue({ n: 1 })).await))
        assert(error.reason._tag === "Undecodable")
        assert.match(error.reason.detail, detail)
      })
    )
  )

  it.effect("a newer format is left to a newer worker, for the window", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve({ unknownTaskWindow: "1 minute" })
        const handle = yield* inject("25whatever")
        yield* pass("55 seconds", "1 second")
        assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
        const error = errorOf(yield* exitWithin("10 seconds", handle.await))
        assert(error.reason._tag === "UnknownTask")
        assert.match(error.message, /version 2/)
      })
    )
  )
})
