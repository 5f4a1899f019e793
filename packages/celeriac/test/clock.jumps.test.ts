/** The wall clock is set while the program runs: spans within a process are not measured by it. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import * as Client from "../src/Client.ts"
import { supervise } from "../src/internal/supervise.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { counts, enqueue, range, worker } from "./fixture.job.ts"
import { elapsed, errorOf, pass, run, started, within, world } from "./fixture.ts"

class Job extends Task.make("job") {}

const jumps = ["-1 hour", "1 hour"] as const

/** The clock of the test, whose wall clock can be set. */
const settable = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const now = () => clock.currentTimeMillisUnsafe() + offset
  const wall: Clock.Clock = Object.assign(Object.create(clock), {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now)
  })
  return { wall, jump: (by: Duration.Input) => (offset += Duration.toMillis(by)) }
})

describe.each(jumps)("by %s", (by) => {
  it.effect("an idle worker goes on looking", () =>
    world(CeleriacMemory.layer, () =>
      Effect.gen(function* () {
        const { jump, wall } = yield* settable
        let runs = 0
        const Live = Job.toLayer(() => Effect.sync(() => void runs++))
        yield* Effect.provideService(
          started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live))),
          Clock.Clock,
          wall
        )
        yield* pass("3 seconds")
        yield* Job.enqueue(undefined, { delay: "10 seconds" })
        yield* pass("2 seconds")
        jump(by)
        yield* pass("10 seconds")
        assert.strictEqual(runs, 1)
      })
    )
  )

  it.effect("publishTimeout is what it says", () =>
    world(CeleriacMemory.layer, ({ wire }) =>
      Effect.gen(function* () {
        const { jump, wall } = yield* settable
        const services = yield* Effect.provideService(Layer.build(Layer.fresh(Client.layer)), Clock.Clock, wall)
        wire.fate = () => "refused"
        const sending = yield* Effect.forkChild(
          Effect.exit(Job.enqueue().pipe(Effect.provideContext(services), Effect.provideService(Clock.Clock, wall)))
        )
        yield* pass("1 second")
        jump(by)
        const exit = yield* within("10 seconds", Fiber.join(sending))
        assert.strictEqual(errorOf(exit).reason._tag, "BrokerUnavailable")
        const ms = yield* elapsed
        assert(ms >= 5000 && ms <= 6500, `after ${ms} ms`)
      })
    )
  )

  it.effect("the hard limit after a soft one that was taken stays where it was", () =>
    world(CeleriacMemory.layer, () =>
      Effect.gen(function* () {
        const { jump, wall } = yield* settable
        const Live = Job.toLayer((_, context) =>
          Effect.andThen(Effect.ignore(context.withSoftTimeLimit(Effect.never)), Effect.never)
        )
        yield* Effect.provideService(
          started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live))),
          Clock.Clock,
          wall
        )
        const handle = yield* Job.enqueue(undefined, { softTimeLimit: "5 seconds", timeLimit: "1 minute" })
        yield* pass("2 seconds")
        jump(by)
        const error = errorOf(yield* within("2 minutes", Effect.exit(handle.await)))
        assert.deepInclude(error.reason, { _tag: "TimeLimitExceeded", limit: "hard" })
        const ms = yield* elapsed
        assert(ms >= 60_000 && ms <= 60_500, `after ${ms} ms`)
      })
    )
  )
  it.effect("quick runs before it are no reason to hold slow ones ready after it", () =>
    run(() =>
      Effect.gen(function* () {
        const { jump, wall } = yield* settable
        yield* Effect.provideService(
          worker((n) => (n < 500 ? Effect.sleep("1 millis") : Effect.never), { concurrency: 2 }),
          Clock.Clock,
          wall
        )
        yield* enqueue(range(500))
        yield* pass("100 millis", "1 millis")
        assert.isAbove((yield* counts()).active, 50, "quick ones are held ready")
        yield* pass("200 millis", "1 millis")
        assert.deepInclude(yield* counts(), { active: 0, queued: 0 })
        jump(by)
        yield* enqueue(range(100, 500))
        yield* pass("3 seconds")
        assert.deepInclude(yield* counts(), { active: 2, queued: 98 })
      })
    )
  )

  it.effect("a background loop that ran well is restarted as after a first failure, and no other is", () =>
    run(() =>
      Effect.gen(function* () {
        const { jump, wall } = yield* settable
        const runs = [0, 0, 29_999, 30_000, 0]
        const starts: Array<number> = []
        // by the clock that nobody sets
        const now = yield* Effect.map(Clock.Clock, (clock) => () => clock.currentTimeMillisUnsafe())
        const loop = Effect.gen(function* () {
          const nth = starts.push(now()) - 1
          yield* Effect.sleep(runs[nth] ?? 0)
          jump(by)
          return yield* Effect.fail("refused")
        })
        const restart = Schedule.exponential("1 second")
        yield* Effect.provideService(supervise("test.loop", loop, { restart }), Clock.Clock, wall)
        yield* TestClock.adjust("90 seconds")
        const gaps = starts.slice(1).map((start, index) => start - starts[index]! - (runs[index] ?? 0))
        assert.deepStrictEqual(gaps.slice(0, 5), [1000, 2000, 4000, 1000, 2000])
      })
    )
  )
})
