/** The wall clock is set while the program runs: spans within a process are not measured by it. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import * as Client from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, errorOf, pass, started, within, world } from "./fixture.ts"

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
})
