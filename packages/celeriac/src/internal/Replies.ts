/**
 * Finds out what became of messages: all waiting handles of a program share one subscription, one place in each record's
 * list of watchers, and one fallback look.
 *
 * A push says only that something changed; the state is read again from the result backend and, if that does not know, the
 * broker: in batches. Lost connections are waited out.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Address, Broker, type Kept, type Meant, type Whereabouts, type Written } from "../Broker.ts"
import type { Change } from "../Client.ts"
import { Defaults } from "../Defaults.ts"
import * as Message from "../Message.ts"
import { Notifier } from "../Notifier.ts"
import { type Interest, replyChannel, ResultBackend, type Stored } from "../ResultBackend.ts"
import { ResultGone } from "../TaskEnded.ts"
import * as TaskId from "../TaskId.ts"
import * as TaskRecord from "../TaskRecord.ts"
import * as Coalescer from "./Coalescer.ts"
import { encodeReason } from "./codecs.ts"
import { later, messageOf, type Policies, recordWithoutRun, tombstoneOf } from "./endings.ts"
import { supervise } from "./supervise.ts"

/** How often open waits are looked at without a push. */
const lookEvery = Duration.seconds(5)

/** How often a followed message is looked at without a push. */
const followEvery = Duration.seconds(1)

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])

interface Revoking {
  readonly waitingOnly: boolean
  readonly policies?: Policies | undefined
}

/** Somebody waits for news of one message. */
interface Watcher {
  news: Deferred.Deferred<void>
  /** The message has ended: the result backend has forgotten who watched it. */
  ended: boolean
}

/** What is known of a message at one moment. */
interface View {
  readonly stored: Stored
  /** `undefined`: no queue holds it. */
  readonly where: Whereabouts | undefined
}

