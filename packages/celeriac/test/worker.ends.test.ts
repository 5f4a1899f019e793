/** Messages that end without a run or from outside: expired, revoked, delivered too often. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { Job, worker } from "./fixture.job.ts"
import { elapsed, epoch, errorOf, exitWithin, pass, started, stores, turns, within, world } from "./fixture.ts"

const serve = (options?: Worker.Options) => worker(Effect.succeed, { concurrency: 1, ...options })

describe.each(stores)("expires: $store", ({ layer }) => {
  const expired = Effect.fnUntraced(function* (handle: Effect.Success<ReturnType<typeof Job.handle>>, limit: number) {
    const error = errorOf(yield* exitWithin(limit, handle.await))
    assert(error.reason._tag === "Expired", error.message)
    assert.deepStrictEqual(yield* handle.state, Option.some("expired"))
  })

  it.effect("a message that is claimed too late does not run", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, { expires: "1 minute" })
        yield* pass("1 minute", "1 minute")
        yield* serve()
        yield* expired(handle, 0)
      })
    )
  )

  it.effect("a message that is claimed in time runs, however long", () =>
    world(layer, () =>
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
    world(layer, () =>
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
    world(layer, () =>
      Effect.gen(function* () {
        const waiting = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "10 seconds" })
        const scheduled = yield* Job.enqueue({ n: 1 }, { queue: "lonely", delay: "1 hour", expires: "20 seconds" })
        yield* serve()
        const other = yield* Job.enqueue({ n: 1 }, { queue: "lonely" })
        const later = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "21 seconds" })
        yield* pass("9750 millis")
        assert.deepStrictEqual(yield* waiting.state, Option.some("queued"))
        yield* expired(waiting, 250)
        yield* expired(scheduled, 10_000)
        yield* expired(later, 1000)
        assert.deepStrictEqual(yield* other.state, Option.some("queued"))
      })
    )
  )

  it.effect("thousands at once, in bounded steps", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const handles = yield* Job.enqueueAll(
          Array.from({ length: 2500 }, (_, n) => ({ n })),
          { queue: "lonely", expires: "1 second" }
        )
        yield* serve()
        yield* pass("2 seconds", "1 second")
        const broker = yield* Broker
        assert.strictEqual((yield* broker.counts("lonely")).queued, 0)
        assert.deepStrictEqual(yield* handles[2499]!.state, Option.some("expired"))
        assert.strictEqual(wire.count("overdue"), 4, "one that finds nothing yet, and one for each thousand")
      })
    )
  )

  it.effect("the sweep goes on after an outage", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, { queue: "lonely", expires: "1 second" })
        wire.fate = ({ step }) => (step === "overdue" || step === "commit" ? "refused" : "carried out")
        yield* serve()
        yield* pass("20 seconds", "1 second")
        assert.deepStrictEqual(yield* handle.state, Option.some("queued"))
        wire.mend()
        yield* expired(handle, 6000)
      })
    )
  )
})

describe.each(stores)("revoke: $store", ({ layer }) => {
  it.effect("a running handler is interrupted at once, its finalizers run, its slot is free", () =>
    world(layer, () =>
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
    world(layer, () =>
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
    world(layer, ({ wire }) =>
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
    world(layer, () =>
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
    world(layer, () =>
      Effect.gen(function* () {
        const Slow = Job.toLayer(({ n }) => Effect.delay(Effect.succeed(n), "3 seconds"))
        yield* started(Worker.layer({ tasks: [Job], concurrency: 1, prefetch: 0 }).pipe(Layer.provide(Slow)))
        const [runs, waits] = yield* Job.enqueueAll([{ n: 0 }, { n: 1 }])
        yield* turns
        assert.isFalse(yield* runs.revoke({ waitingOnly: true }))
        assert.isTrue(yield* waits!.revoke({ waitingOnly: true }))
        assert.strictEqual(yield* within("4 seconds", runs.await), 0)
      })
    )
  )

  it.effect("while the broker is away it is waited for", () =>
    world(layer, ({ wire }) =>
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
