/**
 * The graceful stop: no new starts, then the running ones have the drain limit to end, then they are interrupted and have
 * the grace. What the broker does not confirm in time comes back when the consumer is closed, or by its lease: as after a
 * crash, for it may have run.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Settings } from "./options.ts"
import type { Runs } from "./Runs.ts"
import type { Settler } from "./Settler.ts"
import { counted, spanOf } from "./words.ts"

/** Least time for the broker to confirm the last ends, milliseconds. */
const settleLimit = 1000

/** Takes no longer than the drain limit, the grace and the `settleLimit` together. */
export const drain = Effect.fnUntraced(function* (options: {
  readonly runs: Runs
  readonly settler: Settler
  readonly settings: Pick<Settings, "name" | "drainLimit" | "grace">
}) {
  const { runs, settler, settings } = options
  const { drainLimit, grace, name } = settings
  const startedAt = yield* Clock.monotonicTimeNanos
  runs.close()
  const { running } = runs.tally()
  if (running > 0) {
    yield* Effect.logInfo(`worker ${name} stops, and waits up to ${spanOf(drainLimit)} for ${counted(running, "run")}`)
  }
  const ended = yield* Effect.timeoutOption(runs.quiet.await, drainLimit)
  if (Option.isSome(ended)) {
    // a broker that is away has the rest of the drain limit to come back
    const gone = Number((yield* Clock.monotonicTimeNanos) - startedAt) / 1e6
    yield* Effect.timeoutOption(runs.empty.await, Math.max(settleLimit, drainLimit - gone))
  } else {
    const late = runs.tally().running
    yield* Effect.logWarning(
      `${counted(late, "run")} did not end within ${spanOf(drainLimit)}: interrupted, to be given back`
    )
    runs.releaseRunning()
    yield* Effect.timeoutOption(runs.empty.await, grace + settleLimit)
  }
  const { abandoned, running: left, settling } = runs.tally()
  yield* settler.giveUp
  const remarks = [
    ...(settling === 0
      ? []
      : [
          `the broker did not confirm the end or the return of ${counted(settling, "message")}: those of which it has not heard run again, as after a crash`
        ]),
    ...(abandoned + left === 0 ? [] : [`${counted(abandoned + left, "abandoned run")} may still go on in this process`])
  ]
  yield* remarks.length === 0
    ? Effect.logInfo(`worker ${name} has stopped`)
    : Effect.logWarning(`worker ${name} has stopped; ${remarks.join("; ")}`)
})