export const make = Effect.gen(function* () {
  const broker = yield* Broker
  const results = yield* ResultBackend
  const notifier = yield* Notifier
  const defaults = yield* Defaults
  const scope = yield* Scope
  const client = yield* TaskId.make
  const together = broker.location === results.location

  const watchers = new Map<string, Set<Watcher>>()
  const watched = Latch.makeUnsafe(false)

  const tell = (key: string): void => {
    for (const watcher of watchers.get(key) ?? []) Deferred.doneUnsafe(watcher.news, Effect.void)
  }
  const tellAll = Effect.sync(() => watchers.forEach((_, key) => tell(key)))

  const subscribed = yield* Effect.cached(
    Effect.gen(function* () {
      yield* notifier.subscribe(replyChannel(client), {
        onMessage: tell,
        onReset: () => watchers.forEach((_, key) => tell(key))
      })
      yield* supervise("client.look", Effect.forever(Effect.andThen(watched.await, Effect.delay(tellAll, lookEvery))))
    }).pipe(Effect.provideService(Scope, scope))
  )

  const closed = Deferred.makeUnsafe<never>()
  /** Waits out a store that is away, until the client closes. */
  const persistent = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A> =>
    effect.pipe(Effect.retry(again), Effect.orDie, Effect.raceFirst(Deferred.await(closed)))

  const reader = (interest: Interest) =>
    Coalescer.make({
      maxBatch: 1000,
      maxInFlight: 2,
      run: (addresses: ReadonlyArray<Address>) => persistent(results.watch(client, addresses, interest))
    })
  const readers = { end: yield* reader("end"), changes: yield* reader("changes") }
  const places = yield* Coalescer.make({
    maxBatch: 1000,
    maxInFlight: 2,
    run: (addresses: ReadonlyArray<Address>) => persistent(broker.locate(addresses))
  })
  /** Who stops waiting before the end takes its name off the list, or lists of ids that never end would grow for ever. */
  const leaving = yield* Coalescer.make({
    maxBatch: 1000,
    maxInFlight: 1,
    run: (addresses: ReadonlyArray<Address>) => {
      const left = addresses.filter((address) => !watchers.has(keyOf(address)))
      return Effect.as(
        Effect.raceFirst(Effect.ignore(results.unwatch(client, left)), Deferred.await(closed)),
        addresses
      )
    }
  })
  // before the readers close: they wait for what they are reading, and the store may be away for long. Of a message that
  // somebody waits for it is not known how it will end, so that no ending would be true: who waits is interrupted
  yield* Effect.addFinalizer(() => Effect.andThen(Deferred.interrupt(closed), tellAll))

  const watcherOf = (address: Address) =>
    Effect.andThen(
      subscribed,
      Effect.acquireRelease(
        Effect.sync(() => {
          const key = keyOf(address)
          const watcher: Watcher = { news: Deferred.makeUnsafe(), ended: false }
          const others = watchers.get(key)
          if (others === undefined) watchers.set(key, new Set([watcher]))
          else others.add(watcher)
          watched.openUnsafe()
          return watcher
        }),
        (watcher) =>
          Effect.sync(() => {
            const key = keyOf(address)
            const others = watchers.get(key)
            others?.delete(watcher)
            if (others?.size === 0) {
              watchers.delete(key)
              if (!watcher.ended) leaving.submitUnsafe(address, () => {})
            }
            if (watchers.size === 0) watched.closeUnsafe()
          })
      )
    )

  /** To be awaited after the next look: what is told from now on, it may not have seen. */
  const expectNews = (watcher: Watcher): Effect.Effect<void> =>
    Effect.suspend(() => {
      // nobody would tell any more
      if (Deferred.isDoneUnsafe(closed)) return Deferred.await(closed)
      watcher.news = Deferred.makeUnsafe()
      return Effect.void
    })

  const read = (address: Address) => Effect.map(persistent(results.read([address])), ([stored]) => stored!)

  const commit = (address: Address, record: Written) =>
    Effect.map(persistent(results.commit([{ ...address, ...record }])), ([reply]) => reply === "committed")

  /**
   * The broker alone knows of the end: on two stores, somebody ended the message from outside and did not get to write the
   * record. It is written before anybody goes by it, for nobody may write another one then. See `endings`.
   */
  const madeUpFor = Effect.fnUntraced(function* (address: Address, { record, ttl }: Kept) {
    // a tombstone only says that there was a record
    if (!TaskRecord.isTombstone(record)) yield* commit(address, { value: record, ttl })
    const stored = yield* read(address)
    return stored.record === undefined ? { ...stored, record } : stored
  })

  /** Registers for news, then looks. A message that moved from the queue to the records between two reads is read again. */
  const look = Effect.fnUntraced(function* (address: Address, interest: Interest, needsPlace: boolean) {
    const stored = yield* readers[interest].submit(address)
    if (stored.record !== undefined) return { stored, where: undefined, live: false }
    // it was looked at in the same step
    if (stored.live === false || (stored.live === true && !needsPlace)) {
      return { stored, where: undefined, live: stored.live }
    }
    const where = yield* places.submit(address)
    if (where?.place === "ended") return { stored: yield* madeUpFor(address, where), where: undefined, live: false }
    if (where !== undefined) return { stored, where, live: true }
    return { stored: yield* readers[interest].submit(address), where: undefined, live: false }
  })

  /** What is stored, and where the message is if that says nothing of an end. */
  const find = Effect.fnUntraced(function* (address: Address) {
    const stored = yield* read(address)
    if (stored.record !== undefined || stored.live === false) return { stored, where: undefined }
    const where = yield* places.submit(address)
    // it may have ended between the two reads
    if (where === undefined) return { stored: yield* read(address), where }
    if (where.place === "ended") return { stored: yield* madeUpFor(address, where), where: undefined }
    return { stored, where }
  })

  const poll = (address: Address) =>
    // where records live with the messages, nobody else knows of an end
    together ? Effect.map(read(address), recordOf) : Effect.map(find(address), ({ stored }) => recordOf(stored))

  const awaitRecord = Effect.fnUntraced(function* (address: Address) {
    const watcher = yield* watcherOf(address)
    while (true) {
      yield* expectNews(watcher)
      const { live, stored } = yield* look(address, "end", false)
      watcher.ended = stored.record !== undefined
      if (!live) return recordOf(stored)
      yield* Deferred.await(watcher.news)
    }
  }, Effect.scoped)

  const state = (address: Address) =>
    Effect.map(find(address), ({ stored, where }) => (where === undefined ? recordOf(stored)?.state : stateOf(where)))

  const changes = (address: Address): Stream.Stream<Change> =>
    Stream.unwrap(
      Effect.map(watcherOf(address), (watcher) =>
        Stream.paginate(
          unseen,
          Effect.fnUntraced(function* (seen: Seen) {
            while (true) {
              yield* expectNews(watcher)
              const view = yield* look(address, "changes", true)
              const [fresh, now] = difference(seen, view)
              watcher.ended = view.stored.record !== undefined
              if (!view.live) return [fresh, Option.none<Seen>()] as const
              if (fresh.length > 0) return [fresh, Option.some(now)] as const
              yield* Effect.timeoutOption(Deferred.await(watcher.news), followEvery)
            }
          })
        )
      )
    )

  const revoke = Effect.fnUntraced(function* (address: Address, { policies, waitingOnly }: Revoking) {
    const where = yield* places.submit(address)
    // also by an earlier call, or one whose reply was lost
    const isRevoked = Effect.map(poll(address), (found) => found?.state === "revoked")
    if (where === undefined || where.place === "ended") return yield* isRevoked
    if (waitingOnly && where.place === "active") return false
    const endedAt = yield* Clock.currentTimeMillis
    const message = messageOf(where)
    const record = recordWithoutRun("Revoked", message, policies, endedAt, defaults)
    const end = (record: Written, meant: Meant) => persistent(broker.end([{ ...address, record }], meant))
    if (together) {
      const [reply] = yield* end(record, waitingOnly ? "waiting" : "any")
      return reply === "ended" || (reply === "absent" && (yield* isRevoked))
    }
    // on two stores, see `endings`
    if (waitingOnly) {
      // its worker has written it and died: what follows comes with the next delivery
      if ((yield* poll(address)) !== undefined) return yield* isRevoked
      const [reply] = yield* end(record, "waiting")
      if (reply === "spared") return false
      const left = later(record, (yield* Clock.currentTimeMillis) - endedAt)
      if (reply === "ended" && left !== undefined && (yield* commit(address, left))) return true
      return yield* isRevoked
    }
    if (!(yield* commit(address, record)) && !(yield* isRevoked)) return false
    yield* end(tombstoneOf(address.id, message, record, Duration.toMillis(defaults.dedupeWindow)), "any")
    return true
  })

  const forget = Effect.fnUntraced(function* (address: Address) {
    const record = yield* poll(address)
    if (record === undefined) return
    const now = yield* Clock.currentTimeMillis
    const ttl = record.endedAt + Duration.toMillis(defaults.dedupeWindow) - now
    const value = TaskRecord.encode({ ...record, ending: { _tag: "Gone" } })
    const tombstone = ttl > 0 ? { value, ttl } : undefined
    yield* persistent(results.forget([address], tombstone))
    // by its own tombstone the broker refuses the id as long as the record was to live
    if (!together) yield* persistent(broker.forget([address], tombstone))
  })

  return { await: awaitRecord, poll, state, changes, revoke, forget }
})

