/**
 * Claims messages: from queues that may have some, in strict order or by weight, while there is room.
 *
 * A queue is left alone after a claim that came back short, until the broker wakes this worker, a scheduled message falls
 * due, or the time for a look by itself has come, which repairs what a lost push has left behind. The more workers are idle
 * and the more queues it has, the more rarely each looks: all together once in one to two seconds. A worker that is woken
 * while it is full passes the wake on.
 */
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { Semaphore } from "effect/Semaphore"
import type { BrokerError, Claim, Consumer } from "../../Broker.ts"
import { monotonic } from "../monotonic.ts"
import type { Settings } from "./options.ts"
import type { Runs } from "./Runs.ts"

/** Of one claim: messages, and characters of their wire forms. A server does nothing else while it copies them. */
const largestClaim = 200
const largestReply = 1_048_576

/** After a failed claim, and while a suspect is left to others; milliseconds. */
const pause = 250

/** So long claims may fail before somebody is told; milliseconds. */
const complainAfter = 10_000

/** How many leases a suspect has its worker for itself, if it runs so long. */
const aloneFor = 10

interface Source {
  readonly name: string
  readonly weight: number
  /** Grows with what was claimed, more slowly for a heavier queue: the least comes next. */
  turn: number
  /** The last claim took all that it asked for. */
  more: boolean
  /** Somebody said that there is work; cleared before a claim, so that a wake during it is not lost. */
  woken: boolean
  /** Time to look, milliseconds of the monotonic clock: a message falls due, or nobody has said anything for long. */
  lookAt: number
  /** It has waited in vain for its runs to end, and left a suspect to others: the next wait is the last one. */
  hasPassed: boolean
  /** Until then a suspect is left to others at once; the same clock. */
  declinesUntil: number
  /** Since then each claim has failed; the same clock. */
  failingSince: number | undefined
  /** That was told. */
  told: boolean
}

