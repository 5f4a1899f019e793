/** Time in tests: moves it, and waits without it. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as TestClock from "effect/testing/TestClock"
import { Recorder } from "./Recorder.ts"

/** So many turns of the event loop without a command, a push, or a handler that starts or ends: nothing happens any more. */
const quietTurns = 16

/** Something that goes on for ever, at one moment, is not waited for. */
const mostTurns = 1000

/** Lets everything run that can run at this moment; waits for nothing outside of the program. */
export const settle: Effect.Effect<void> = Effect.gen(function* () {
  const recording = yield* Effect.serviceOption(Recorder)
  let quiet = 0
  let seen = -1
  for (let turn = 0; turn < mostTurns && quiet < quietTurns; turn++) {
    yield* Effect.yieldNow
    const activity = Option.isSome(recording) ? recording.value.activity() : 0
    if (activity === seen) quiet++
    else quiet = 0
    seen = activity
  }
})

/** Fails a test that has no `TestClock` with a sentence instead of a `TypeError`. */
export const testClock = (what: string): Effect.Effect<TestClock.TestClock> =>
  Effect.flatMap(Clock.Clock, (clock) =>
    isTestClock(clock)
      ? Effect.succeed(clock)
      : Effect.die(
          new Error(
            `${what} moves the TestClock, and this program runs on the live clock: use it.effect, or TestClock.layer()`
          )
        )
  )

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "adjust" in clock && "setTime" in clock

export const advance = (duration: Duration.Input): Effect.Effect<void> =>
  Effect.gen(function* () {
    const clock = yield* testClock("advance")
    // what was sent before is on its way before the time moves
    yield* settle
    yield* clock.adjust(duration)
    yield* settle
  })

export const advanceTo = (time: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => advance(Duration.millis(Math.max(0, time - now))))
