import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Broker } from "../../src/Broker.ts"
import * as Task from "../../src/Task.ts"
import { TaskTest } from "../../src/testing/index.ts"
import * as Worker from "../../src/Worker.ts"
import { Flaky, FlakyLive, Purge, SmtpError, test } from "./fixtures.ts"

const none = { succeeded: 0, failed: 0, dead: 0, expired: 0, revoked: 0, ignored: 0, retried: 0, putBack: 0, left: 0 }

describe("TaskTest.drain", () => {
  test("works off what is due, and leaves what waits", () =>
    Effect.gen(function* () {
      yield* Flaky.enqueueAll([{ failures: 0 }, { failures: 1 }, { failures: 9 }])
      yield* Flaky.enqueue({ failures: 0 }, { delay: "3 days" })
      yield* Flaky.enqueue({ failures: 9 }, { retries: 0 })
      const { failures, ...counts } = yield* TaskTest.drain({ tasks: [Flaky] })
      assert.deepStrictEqual(counts, { ...none, succeeded: 1, failed: 1, retried: 2, left: 3 })
      assert.deepStrictEqual(
        failures.map(({ attempts, ending, state, task }) => ({ attempts, ending, state, task })),
        [
          {
            task: "flaky",
            state: "failed",
            attempts: 1,
            ending: { _tag: "Error", error: { _tag: "SmtpError", code: 401 } }
          }
        ]
      )
      assert.strictEqual(yield* TestClock.testClockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe())), 0)
    }).pipe(Effect.provide(FlakyLive)))

  const modes: ReadonlyArray<readonly [TaskTest.DrainOptions, Partial<typeof none>, seconds: number]> = [
    [{}, { succeeded: 1, retried: 2, left: 3 }, 0],
    // the retries fall due on the way
    [{ withScheduled: true }, { succeeded: 3, retried: 3, left: 1 }, 259_200],
    [{ withRetries: true }, { succeeded: 2, failed: 1, retried: 4, left: 1 }, 30],
    [{ withRetries: true, withScheduled: true }, { succeeded: 3, failed: 1, retried: 4 }, 259_200]
  ]
  for (const [options, expected, seconds] of modes) {
    test(`${JSON.stringify(options)}: the clock is moved by ${seconds} seconds`, () =>
      Effect.gen(function* () {
        yield* Flaky.enqueueAll([{ failures: 0 }, { failures: 1 }, { failures: 9 }])
        yield* Flaky.enqueue({ failures: 0 }, { delay: "3 days" })
        const { failures: _, ...counts } = yield* TaskTest.drain({ tasks: [Flaky], ...options })
        assert.deepStrictEqual(counts, { ...none, ...expected })
        const now = yield* TestClock.testClockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
        assert.strictEqual(now, seconds * 1000)
      }).pipe(Effect.provide(FlakyLive)))
  }

  test("works off what handlers enqueue in turn, over several queues", () =>
    Effect.gen(function* () {
      class Count extends Task.make("count", { payload: { n: Schema.Number }, success: Schema.Number }) {}
      const live = Count.toLayer(({ n }) =>
        n === 0 ? Effect.succeed(0) : Effect.as(Effect.orDie(Count.enqueue({ n: n - 1 }, { queue: `q${n % 2}` })), n)
      )
      yield* Count.enqueue({ n: 9 }, { queue: "q0" })
      const { left, succeeded } = yield* TaskTest.drain({ tasks: [Count], queues: ["q0", "q1"] }).pipe(
        Effect.provide(live)
      )
      assert.deepStrictEqual([succeeded, left], [10, 0])
    }))

  test("only the queues that are asked for", () =>
    Effect.gen(function* () {
      yield* Flaky.enqueue({ failures: 0 }, { queue: "a" })
      yield* Flaky.enqueue({ failures: 0 }, { queue: "b" })
      const drained = yield* TaskTest.drain({ tasks: [Flaky], queues: ["a"] })
      assert.deepStrictEqual([drained.succeeded, drained.left], [1, 0])
      // without the option: wherever messages of the tasks wait
      assert.strictEqual((yield* TaskTest.drain({ tasks: [Flaky] })).succeeded, 1)
    }).pipe(Effect.provide(FlakyLive)))

  test("moves the clock where handlers sleep, and waits for those that are busy outside", () =>
    Effect.gen(function* () {
      class Slow extends Task.make("slow", { payload: { outside: Schema.Boolean } }) {}
      const live = Slow.toLayer(({ outside }) =>
        outside
          ? Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 150)))
          : Effect.sleep("3 hours")
      )
      yield* Slow.enqueueAll([{ outside: false }, { outside: true }])
      const { left, succeeded } = yield* TaskTest.drain({ tasks: [Slow] }).pipe(Effect.provide(live))
      assert.deepStrictEqual([succeeded, left], [2, 0])
    }))

  test("with the workers that the test has built", () =>
    Effect.gen(function* () {
      yield* Layer.build(Layer.provide(Worker.layer({ tasks: [Flaky] }), FlakyLive))
      yield* Flaky.enqueueAll([{ failures: 0 }, { failures: 2 }])
      const { retried, succeeded } = yield* TaskTest.drain({ withRetries: true })
      assert.deepStrictEqual([succeeded, retried], [2, 2])
    }).pipe(Effect.scoped))

  test("counts every way to end", () =>
    Effect.gen(function* () {
      class Any extends Task.make("any", { payload: { end: Schema.String } }) {}
      class Unknown extends Task.make("unknown") {}
      const live = Any.toLayer(({ end }, context) => {
        if (end === "ignore") return context.ignore
        if (end === "reject") return context.reject()
        if (end === "snooze") return context.snooze("1 minute")
        return Effect.void
      })
      yield* Any.enqueueAll([{ end: "" }, { end: "ignore" }, { end: "reject" }, { end: "snooze" }])
      yield* (yield* Any.enqueue({ end: "" })).revoke()
      yield* Any.enqueue({ end: "" }, { delay: "1 minute", expires: "1 second" })
      yield* Unknown.enqueue()
      const broker = yield* Broker
      yield* broker.publish({
        publisher: "p",
        sequence: 1,
        resend: false,
        messages: [{ id: "bad", queue: "default", wire: "not a message" }]
      })
      const drain = (options: TaskTest.DrainOptions) =>
        TaskTest.drain({ tasks: [Any], ...options }).pipe(Effect.provide(live))
      const first = yield* drain({})
      assert.deepStrictEqual(
        { ...first, failures: first.failures.map(({ task }) => task) },
        // revoked before the drain began
        { ...none, succeeded: 1, ignored: 1, failed: 1, dead: 1, putBack: 2, left: 3, failures: ["any", ""] }
      )
      const second = yield* drain({ withScheduled: true })
      assert.deepStrictEqual([second.expired, second.left], [1, 2])
    }))

  test("gives up a queue that never empties", () =>
    Effect.gen(function* () {
      class Again extends Task.make("again") {}
      const live = Again.toLayer(() => Effect.asVoid(Effect.orDie(Again.enqueue())))
      yield* Again.enqueue()
      const error = yield* Effect.flip(TaskTest.drain({ tasks: [Again], maxSteps: 50 }).pipe(Effect.provide(live)))
      assert(error._tag === "DrainFailed")
      assert.strictEqual(error.reason, "TooManySteps")
      assert.match(error.message, /not empty after 50 steps[\s\S]*\n {2}again \(.*\) in queue "default"/)
    }))

  test("says when nobody works", () =>
    Effect.gen(function* () {
      yield* Purge.enqueue()
      const error = yield* Effect.flip(TaskTest.drain())
      assert.strictEqual(error.reason, "NobodyWorks")
      assert.match(error.message, /purge/)
    }))

  it.effect("without a test clock says so", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(TestClock.withLive(TaskTest.advance("1 second")))
      assert.match(String(exit), /live clock/)
    })
  )
})