/** As the push on `replyChannel` names it. */
const keyOf = ({ id, queue }: Address): string => JSON.stringify([id, queue])

const recordOf = ({ record }: Stored): TaskRecord.TaskRecord | undefined =>
  record === undefined
    ? undefined
    : Result.getOrElse(TaskRecord.decode(record), (detail): TaskRecord.TaskRecord => ({
        state: TaskRecord.stateOf(record) ?? "failed",
        endedAt: 0,
        attempts: 0,
        ending: { _tag: "Reason", reason: encodeReason(new ResultGone({ detail })) }
      }))

const stateOf = ({ id, place, queue, wire }: Whereabouts): TaskRecord.State => {
  if (place !== "scheduled") return place
  const message = Result.getOrUndefined(Message.decode({ id, queue }, wire))
  return (message?.attempts ?? 0) > 0 || (message?.snoozes ?? 0) > 0 ? "retrying" : "scheduled"
}

/** What a follower has been told. */
interface Seen {
  readonly state: TaskRecord.State | undefined
  readonly progress: string | undefined
  /** The latest attempt. */
  readonly attempt: number
}

const unseen: Seen = { state: undefined, progress: undefined, attempt: 0 }

const difference = (
  seen: Seen,
  { live, stored, where }: View & { readonly live: boolean }
): readonly [ReadonlyArray<Change>, Seen] => {
  const fresh: Array<Change> = []
  let { attempt, progress, state } = seen
  for (const value of stored.attempts) {
    const note = TaskRecord.decodeAttempt(value)
    if (note === undefined || note.attempt <= attempt) continue
    fresh.push({ _tag: "Retrying", note })
    attempt = note.attempt
  }
  if (where !== undefined && stateOf(where) !== state) {
    state = stateOf(where)
    fresh.push({ _tag: "State", state })
  }
  if (stored.progress !== undefined && stored.progress !== progress) {
    progress = stored.progress
    fresh.push({ _tag: "Progress", value: progress })
  }
  if (!live) fresh.push({ _tag: "Ended", record: recordOf(stored) })
  return [fresh, { state, progress, attempt }]
}