export interface Fetcher {
  readonly loop: Effect.Effect<never>
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
  /** Opened when there is something to do: by `wake`, and when there is room. */
  readonly stirred: Latch.Latch
  readonly onDoubt: () => void
}): Fetcher => {
  const { consumer, exclusive, onDoubt, registered, runs, settings, stirred } = options
  const sources: ReadonlyArray<Source> = settings.queues.map((queue) => ({
    ...queue,
    turn: 0,
    more: false,
    woken: true,
    lookAt: -Infinity,
    hasPassed: false,
    declinesUntil: -Infinity,
    failingSince: undefined,
    told: false
  }))

  /** The turn of the queue that was served last. */
  let served = 0

  const wake = (queue?: string): void => {
    for (const source of sources) if (queue === undefined || source.name === queue) source.woken = true
    stirred.openUnsafe()
  }

  /** The queue to claim from; in strict order the first that may have messages. A full worker only passes news on. */
  const next = (now: number, full: boolean): Source | undefined => {
    let found: Source | undefined
    for (const source of sources) {
      if (!(source.woken || source.lookAt <= now || (source.more && !full))) continue
      if (settings.strict) return source
      if (found === undefined || source.turn < found.turn) found = source
    }
    return found
  }

  const claim = (source: Source, count: number, bytes: number, alone: boolean): Effect.Effect<Claim, BrokerError> =>
    exclusive.withPermit(
      Effect.map(consumer.claim({ queue: source.name, count, bytes, ...(alone && { alone: true }) }), (claim) => {
        runs.hold(claim.deliveries)
        // a worker that has given up its lease starts nothing until it is registered again
        if (alone && registered.isOpen()) runs.pump()
        return claim
      })
    )

  const claimFrom = Effect.fnUntraced(function* (source: Source, count: number) {
    source.woken = false
    const bytes = Math.min(runs.roomBytes(), largestReply)
    const claimed = yield* claim(source, count, bytes, false)
    source.failingSince = undefined
    source.told = false
    const given = claimed.deliveries.length
    if (given > 0) {
      // a queue that was empty has no claim to what it missed
      if (!source.more) source.turn = Math.max(source.turn, served)
      served = source.turn
      source.turn += given / source.weight
    }
    source.more = given >= count || claimed.deliveries.reduce((sum, { wire }) => sum + wire.length, 0) >= bytes
    const now = yield* monotonic
    const patience = claimed.lookIn ?? (1000 + (yield* Random.next) * 1000) * sources.length * Math.max(1, claimed.idle)
    // whole milliseconds: a clock that is read with other fractions than it sleeps would be a hair too early, again and again
    source.lookAt = now + Math.ceil(Math.min(patience, claimed.dueIn ?? Infinity))
    if (claimed.suspect) {
      runs.pump()
      yield* claimAlone(source)
    }
  })

  /** Nothing is held any more. Looked at twice: what was lost and claimed again comes when its first run has gone. */
  const emptied = Effect.whileLoop({
    while: () => !runs.empty.isOpen(),
    body: () => Effect.andThen(runs.empty.await, Effect.yieldNow),
    step: () => {}
  })

  /**
   * A message that crashed its workers is run alone, so that it takes nobody with it: what runs here ends first, and nothing
   * is claimed beside it. But nobody may wait for ever, so both have a limit.
   *
   * - **Before.** When a lease has gone by and something still runs, the duty passes to another worker, which may be empty
   *   sooner. When it comes back and the second wait is in vain as well, runs without an end are in the way, here and
   *   perhaps everywhere, and the message is claimed beside them: rather a run that may be cut off than one that never comes.
   * - **After.** It has this worker for itself for `aloneFor` leases. What kills its worker does so sooner, as a rule; what
   *   lives longer is more likely a bystander, which must not keep a whole worker from all others.
   */
  const claimAlone = Effect.fnUntraced(function* (source: Source) {
    const { lease } = settings
    if (!runs.empty.isOpen() && (yield* monotonic) < source.declinesUntil) {
      yield* claim(source, 0, 1, true)
      // told of a suspect, it does not count as idle, so nobody wakes it
      source.lookAt = Math.min(source.lookAt, (yield* monotonic) + pause)
      return
    }
    const isEmpty = Option.isSome(yield* Effect.timeoutOption(emptied, lease))
    if (!isEmpty && !source.hasPassed) {
      yield* claim(source, 0, 1, true)
      source.hasPassed = true
      source.declinesUntil = (yield* monotonic) + lease
    } else {
      const { deliveries } = yield* claim(source, 1, runs.roomBytes(), true)
      source.hasPassed = false
      if (isEmpty && deliveries.length > 0 && registered.isOpen()) {
        yield* Effect.timeoutOption(emptied, aloneFor * lease)
      }
    }
    source.woken = true
  })

  const start = Effect.sync(() => runs.pump())

  /** A server that is away is told elsewhere; but one that renews the lease and gives nothing would never be noticed. */
  const complain = Effect.fnUntraced(function* (source: Source, { message }: BrokerError) {
    const now = yield* monotonic
    source.failingSince ??= now
    if (source.told || now - source.failingSince < complainAfter || !registered.isOpen()) return
    source.told = true
    yield* Effect.logError(`nothing can be claimed from queue "${source.name}": ${message}`)
  })

  const step = Effect.gen(function* () {
    yield* registered.await
    stirred.closeUnsafe()
    const now = yield* monotonic
    const count = Math.min(runs.room(), largestClaim)
    const source = next(now, count <= 0)
    if (source !== undefined) {
      const claiming = Effect.tapError(claimFrom(source, Math.max(0, count)), (error) => {
        source.woken = true
        onDoubt()
        return complain(source, error)
      })
      // what came last is started while the next claim is under way
      yield* Effect.all([claiming, start], { concurrency: "unbounded", discard: true })
      // long backlogs of handlers that never wait must let timers and sockets have their turn
      return yield* Effect.yieldNow
    }
    yield* start
    const soonest = Math.min(...sources.map(({ lookAt }) => lookAt))
    yield* Effect.timeoutOption(stirred.await, soonest - now)
  })

  return { loop: Effect.forever(Effect.catch(step, () => Effect.sleep(pause))), wake }
}
