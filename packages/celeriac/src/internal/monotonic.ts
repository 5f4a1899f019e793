import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Whole milliseconds of the clock that nobody sets: for spans within this process. */
export const monotonic: Effect.Effect<number> = Clock.clockWith((clock) => Effect.succeed(monotonicUnsafe(clock)))

export const monotonicUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