describe("TaskTest.advance", () => {
  test("moves scheduled messages, retries and results in no time", () =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      yield* Layer.build(
        Layer.provide(
          Worker.layer({ tasks: [Flaky] }),
          Flaky.toLayer(({ failures }, { attempt }) =>
            Effect.andThen(
              Ref.update(runs, (count) => count + 1),
              attempt <= failures ? Effect.fail(new SmtpError({ code: 421 })) : Effect.succeed(attempt)
            )
          )
        )
      )
      const handle = yield* Flaky.enqueue({ failures: 1 }, { delay: "3 hours" })
      yield* TaskTest.advance("2 hours")
      assert.deepStrictEqual([yield* handle.state, yield* Ref.get(runs)], [Option.some("scheduled"), 0])
      yield* TaskTest.advance("1 hour")
      assert.deepStrictEqual([yield* handle.state, yield* Ref.get(runs)], [Option.some("retrying"), 1])
      yield* TaskTest.advance("10 seconds")
      assert.strictEqual(yield* handle.await, 2)
    }).pipe(Effect.scoped))
})

describe("TaskTest.layer", () => {
  it.effect("is one server for all who are given it, and a new one for each build", () =>
    Effect.gen(function* () {
      const locations = yield* Effect.all([
        Effect.map(Broker, ({ location }) => location),
        Effect.provide(
          Effect.map(Broker, ({ location }) => location),
          Layer.fresh(TaskTest.layer)
        )
      ])
      assert.notStrictEqual(locations[0], locations[1])
      yield* Purge.enqueue()
      yield* TaskTest.assertEnqueued(Purge, { count: 1 })
    }).pipe(
      Effect.provide(
        Layer.mergeAll(TaskTest.layer, Layer.effectDiscard(Effect.void).pipe(Layer.provideMerge(TaskTest.layer)))
      )
    )
  )
})
