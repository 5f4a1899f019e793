/** G7: messages that cannot be run, and messages that nobody may run any more. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { Scope } from "effect/Scope"
import { Broker } from "../src/Broker.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Message from "../src/Message.ts"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import {
  elapsed,
  epoch,
  errorOf,
  exitWithin,
  pass,
  type Services,
  started,
  stores,
  turns,
  within,
  type World,
  world
} from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number, any: Schema.optionalKey(Schema.Unknown) },
  success: Schema.Number
}) {}

const Live = Job.toLayer(({ n }) => Effect.succeed(n))

const serve = (options?: Partial<Worker.Options>) =>
  started(Worker.layer({ tasks: [Job], concurrency: 1, ...options }).pipe(Layer.provide(Live)))

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
  const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) => world(layer, body)

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
    run(() =>
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
    run(() =>
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
    run(() =>
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
    run(() =>
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
  const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) => world(layer, body)
  class New extends Task.make("new", { success: Schema.String }) {}
  const NewLive = New.toLayer(() => Effect.succeed("done"))

  it.effect("an unknown task is put off with growing delay, then dead", () =>
    run(({ wire }) =>
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
    run(() =>
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
    run(() =>
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
    run(() =>
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
    run(() =>
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

describe.each(stores)("expires: $store", ({ layer }) => {
  const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) => world(layer, body)
  const expired = Effect.fnUntraced(function* (handle: Effect.Success<ReturnType<typeof Job.handle>>, limit: number) {
    const error = errorOf(yield* exitWithin(limit, handle.await))
    assert(error.reason._tag === "Expired", error.message)
    assert.deepStrictEqual(yield* handle.state, Option.some("expired"))
  })

  it.effect("a message that is claimed too late does not run", () =>
    run(() =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, { expires: "1 minute" })
        yield* pass("1 minute", "1 minute")
        yield* serve()
        yield* expired(handle, 0)
      })
    )
  )

  it.effect("a message that is claimed in time runs, however long", () =>
    run(() =>
      Effect.gen(function* () {
        const Slow = Job.toLayer(({ n }) => Effect.delay(Effect.succeed(n), "2 minutes"))
        const handle = yield* Job.enqueue({ n: 1 }, { expires: "1 minute" })
        yield* pass("59 seconds", "1 second")
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Slow)))
        assert.strictEqual(yield* within("3 minutes", handle.await, "5 seconds"), 1)
      })
    )
  )

  it.effect("a message whose run has started is tried again after that time", () =>
    run(() =>
      Effect.gen(function* () {
        class Retried extends Task.make("retried", {
          success: Schema.Number,
          retry: { delay: "2 minutes", jitter: false, times: 1 }
        }) {}
        const RetriedLive = Retried.toLayer((_, { attempt }) =>
          attempt === 1 ? Effect.die("no") : Effect.succeed(attempt)
        )
        yield* started(Worker.layer({ tasks: [Retried] }).pipe(Layer.provide(RetriedLive)))
        const handle = yield* Retried.enqueue(undefined, { expires: "1 minute" })
        assert.strictEqual(yield* within("3 minutes", handle.await, "1 second"), 2)
      })
    )
  )

  it.effect("nobody waits for ever: also in a queue that nobody consumes, also scheduled ones", () =>
    run(() =>
      Effect.gen(function* () {
        yield* serve()
        const waiting = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "10 seconds" })
        const scheduled = yield* Job.enqueue({ n: 1 }, { queue: "lonely", delay: "1 hour", expires: "20 seconds" })
        const other = yield* Job.enqueue({ n: 1 }, { queue: "lonely" })
        yield* pass("9 seconds")
        assert.deepStrictEqual(yield* waiting.state, Option.some("queued"))
        yield* expired(waiting, 7000)
        yield* expired(scheduled, 12_000)
        assert.deepStrictEqual(yield* other.state, Option.some("queued"))
      })
    )
  )

  it.effect("thousands at once, in bounded steps", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const handles = yield* Job.enqueueAll(
          Array.from({ length: 2500 }, (_, n) => ({ n })),
          { queue: "lonely", expires: "1 second" }
        )
        yield* serve()
        yield* pass("6 seconds", "1 second")
        const broker = yield* Broker
        assert.strictEqual((yield* broker.counts("lonely")).queued, 0)
        assert.deepStrictEqual(yield* handles[2499]!.state, Option.some("expired"))
        assert.strictEqual(wire.count("overdue"), 3)
      })
    )
  )

  it.effect("the sweep goes on after an outage", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        yield* serve()
        const handle = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "1 second" })
        wire.fate = ({ step }) => (step === "overdue" || step === "commit" ? "refused" : "carried out")
        yield* pass("20 seconds", "1 second")
        assert.deepStrictEqual(yield* handle.state, Option.some("queued"))
        wire.mend()
        yield* expired(handle, 6000)
      })
    )
  )
})

describe.each(stores)("revoke: $store", ({ layer }) => {
  const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) => world(layer, body)

  it.effect("a running handler is interrupted at once, its finalizers run, its slot is free", () =>
    run(() =>
      Effect.gen(function* () {
        const events: Array<string> = []
        const Slow = Job.toLayer(({ n }) =>
          n > 0
            ? Effect.succeed(n)
            : Effect.onInterrupt(Effect.never, () => Effect.sync(() => void events.push("interrupted")))
        )
        yield* started(Worker.layer({ tasks: [Job], concurrency: 1 }).pipe(Layer.provide(Slow)))
        const handle = yield* Job.enqueue({ n: 0 })
        yield* turns
        assert.isTrue(yield* within(0, handle.revoke()))
        yield* turns
        assert.deepStrictEqual(events, ["interrupted"])
        assert.strictEqual(yield* elapsed, 0)
        assert.strictEqual(yield* within(0, (yield* Job.enqueue({ n: 1 })).await), 1)
      })
    )
  )

  it.effect("a prefetched message does not start", () =>
    run(() =>
      Effect.gen(function* () {
        const seen: Array<number> = []
        const Slow = Job.toLayer(({ n }) =>
          Effect.suspend(() => (seen.push(n), Effect.delay(Effect.succeed(n), "1 second")))
        )
        yield* started(Worker.layer({ tasks: [Job], concurrency: 1, prefetch: 5 }).pipe(Layer.provide(Slow)))
        const handles = yield* Job.enqueueAll([{ n: 0 }, { n: 1 }, { n: 2 }])
        yield* turns
        assert.isTrue(yield* handles[1]!.revoke())
        yield* pass("3 seconds")
        assert.deepStrictEqual(seen, [0, 2])
      })
    )
  )

  it.effect("a push that is lost is made good by the next renewal", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        let interruptedAt = Number.NaN
        const Slow = Job.toLayer(() =>
          Effect.onInterrupt(Effect.never, () => Effect.map(elapsed, (at) => void (interruptedAt = at)))
        )
        yield* started(Worker.layer({ tasks: [Job], visibilityTimeout: "9 seconds" }).pipe(Layer.provide(Slow)))
        const handle = yield* Job.enqueue({ n: 0 })
        yield* turns
        wire.pushes = () => false
        assert.isTrue(yield* handle.revoke())
        assert.deepStrictEqual(yield* handle.state, Option.some("revoked"))
        yield* pass("4 seconds")
        assert.isAtMost(interruptedAt, 3100)
      })
    )
  )

  it.effect("G2: what a revoked handler says at the end counts for nothing", () =>
    run(() =>
      Effect.gen(function* () {
        const Deaf = Job.toLayer(({ n }) => Effect.uninterruptible(Effect.delay(Effect.succeed(n), "3 seconds")))
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Deaf)))
        const handle = yield* Job.enqueue({ n: 0 })
        yield* turns
        assert.isTrue(yield* handle.revoke())
        yield* pass("5 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("revoked"))
        assert(errorOf(yield* exitWithin(0, handle.await)).reason._tag === "Revoked")
      })
    )
  )

  it.effect("waitingOnly leaves a running one alone", () =>
    run(() =>
      Effect.gen(function* () {
        const Slow = Job.toLayer(({ n }) => Effect.delay(Effect.succeed(n), "3 seconds"))
        yield* started(Worker.layer({ tasks: [Job], concurrency: 1, prefetch: 0 }).pipe(Layer.provide(Slow)))
        const [runs, waits] = yield* Job.enqueueAll([{ n: 0 }, { n: 1 }])
        yield* turns
        assert.isFalse(yield* runs!.revoke({ waitingOnly: true }))
        assert.isTrue(yield* waits!.revoke({ waitingOnly: true }))
        assert.strictEqual(yield* within("4 seconds", runs!.await), 0)
      })
    )
  )

  it.effect("while the broker is away it is waited for", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 0 })
        wire.fate = () => "refused"
        const revoking = yield* Effect.forkChild(handle.revoke())
        yield* pass("10 seconds", "1 second")
        assert.isUndefined(revoking.pollUnsafe())
        wire.mend()
        yield* pass("3 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("revoked"))
      })
    )
  )
})

describe("a clock that counts fractions of milliseconds", () => {
  it.effect.each(stores)("$store: records, retries and dates are whole", ({ layer }) =>
    world(layer, () =>
      Effect.gen(function* () {
        class Retried extends Task.make("retried", {
          success: Schema.Number,
          retry: { delay: 1, jitter: false, times: 2 }
        }) {}
        const RetriedLive = Retried.toLayer((_, { attempt }) =>
          attempt < 3 ? Effect.die("no") : Effect.succeed(attempt)
        )
        yield* started(Worker.layer({ tasks: [Retried] }).pipe(Layer.provide(RetriedLive)))
        yield* pass("333.37 micros", 0.33337)
        const handle = yield* Retried.enqueue(undefined, { id: "a", expires: "1 minute" })
        yield* pass(5.4321, 0.777)
        assert.strictEqual(yield* within(100, handle.await), 3)
        const revoked = yield* Retried.enqueue(undefined, { delay: "1 hour" })
        yield* revoked.revoke()
        assert.deepStrictEqual(yield* revoked.state, Option.some("revoked"))
        assert.isAbove(yield* elapsed, 0)
        assert.isAbove(epoch, 0)
      })
    )
  )
})

it.effect("maxDeliveries of the Defaults, and of a task", () =>
  world(stores[0].layer.pipe(Layer.provideMerge(Defaults.layer({ maxDeliveries: 2 }))), () =>
    Effect.gen(function* () {
      class Patient extends Task.make("patient", { maxDeliveries: 4 }) {}
      const runs = { job: 0, patient: 0 }
      const defaults = yield* Defaults.Defaults
      const Lives = Layer.mergeAll(
        Job.toLayer((_, context) => Effect.suspend(() => (runs.job++, context.reject({ requeue: true })))),
        Patient.toLayer((_, context) => Effect.suspend(() => (runs.patient++, context.reject({ requeue: true }))))
      )
      yield* started(Worker.layer({ tasks: [Job, Patient] }).pipe(Layer.provide(Lives))).pipe(
        Effect.provideService(Defaults.Defaults, { ...defaults, maxDeliveries: 2 })
      )
      yield* Job.enqueue({ n: 1 })
      yield* Patient.enqueue()
      yield* turns
      yield* turns
      assert.deepStrictEqual(runs, { job: 2, patient: 4 })
    })
  )
)
