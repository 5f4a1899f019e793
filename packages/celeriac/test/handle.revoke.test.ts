/** Revokes: what their records say, and what happens when something comes in between. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import { Client } from "../src/Client.ts"
import { ResultBackend } from "../src/ResultBackend.ts"
import * as Task from "../src/Task.ts"
import * as TaskRecord from "../src/TaskRecord.ts"
import * as Worker from "../src/Worker.ts"
import { atOnce, errorOf, exitWithin, pass, started, stores, turns, within, world } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number },
  success: Schema.Number,
  retry: { delay: "1 second", jitter: false, times: 5 }
}) {}

const serve = (handler: (n: number) => Effect.Effect<number>, options?: Partial<Worker.Options>) =>
  started(Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Job.toLayer(({ n }) => handler(n)))))

describe.each(stores)("$store", ({ layer }) => {
  const waits: Record<string, readonly [handler: (n: number) => Effect.Effect<number>, attempts: number]> = {
    "after a failed attempt": [() => Effect.die("no"), 2],
    "while it runs": [() => Effect.never, 0]
  }
  it.effect.each(Object.entries(waits))("the record knows the attempts of a message that is revoked %s", ([, wait]) =>
    world(layer, () =>
      Effect.gen(function* () {
        const [handler, attempts] = wait
        yield* serve(handler)
        const handle = yield* Job.enqueue({ n: 1 })
        yield* pass("1500 millis")
        assert.isTrue(yield* atOnce(handle.revoke()))
        const record = yield* (yield* Client).poll(handle)
        assert.deepInclude(record, { state: "revoked", attempts })
      })
    )
  )

  it.effect("the record is kept as the message asks for", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const short = yield* Job.enqueue({ n: 1 }, { resultTtl: "1 minute" })
        const none = yield* Job.enqueue({ n: 1 }, { ignoreResult: true })
        assert.deepStrictEqual([yield* short.revoke(), yield* none.revoke()], [true, true])
        const reason = (handle: typeof short) =>
          Effect.map(exitWithin(0, handle.await), (exit) => {
            const error = errorOf(exit)
            return error.reason._tag
          })
        assert.deepStrictEqual([yield* reason(short), yield* reason(none)], ["Revoked", "ResultGone"])
        yield* pass("1 minute", "1 minute")
        assert.strictEqual(yield* reason(short), "ResultGone")
        assert.deepStrictEqual(yield* short.state, Option.some("revoked"))
      })
    )
  )

  it.effect("or as its task asks for, where the message says nothing", () =>
    world(layer, () =>
      Effect.gen(function* () {
        class Long extends Task.make("long", { resultTtl: "3 days" }) {}
        class Ignored extends Task.make("ignored", { ignoreResult: true }) {}
        const long = yield* Long.enqueue()
        const ignored = yield* Ignored.enqueue()
        const own = yield* Ignored.enqueue(undefined, { ignoreResult: false })
        for (const handle of [long, ignored, own]) assert.isTrue(yield* handle.revoke())
        const reason = (handle: typeof long) =>
          Effect.map(exitWithin(0, handle.await), (exit) => errorOf(exit).reason._tag)
        assert.deepStrictEqual(yield* Effect.forEach([long, ignored, own], reason), [
          "Revoked",
          "ResultGone",
          "Revoked"
        ])
        yield* pass("2 days", "6 hours")
        assert.deepStrictEqual(yield* Effect.forEach([long, own], reason), ["Revoked", "ResultGone"])
      })
    )
  )

  // the reply to the step comes, or the step itself, when a worker has claimed the message
  it.effect.each(["locate", "read", "end", "commit"])(
    "{ waitingOnly: true } never ends a message that has started: while the %s is on its way it is claimed",
    (step) =>
      world(layer, ({ wire }) =>
        Effect.gen(function* () {
          let runs = 0
          const handle = yield* Job.enqueue({ n: 1 })
          wire.latency = (call) => (call.step === step ? "1 second" : undefined)
          const revoking = yield* Effect.forkChild(handle.revoke({ waitingOnly: true }))
          yield* turns
          yield* serve((n) => Effect.suspend(() => (runs++, Effect.delay(Effect.succeed(n), "10 seconds"))))
          const revoked = yield* within("5 seconds", Fiber.join(revoking))
          assert.strictEqual(runs, revoked ? 0 : 1)
          wire.mend()
          const exit = yield* exitWithin("20 seconds", handle.await)
          if (revoked) assert.strictEqual(errorOf(exit).reason._tag, "Revoked")
          else assert.strictEqual(yield* exit, 1)
          assert.deepStrictEqual(yield* handle.state, Option.some(revoked ? "revoked" : "succeeded"))
        })
      )
  )
})

describe("two stores: whoever revokes dies in between", () => {
  const run = CeleriacMemory.layerTwoStores

  /** Revokes, and dies at the step of that name. */
  const dying = Effect.fnUntraced(function* (revoke: Effect.Effect<boolean>, started: Effect.Effect<void>) {
    const revoking = yield* Effect.forkChild(revoke)
    yield* started
    yield* Fiber.interrupt(revoking)
  })

  const asks: Record<string, (handle: Effect.Success<ReturnType<typeof Job.handle>>) => Effect.Effect<unknown>> = {
    await: (handle) => Effect.map(Effect.exit(handle.await), (exit) => errorOf(exit).reason._tag === "Revoked"),
    poll: (handle) => Effect.map(handle.poll, (found) => Option.isSome(found)),
    state: (handle) => Effect.map(handle.state, (state) => Option.getOrUndefined(state) === "revoked"),
    revoke: (handle) => handle.revoke(),
    "revoke, waiting only": (handle) => handle.revoke({ waitingOnly: true })
  }
  it.effect.each(Object.entries(asks))("%s: it is revoked, and nobody can commit another end then", ([, ask]) =>
    world(run, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 })
        wire.latency = ({ step }) => (step === "commit" ? "1 hour" : undefined)
        yield* dying(handle.revoke({ waitingOnly: true }), turns)
        wire.mend()
        const results = yield* ResultBackend
        const stored = Effect.map(results.read([handle]), ([stored]) => stored?.record)
        assert.isUndefined(yield* stored, "it died between the two")
        assert.isTrue(yield* within("10 seconds", ask(handle)))
        assert.strictEqual(TaskRecord.stateOf((yield* stored)!), "revoked")
        const value = TaskRecord.encode({
          state: "succeeded",
          endedAt: 0,
          attempts: 1,
          ending: { _tag: "Success", value: 1 }
        })
        const late = { id: handle.id, queue: handle.queue, value, ttl: 60_000 }
        assert.deepStrictEqual(yield* results.commit([late]), ["lost"])
      })
    )
  )

  it.effect("who waits already is told by the next look", () =>
    world(run, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 })
        const waiting = yield* Effect.forkChild(Effect.exit(handle.await))
        yield* turns
        wire.latency = ({ step }) => (step === "commit" ? "1 hour" : undefined)
        yield* dying(handle.revoke({ waitingOnly: true }), turns)
        wire.mend()
        const exit = yield* within("6 seconds", Fiber.join(waiting))
        assert.strictEqual(errorOf(exit).reason._tag, "Revoked")
      })
    )
  )

  it.effect("a running message, of which there is a record and no end yet, ends as revoked all the same", () =>
    world(run, ({ wire }) =>
      Effect.gen(function* () {
        yield* serve((n) => Effect.delay(Effect.succeed(n), "5 seconds"))
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        wire.latency = ({ step }) => (step === "end" ? "1 hour" : undefined)
        yield* dying(handle.revoke(), turns)
        wire.mend()
        yield* pass("6 seconds")
        assert.strictEqual(errorOf(yield* exitWithin(0, handle.await)).reason._tag, "Revoked")
        assert.deepInclude(yield* (yield* Broker).counts("default"), { queued: 0, active: 0, scheduled: 0 })
      })
    )
  )

  it.effect(
    "a message whose worker has written its record and died is left to the next one, which makes up for it",
    () =>
      world(run, () =>
        Effect.gen(function* () {
          const handle = yield* Job.enqueue({ n: 1 })
          const value = TaskRecord.encode({
            state: "succeeded",
            endedAt: 1,
            attempts: 1,
            ending: { _tag: "Success", value: 7 }
          })
          const results = yield* ResultBackend
          yield* results.commit([{ id: handle.id, queue: handle.queue, value, ttl: 60_000 }])
          assert.isFalse(yield* atOnce(handle.revoke({ waitingOnly: true })))
          assert.isFalse(yield* atOnce(handle.revoke()))
          assert.deepInclude(yield* (yield* Broker).counts("default"), { queued: 1 })
          assert.strictEqual(yield* atOnce(handle.await), 7)
        })
      )
  )
})
