import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { supervise, superviseInto } from "../src/internal/supervise.ts"

interface Line {
  readonly level: string
  readonly text: string
  readonly cause: unknown
  readonly loop: unknown
}

/** Runs the test with a scope of its own for the loops, and what they log. */
const fixture = Effect.gen(function* () {
  const lines = yield* Queue.unbounded<Line>()
  const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    Queue.offerUnsafe(lines, {
      level: logLevel,
      text: String(message),
      cause: cause.reasons.length === 0 ? undefined : Cause.squash(cause),
      loop: fiber.getRef(References.CurrentLogAnnotations)["loop"]
    })
  })
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  return {
    scope,
    line: Queue.take(lines),
    silent: Effect.map(Queue.size(lines), (size) => assert.strictEqual(size, 0, "nothing more is logged")),
    run: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
      effect.pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(Logger.layer([logger])))
  }
})

/** A loop that tells when it starts, and then does what is said. */
const loopOf = Effect.fnUntraced(function* <A, E>(body: Effect.Effect<A, E>) {
  const starts: Array<number> = []
  const loop = Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.suspend(() => (starts.push(now), body)))
  return { starts, loop }
})

const everySecond = { restart: Schedule.spaced("1 second") }

const throws = Effect.sync((): never => {
  throw new Error("thrown")
})

const ends: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>, level: string, RegExp, cause: RegExp]> = [
  ["fails", Effect.fail("refused"), "Error", /failed/, /refused/],
  ["dies", Effect.die(new Error("boom")), "Error", /failed/, /boom/],
  ["throws", throws, "Error", /failed/, /thrown/],
  ["ends by itself", Effect.void, "Warn", /ended by itself/, /undefined/],
  ["interrupts itself", Effect.interrupt, "Error", /interrupted from inside/, /./],
  [
    "joins a fiber that was interrupted",
    Effect.flatMap(Effect.forkChild(Effect.never), (fiber) =>
      Effect.andThen(Fiber.interrupt(fiber), Fiber.join(fiber))
    ),
    "Error",
    /interrupted from inside/,
    /./
  ]
]

describe("supervise", () => {
  it.effect.each(ends)("a loop that %s is logged and started again", ([, body, level, text, cause]) =>
    Effect.gen(function* () {
      const { line, run } = yield* fixture
      const { loop, starts } = yield* loopOf(body)
      yield* run(supervise("test.loop", loop, everySecond))
      const first = yield* line
      assert.strictEqual(first.level, level)
      assert.strictEqual(first.loop, "test.loop")
      assert.match(first.text, text)
      assert.match(first.text, /started again in 1s/)
      assert.match(String(first.cause), cause)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(starts, [0])
      yield* TestClock.adjust(1)
      yield* line
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(starts, [0, 1000, 2000])
    })
  )

  it.effect("a loop that runs is left alone, and ends with the scope, without a word", () =>
    Effect.gen(function* () {
      const { run, scope, silent } = yield* fixture
      const ended = yield* Deferred.make<void>()
      const { loop, starts } = yield* loopOf(Effect.onInterrupt(Effect.never, () => Deferred.succeed(ended, undefined)))
      yield* run(supervise("test.loop", loop))
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(starts, [0])
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.await(ended)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(starts, [0])
      yield* silent
    })
  )

  it.effect("closing the scope also ends the wait for the next start", () =>
    Effect.gen(function* () {
      const { line, run, scope, silent } = yield* fixture
      const { loop, starts } = yield* loopOf(Effect.fail("refused"))
      yield* run(supervise("test.loop", loop, everySecond))
      yield* line
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(starts, [0])
      yield* silent
    })
  )

  it.effect("by default restarts are 100 ms to 5 s apart, about doubled, without end", () =>
    Effect.gen(function* () {
      const { run } = yield* fixture
      const { loop, starts } = yield* loopOf(Effect.fail("refused"))
      yield* run(supervise("test.loop", loop))
      yield* TestClock.adjust("10 minutes")
      const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0))
      const base = (index: number) => Math.min(100 * 2 ** index, 5000)
      gaps.forEach((gap, index) => {
        assert.isAtLeast(gap, Math.floor(base(index) * 0.8))
        assert.isAtMost(gap, Math.ceil(base(index) * 1.2))
      })
      assert.isAbove(gaps.length, 90)
      assert.isAbove(new Set(gaps.slice(10)).size, 20, "jitter")
    })
  )

  it.effect("a loop that ran well for a while starts the schedule anew", () =>
    Effect.gen(function* () {
      const { run } = yield* fixture
      const runs = [0, 0, 29_999, 0, 30_000, 0]
      const starts: Array<number> = []
      const loop = Effect.gen(function* () {
        starts.push(yield* Clock.currentTimeMillis)
        yield* Effect.sleep(runs[starts.length - 1] ?? 0)
        return yield* Effect.fail("refused")
      })
      yield* run(supervise("test.loop", loop, { restart: Schedule.exponential("1 second") }))
      yield* TestClock.adjust("90 seconds")
      const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0) - (runs[index] ?? 0))
      assert.deepStrictEqual(gaps.slice(0, 6), [1000, 2000, 4000, 8000, 1000, 2000])
    })
  )

  it.effect("when the schedule ends, the loop stays down and that is said", () =>
    Effect.gen(function* () {
      const { line, run, silent } = yield* fixture
      const { loop, starts } = yield* loopOf(Effect.fail("refused"))
      const fiber = yield* run(
        supervise("test.loop", loop, { restart: Schedule.upTo(Schedule.spaced(10), { times: 2 }) })
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(starts, [0, 10, 20])
      yield* line
      yield* line
      assert.match((yield* line).text, /not started again/)
      yield* silent
    })
  )

  it.effect("what the loop logs itself bears its name", () =>
    Effect.gen(function* () {
      const { line, run } = yield* fixture
      yield* run(supervise("test.loop", Effect.andThen(Effect.logInfo("hello"), Effect.never)))
      assert.deepStrictEqual(yield* line, { level: "Info", text: "hello", cause: undefined, loop: "test.loop" })
    })
  )
})

describe("superviseInto", () => {
  it.effect.each(ends)("a loop that %s fails the deferred, once, and is logged", ([, body, , , cause]) =>
    Effect.gen(function* () {
      const { line, run, silent } = yield* fixture
      const { loop, starts } = yield* loopOf(body)
      const deferred = yield* Deferred.make<never, unknown>()
      yield* run(superviseInto("test.loop", loop, deferred))
      const exit = yield* Effect.exit(Deferred.await(deferred))
      if (Exit.isSuccess(exit)) return assert.fail("it cannot succeed")
      assert.isFalse(Exit.hasInterrupts(exit), "nobody takes it for their own interruption")
      const reason = String(Cause.squash(exit.cause))
      assert.match(
        reason,
        String(cause) === "/./" || String(cause) === "/undefined/" ? /background loop "test.loop"/ : cause
      )
      const { level, loop: name } = yield* line
      assert.deepStrictEqual([level, name], ["Error", "test.loop"])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(starts, [0])
      yield* silent
      return undefined
    })
  )

  it.effect("closing the scope leaves the deferred alone", () =>
    Effect.gen(function* () {
      const { run, scope, silent } = yield* fixture
      const deferred = yield* Deferred.make<never, never>()
      yield* run(superviseInto("test.loop", Effect.never, deferred))
      yield* TestClock.adjust(1)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(yield* Deferred.isDone(deferred))
      yield* silent
    })
  )
})
