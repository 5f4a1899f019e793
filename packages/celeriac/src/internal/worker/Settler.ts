/**
 * Ends deliveries: first the record, then the message, in batches that form while the previous one is under way.
 *
 * Where records live with the broker both are one step; on two stores they are two, in this order. While the broker is
 * away or full, what is to be settled waits here, and is sent again: a settle that was carried out already is refused the
 * second time, which harms nobody.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { Broker, Consumer, SettleReply, Settlement } from "../../Broker.ts"
import type { Note, ResultBackend } from "../../ResultBackend.ts"
import * as Coalescer from "../Coalescer.ts"
import { tombstoneOf } from "../endings.ts"

const batchSize = 200

const again = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

export interface Settler {
  /** The callback gets `refused` when the message belongs to somebody else by now, or the worker stops without an answer. */
  readonly settle: (settlement: Settlement, onReply: (reply: SettleReply) => void) => void
  /** Waits until everything is settled. */
  readonly idle: Effect.Effect<void>
  /** Stops waiting for a broker that does not answer: the lease gives back what is not settled. */
  readonly giveUp: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (options: {
  readonly broker: Broker["Service"]
  readonly results: ResultBackend["Service"]
  readonly consumer: Consumer
  /** How long the id of an ended message stays taken at least, milliseconds. */
  readonly dedupeWindow: number
}) {
  const { broker, consumer, dedupeWindow, results } = options
  const together = broker.location === results.location

  const settle = (settlements: ReadonlyArray<Settlement>): Effect.Effect<ReadonlyArray<SettleReply>> =>
    consumer.settle(settlements).pipe(
      Effect.retry({ schedule: again, while: (error) => error.reason._tag !== "ConsumerLost" }),
      Effect.catch(() => Effect.succeed(refused(settlements)))
    )

  /** On two stores: whoever commits first decides the record; the message is settled in any case. */
  const recordsFirst = (settlements: ReadonlyArray<Settlement>): Effect.Effect<ReadonlyArray<SettleReply>> => {
    const commits = settlements.flatMap(({ delivery: { id, queue }, disposition }) =>
      disposition._tag === "Ack" && disposition.record !== undefined ? [{ id, queue, ...disposition.record }] : []
    )
    const notes = settlements.flatMap(({ delivery: { fence, id, queue }, disposition }): ReadonlyArray<Note> =>
      disposition._tag === "Reschedule" && disposition.note !== undefined
        ? [{ id, queue, fence, consumer: consumer.id, kind: "attempt", ...disposition.note }]
        : []
    )
    return Effect.gen(function* () {
      if (commits.length > 0) yield* results.commit(commits).pipe(Effect.retry(again), Effect.orDie)
      // history is for people: it holds nothing up
      if (notes.length > 0) yield* Effect.ignore(results.note(notes))
      return yield* settle(settlements.map((settlement) => withoutRecord(settlement, dedupeWindow)))
    })
  }

  const gaveUp = yield* Deferred.make<void>()
  const send = together ? settle : recordsFirst
  const coalescer = yield* Coalescer.make({
    maxBatch: batchSize,
    maxInFlight: 2,
    run: (settlements: ReadonlyArray<Settlement>) =>
      Effect.raceFirst(send(settlements), Effect.as(Deferred.await(gaveUp), refused(settlements)))
  })

  return {
    settle: (settlement, onReply) =>
      coalescer.submitUnsafe(settlement, (exit) => onReply(Exit.isSuccess(exit) ? exit.value : "refused")),
    idle: coalescer.awaitIdle,
    giveUp: Effect.asVoid(Deferred.succeed(gaveUp, undefined))
  } satisfies Settler
})

const refused = (settlements: ReadonlyArray<Settlement>): ReadonlyArray<SettleReply> => settlements.map(() => "refused")

/** The broker keeps a tombstone, by which it knows the id of a message that ended. */
const withoutRecord = (settlement: Settlement, dedupeWindow: number): Settlement => {
  const { disposition } = settlement
  if (disposition._tag === "Reschedule") return { ...settlement, disposition: { ...disposition, note: undefined } }
  if (disposition.record === undefined) return settlement
  const record = tombstoneOf(settlement.delivery.id, disposition.record, dedupeWindow)
  return { ...settlement, disposition: { ...disposition, record } }
}
