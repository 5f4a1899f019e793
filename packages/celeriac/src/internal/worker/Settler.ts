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
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import type { Broker, Consumer, SettleReply, Settlement } from "../../Broker.ts"
import type { Message } from "../../Message.ts"
import type { Note, ResultBackend } from "../../ResultBackend.ts"
import * as Coalescer from "../Coalescer.ts"
import { tombstoneOf } from "../endings.ts"
import { counted } from "./words.ts"

const batchSize = 200

const again = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

/** Until a settle is tried again that failed with a defect of the driver: twice as long each time. Milliseconds. */
const [firstPause, longestPause] = [1000, 60_000]

/** `message`: `undefined` when it could not be read. */
export interface Ending extends Settlement {
  readonly message: Message | undefined
}

export interface Settler {
  /** The callback gets `refused` when the message belongs to somebody else by now, or the worker stops without an answer. */
  readonly settle: (ending: Ending, onReply: (reply: SettleReply) => void) => void
  /** Waits until everything is settled. */
  readonly idle: Effect.Effect<void>
  /** Stops waiting for a broker that does not answer: what is not settled comes back, as after a crash. */
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
  const recordsFirst = (settlements: ReadonlyArray<Ending>): Effect.Effect<ReadonlyArray<SettleReply>> => {
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
  /** One of them may be the reason for a defect of the driver, and must not hold up the others: then each goes alone. */
  const sendEach = (endings: ReadonlyArray<Ending>): Effect.Effect<ReadonlyArray<SettleReply | "stuck">> =>
    Effect.catchDefect(send(endings), (defect) =>
      Effect.andThen(
        Effect.logError(
          `a defect of the driver, the ends of ${counted(endings.length, "message")} could not be told: each is tried again alone`,
          defect
        ),
        Effect.forEach(endings, (ending) =>
          send([ending]).pipe(
            Effect.map(([reply]): SettleReply => reply ?? "refused"),
            Effect.catchDefect(() => Effect.succeed("stuck" as const))
          )
        )
      )
    )
  const coalescer = yield* Coalescer.make({
    maxBatch: batchSize,
    maxInFlight: 2,
    run: (endings: ReadonlyArray<Ending>) =>
      Effect.raceFirst(sendEach(endings), Effect.as(Deferred.await(gaveUp), refused(endings)))
  })
  const fork = yield* FiberSet.makeRuntime<never>()

  const submit = (ending: Ending, onReply: (reply: SettleReply) => void, pause: number): void =>
    coalescer.submitUnsafe(ending, (exit) => {
      const reply = Exit.isSuccess(exit) ? exit.value : "refused"
      if (reply !== "stuck") return onReply(reply)
      const later = Effect.sync(() => submit(ending, onReply, Math.min(2 * pause, longestPause)))
      fork(Effect.delay(later, pause))
    })

  return {
    settle: (ending, onReply) => submit(ending, onReply, firstPause),
    idle: coalescer.awaitIdle,
    giveUp: Effect.asVoid(Deferred.succeed(gaveUp, undefined))
  } satisfies Settler
})

const refused = (settlements: ReadonlyArray<Settlement>): ReadonlyArray<SettleReply> => settlements.map(() => "refused")

/** The broker keeps a tombstone, by which it knows the id of a message that ended. */
const withoutRecord = (settlement: Ending, dedupeWindow: number): Settlement => {
  const { disposition } = settlement
  if (disposition._tag === "Reschedule") return { ...settlement, disposition: { ...disposition, note: undefined } }
  if (disposition.record === undefined) return settlement
  const record = tombstoneOf(settlement.delivery.id, settlement.message, disposition.record, dedupeWindow)
  return { ...settlement, disposition: { ...disposition, record } }
}
