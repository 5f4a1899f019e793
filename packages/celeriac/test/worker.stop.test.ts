/** The graceful stop. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Worker from "../src/Worker.ts"
import { counts, enqueue, Job, range, worker } from "./fixture.job.ts"
import { elapsed, exitWithin, type Fate, pass, started, stores, turns, within, world } from "./fixture.ts"

describe.each(stores)("G11: $store", ({ layer }) => {
  it.effect("an idle worker stops at once", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* worker(Effect.succeed)
        yield* within(0, stop)
        yield* enqueue([0])
        yield* pass("3 seconds", "1 second")
        assert.strictEqual((yield* counts()).queued, 1, "nobody takes it")
      })
    )
  )

  it.effect("no new claims; what has not started is back at once, uncounted, in its order; what runs ends", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const { stop } = yield* worker((n) => Effect.delay(Effect.succeed(n), "10 seconds"), {
          concurrency: 2,
          prefetch: 5
        })
        const handles = yield* enqueue(range(20))
        yield* pass("1 second")
        assert.deepInclude(yield* counts(), { active: 7, queued: 13 })
        const stopping = yield* Effect.forkChild(stop)
        yield* turns
        assert.deepInclude(yield* counts(), { active: 2, queued: 18 })
        wire.calls.length = 0
        yield* pass("8 seconds")
        assert.isUndefined(stopping.pollUnsafe(), "it waits for what runs")
        assert.strictEqual(wire.count("claim"), 0)
        yield* within("1100 millis", Fiber.join(stopping))
        assert.deepInclude(yield* counts(), { active: 0, queued: 18 })
        assert.strictEqual(yield* handles[1]!.await, 1)
        const seen: Array<readonly [number, number, number]> = []
        yield* worker((n, { attempt, deliveries }) => Effect.sync(() => (seen.push([n, attempt, deliveries]), n)), {
          concurrency: 1
        })
        yield* turns
        yield* turns
        assert.deepStrictEqual(
          seen,
          Array.from({ length: 18 }, (_, index) => [index + 2, 1, 1] as const)
        )
      })
    )
  )

  it.effect("at the drain limit what runs is interrupted, its finalizers run, and it is given back uncounted", () =>
    world(layer, ({ warnings }) =>
      Effect.gen(function* () {
        const finalized: Array<number> = []
        const { stop } = yield* worker(
          (n) =>
            Effect.onExit(Effect.never, (exit) =>
              Effect.delay(
                Effect.sync(() => {
                  assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
                  finalized.push(n)
                }),
                "1 second"
              )
            ),
          { drainLimit: "10 seconds", concurrency: 3 }
        )
        const handles = yield* enqueue(range(3), { retries: 0 })
        yield* turns
        yield* within("12 seconds", stop)
        const end = yield* elapsed
        assert(end >= 11_000 && end <= 11_200, `after ${end} ms`)
        assert.deepStrictEqual(finalized, [2, 1, 0], "the last first: each goes to the head")
        assert.deepInclude(yield* counts(), { queued: 3, active: 0, dead: 0 })
        assert.isTrue(warnings().some((line) => line.includes("3 runs did not end within 10s")))
        const order: Array<number> = []
        yield* worker((n, { attempt, deliveries }) =>
          Effect.sync(() => {
            assert.deepStrictEqual([attempt, deliveries], [1, 1])
            order.push(n)
            return n
          })
        )
        yield* within(
          "1 second",
          Effect.forEach(handles, (handle) => handle.await)
        )
        assert.deepStrictEqual(order, [0, 1, 2])
      })
    )
  )

  it.effect("a handler that ignores the interruption does not hold it up beyond the grace", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* worker(() => Effect.uninterruptible(Effect.never), {
          drainLimit: "2 seconds",
          grace: "3 seconds"
        })
        const [handle] = yield* enqueue([0])
        yield* turns
        yield* within("6500 millis", stop)
        assert.deepStrictEqual(yield* handle!.state, Option.some("queued"))
      })
    )
  )

  it.effect("a retry and a snooze that come while it stops are kept", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* started(
          Worker.layer({ tasks: [Job] }).pipe(
            Layer.provide(
              Job.toLayer(({ n }, context) =>
                Effect.delay(n === 0 ? context.retry() : context.snooze("1 minute"), "5 seconds")
              )
            )
          )
        )
        const handles = yield* enqueue(range(2))
        yield* turns
        yield* within("6 seconds", stop)
        for (const handle of handles) assert.deepStrictEqual(yield* handle.state, Option.some("retrying"))
      })
    )
  )

  it.effect("a claim that was under way is given back, and starts nothing", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        let runs = 0
        const { stop } = yield* worker(
          (n) => (n === 0 ? Effect.delay(Effect.succeed(n), "20 seconds") : Effect.sync(() => ++runs)),
          { concurrency: 5, visibilityTimeout: "3 seconds" }
        )
        yield* enqueue([0])
        yield* turns
        // the broker carries the claim out, and its reply does not come; the worker learns of it when it stops already
        wire.fate = ({ step }) => (step === "claim" ? "lost reply" : step === "renew" ? "refused" : "carried out")
        yield* Job.enqueue({ n: 1 })
        yield* turns
        assert.deepInclude(yield* counts(), { active: 2 })
        const stopping = yield* Effect.forkChild(stop)
        yield* turns
        wire.mend()
        yield* pass("10 seconds")
        assert.deepInclude(yield* counts(), { queued: 1, active: 1 }, "and gives it back")
        assert.strictEqual(runs, 0, "no start while it stops")
        yield* within("15 seconds", Fiber.join(stopping))
        assert.strictEqual(runs, 0)
        assert.deepInclude(yield* counts(), { queued: 1, active: 0 })
      })
    )
  )

  it.effect("the lease is kept while it stops: nothing that still runs is given to others", () =>
    world(layer, () =>
      Effect.gen(function* () {
        let runs = 0
        const long = (n: number) =>
          Effect.suspend(() => {
            runs++
            return Effect.delay(Effect.succeed(n), "20 seconds")
          })
        const first = yield* worker(long, { visibilityTimeout: "2 seconds" })
        const [handle] = yield* enqueue([0])
        yield* turns
        yield* worker(long, { visibilityTimeout: "2 seconds" })
        yield* within("22 seconds", first.stop)
        assert.strictEqual(yield* within("1 second", handle!.await), 0)
        assert.strictEqual(runs, 1)
      })
    )
  )

  it.effect.each(["refused", "lost reply"] as ReadonlyArray<Fate>)(
    "while the broker is away (%s) it stops all the same; what it could not settle runs elsewhere",
    (fate) =>
      world(layer, ({ wire }) =>
        Effect.gen(function* () {
          const { stop } = yield* worker((n) => Effect.delay(Effect.succeed(n), "1 second"), {
            name: "w",
            concurrency: 2,
            prefetch: 3,
            drainLimit: "5 seconds",
            visibilityTimeout: "10 seconds"
          })
          const handles = yield* enqueue(range(5))
          yield* turns
          wire.fate = ({ connection, step }) =>
            connection.startsWith("w-") || step === "commit" ? fate : "carried out"
          yield* within("15 seconds", stop)
          wire.mend()
          yield* worker((n) => Effect.succeed(n))
          const ends = yield* within(
            "20 seconds",
            Effect.forEach(handles, (handle) => handle.await)
          )
          assert.deepStrictEqual(ends, [0, 1, 2, 3, 4])
        })
      )
  )

  it.effect("a message that may run at most once is not given back when it has started", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const runs: Array<number> = []
        const handler = (n: number) => Effect.suspend(() => (runs.push(n), Effect.never))
        const { stop } = yield* worker(handler, { concurrency: 1, prefetch: 1, drainLimit: "1 second" })
        const [ran, waited] = yield* enqueue(range(2), { ack: "early" })
        yield* turns
        yield* within("2 seconds", stop)
        const second = yield* worker(handler, { drainLimit: 0 })
        yield* pass("1 second")
        assert.deepStrictEqual(runs, [0, 1])
        const exit = yield* exitWithin(0, ran!.await)
        assert.match(String(Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit), /at most once/)
        assert.deepStrictEqual(yield* waited!.state, Option.some("active"))
        yield* within("2 seconds", second.stop)
      })
    )
  )
})
