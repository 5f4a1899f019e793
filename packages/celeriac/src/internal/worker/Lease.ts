/**
 * Keeps the lease of what the worker holds, gives everything up in time when it cannot, and gives back what dead workers
 * of the same queues held.
 *
 * The lease is counted from the moment at which the last good renewal was sent: the server counts from its arrival, which
 * is later. Handlers are stopped a margin before the end, so that nobody else runs their messages at the same time.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { Semaphore } from "effect/Semaphore"
import { BrokerError, type Consumer, type Renewal, type Suspect, Unavailable } from "../../Broker.ts"
import { supervise } from "../supervise.ts"
import { recordStandstill } from "../Telemetry.ts"
import type { Runs } from "./Runs.ts"
import { counted, spanOf } from "./words.ts"

/** Between two tries when a renewal fails; shorter leases try more often. Milliseconds. */
const longestRetry = 1000

/** So that peers which saw the same worker die do not all come at once. Milliseconds. */
const spread = 200

export interface Lease {
  /** Renews now: something happened that one side may not know of. */
  readonly doubt: () => void
}

export const make = Effect.fnUntraced(function* (options: {
  readonly consumer: Consumer
  readonly runs: Runs
  /** Milliseconds. */
  readonly lease: number
  /** Held by whoever claims or reconciles. */
  readonly exclusive: Semaphore
  /** Open while the consumer is registered and its lease good. */
  readonly registered: Latch.Latch
}) {
  const { consumer, exclusive, lease, registered, runs } = options
  const every = Math.min(lease / 3, 10_000)
  const retryEvery = Math.min(longestRetry, lease / 10)
  const margin = Math.min(lease / 4, 2000)
  // whoever lives renews within this time: longer than `every`
  const watching = every + Math.min(250, lease / 8)
  let goodUntil = (yield* monotonic) + lease
  let failing = false
  const due = Latch.makeUnsafe(true)
  const suspected = new Map<string, { readonly leaseEnd: number; readonly since: number }>()
  const recoveries = yield* FiberMap.make<string>()

  const giveUp = (why: string) =>
    Effect.suspend(() => {
      if (!registered.closeUnsafe()) return Effect.void
      const held = runs.deliveries()
      runs.lose(held)
      return Effect.logWarning(`${why}; ${counted(held.length, "message")} given up, to run elsewhere`)
    })

  const reconcile = exclusive.withPermit(
    Effect.gen(function* () {
      const sentAt = yield* monotonic
      const { found, lost } = yield* consumer.reconcile(runs.deliveries())
      goodUntil = sentAt + lease
      runs.lose(lost)
      runs.accept(found)
      registered.openUnsafe()
      if (lost.length > 0)
        yield* Effect.logWarning(`${counted(lost.length, "message")} of this worker by now in the hands of others`)
      if (found.length > 0)
        yield* Effect.logInfo(`found ${counted(found.length, "claimed message")} whose reply was lost`)
    })
  )

  const renew = Effect.gen(function* () {
    const sentAt = yield* monotonic
    const renewal = yield* consumer.renew.pipe(
      Effect.timeoutOrElse({
        duration: every,
        orElse: () =>
          Effect.fail(new BrokerError({ reason: new Unavailable({ accepted: "maybe", detail: "no answer in time" }) }))
      })
    )
    goodUntil = Math.max(goodUntil, sentAt + lease)
    return renewal
  })

  const handle = Effect.fnUntraced(function* (renewal: Renewal) {
    if (failing) yield* Effect.logInfo("the broker is back")
    failing = false
    for (const address of renewal.revoked) runs.revoke(address)
    yield* watch(renewal.suspects)
    if (renewal.doubt || !registered.isOpen()) yield* reconcile
  })

  const failed = Effect.fnUntraced(function* (error: BrokerError) {
    if (error.reason._tag === "ConsumerLost") {
      yield* giveUp("the lease of this worker ended")
      return yield* reconcile
    }
    // once, not a thousand times
    if (!failing) yield* Effect.logWarning(`the lease cannot be renewed: ${error.message}`)
    failing = true
    due.openUnsafe()
    yield* Effect.sleep(retryEvery)
  })

  const keep = Effect.gen(function* () {
    yield* Effect.timeoutOption(due.await, every)
    due.closeUnsafe()
    yield* Effect.flatMap(renew, handle).pipe(Effect.catch(failed), Effect.catch(failed), Effect.ignore)
  })

  /** Fires also while a renewal is under way. */
  const guard = Effect.gen(function* () {
    yield* registered.await
    const left = goodUntil - margin - (yield* monotonic)
    if (left > 0) return yield* Effect.sleep(left)
    yield* giveUp("the lease could not be renewed in time")
    due.openUnsafe()
  })

  /** Whoever stands still cannot see it, but sees afterwards that it is late. */
  const lookBack = Effect.gen(function* () {
    const before = yield* monotonic
    yield* Effect.sleep(margin)
    const late = Math.floor((yield* monotonic) - before - margin)
    if (late <= margin) return
    yield* recordStandstill(late)
    yield* Effect.logWarning(
      `this process stood still for at least ${spanOf(late)}, with a lease of ${spanOf(lease)}: a handler blocked the event loop, or the process was stopped`
    )
  })

  /**
   * Two witnesses: the server's clock says that the lease is over, and this one saw no renewal for longer than anybody who
   * lives waits between two. All in all a dead worker is found out within its lease and a second.
   */
  const watch = Effect.fnUntraced(function* (suspects: ReadonlyArray<Suspect>) {
    const now = yield* monotonic
    const keys = new Set<string>()
    for (const suspect of suspects) {
      const key = `${suspect.queue} ${suspect.consumer}`
      keys.add(key)
      const known = suspected.get(key)
      const since = known?.leaseEnd === suspect.leaseEnd ? known.since : now
      suspected.set(key, { leaseEnd: suspect.leaseEnd, since })
      const wait = Math.max(suspect.endsIn, since + watching - now) + (yield* Random.nextIntBetween(0, spread))
      yield* FiberMap.run(recoveries, key, recover(suspect, wait), { onlyIfMissing: true })
    }
    for (const key of suspected.keys()) if (!keys.has(key)) suspected.delete(key)
  })

  const recover = Effect.fnUntraced(
    function* (suspect: Suspect, wait: number) {
      yield* Effect.sleep(wait)
      let moved = 0
      while (true) {
        const part = yield* consumer.recover(suspect)
        moved += part.moved
        if (!part.more) break
      }
      if (moved > 0) {
        yield* Effect.logWarning(
          `gave back ${counted(moved, "message")} of queue "${suspect.queue}": worker ${suspect.consumer} died`
        )
      }
    },
    // the next renewal reports it again
    Effect.catch((error) => Effect.logDebug(`recovery put off: ${error.message}`))
  )

  yield* supervise("worker.lease", Effect.forever(keep))
  yield* supervise("worker.lease.guard", Effect.forever(guard))
  yield* supervise("worker.standstill", Effect.forever(lookBack))

  return { doubt: () => void due.openUnsafe() } satisfies Lease
})

const monotonic = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
