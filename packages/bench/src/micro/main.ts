/**
 * What each step of the hot path takes, so that a regression is found where it is.
 *
 * Run: `npm run bench -- micro [rounds]`
 */
import { Clock, Console, Effect, Logger } from "effect"
import { summary } from "../statistics.ts"
import { make } from "./steps.ts"

/** Of each step in a round: enough for a millisecond or more. */
const repetitions = 20_000

const nanos = Effect.map(Clock.monotonicTimeNanos, Number)

export const main = Effect.fn("micro")(
  function* (rounds = 15) {
    const steps = yield* make
    const times = new Map(steps.map((step) => [step, new Array<number>()]))
    // in turns; the first rounds are for the compiler
    for (let round = -3; round < rounds; round++) {
      for (const [step, measured] of times) {
        const start = yield* nanos
        const right = yield* step.times(repetitions)
        const each = ((yield* nanos) - start) / repetitions
        if (right !== repetitions) return yield* Effect.die(new Error(`"${step.name}" went wrong`))
        if (round >= 0) measured.push(each)
      }
    }
    yield* Console.log(`nanoseconds, medians of ${rounds} interleaved rounds of ${repetitions}, with the middle half`)
    for (const [{ name }, measured] of times) {
      const { lower, median, upper } = summary(measured)
      yield* Console.log(
        `${name.padEnd(44)}${median.toFixed(0).padStart(7)}   (${lower.toFixed(0)}–${upper.toFixed(0)})`
      )
    }
  },
  Effect.scoped,
  Effect.provide(Logger.layer([]))
)
