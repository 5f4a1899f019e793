import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Whole milliseconds of the clock that nobody sets: for spans within this process. */
export const monotonic: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) =>
  Number(nanos / 1_000_000n)
)
