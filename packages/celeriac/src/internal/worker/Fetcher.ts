/**
 * Claims messages: from queues that may have some, in strict order or by weight, while there is room.
 *
 * A queue is left alone after a claim that came back short, until the broker wakes this worker, a scheduled message falls
 * due, or the time for a look by itself has come: the more workers are idle, the more rarely each looks.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { Semaphore } from "effect/Semaphore"
import type { BrokerError, Claim, Consumer } from "../../Broker.ts"
import type { Settings } from "./options.ts"
import type { Runs } from "./Runs.ts"

const largestClaim = 200

/** After a failed claim, milliseconds. */
const pause = 250

interface Source {
  readonly name: string
  readonly weight: number
  /** Grows with what was claimed, more slowly for a heavier queue: the least comes next. */
  turn: number
  /** Claim at this time, milliseconds since 1970; 0 = it may have messages. */
  nextAt: number
}

export interface Fetcher {
  readonly loop: Effect.Effect<never, BrokerError>
  /** The queue has work, or may have: all of them without a name. */
  readonly wake: (queue?: string) => void
}

export const make = (options: {
  readonly consumer: Consumer
  readonly runs: Runs
  readonly settings: Settings
  /** Held by whoever claims or reconciles: a claim in flight would look like a difference. */
  readonly exclusive: Semaphore
  /** Open while the consumer is registered and its lease good. */
  readonly registered: Latch.Latch
  readonly onDoubt: () => void
}): Fetcher => {
  const { consumer, exclusive, onDoubt, registered, runs, settings } = options
  const sources: ReadonlyArray<Source> = settings.queues.map((queue) => ({ ...queue, turn: 0, nextAt: 0 }))
  const woken = Latch.makeUnsafe(true)

  const wake = (queue?: string): void => {
    for (const source of sources) if (queue === undefined || source.name === queue) source.nextAt = 0
    woken.openUnsafe()
  }

  /** The queue to claim from now; strict: the first that may have messages. */
  const next = (now: number): Source | undefined => {
    let found: Source | undefined
    for (const source of sources) {
      if (source.nextAt > now) continue
      if (settings.strict) return source
      if (found === undefined || source.turn < found.turn) found = source
    }
    return found
  }

  const claim = (source: Source, count: number, alone: boolean) =>
    exclusive.withPermit(
      Effect.map(
        consumer.claim({ queue: source.name, count, bytes: runs.roomBytes(), ...(alone && { alone: true }) }),
        (claim) => {
          runs.accept(claim.deliveries)
          return claim
        }
      )
    )

  const afterClaim = Effect.fnUntraced(function* (source: Source, asked: number, claim: Claim) {
    const given = claim.deliveries.length
    source.turn += given / source.weight
    if (given >= asked) return
    const now = yield* Clock.currentTimeMillis
    // whole: with fractions of a millisecond, a due time would be missed by the rounding of their sum
    const look = (yield* Random.nextIntBetween(500, 1500)) * Math.max(1, claim.idle)
    source.nextAt = now + Math.max(1, Math.min(look, claim.dueIn ?? look))
  })

  /** A message that crashed its workers: let what runs here end, then run it alone, so that it takes nobody with it. */
  const runAlone = Effect.fnUntraced(function* (source: Source) {
    // not for ever: long tasks must not keep it waiting without end
    yield* Effect.timeoutOption(runs.empty.await, settings.lease)
    const { deliveries } = yield* claim(source, 1, true)
    if (deliveries.length > 0) yield* runs.empty.await
  })

  const step = Effect.gen(function* () {
    yield* registered.await
    yield* runs.roomy.await
    const now = yield* Clock.currentTimeMillis
    const source = next(now)
    if (source === undefined) {
      const soonest = Math.min(...sources.map(({ nextAt }) => nextAt))
      yield* Effect.timeoutOption(woken.await, Math.max(1, soonest - now))
      woken.closeUnsafe()
      return
    }
    const count = Math.min(runs.room(), largestClaim)
    if (count <= 0) return yield* Effect.yieldNow
    // a wake that comes while the claim is under way must not be lost
    source.nextAt = Infinity
    const claimed = yield* claim(source, count, false).pipe(
      Effect.tapError(() =>
        Effect.sync(() => {
          source.nextAt = 0
          onDoubt()
        })
      )
    )
    if (source.nextAt === Infinity) yield* afterClaim(source, count, claimed)
    if (source.nextAt === Infinity) source.nextAt = 0
    if (claimed.suspect) yield* runAlone(source)
    yield* Effect.yieldNow
  })

  return { loop: Effect.forever(Effect.catch(step, () => Effect.sleep(pause))), wake }
}
