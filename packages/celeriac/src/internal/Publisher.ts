/** Sends messages in batches, again when a reply was lost, until the broker has answered or the time is up. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Batch, Publication, Receipt } from "../Broker.ts"
import { Broker, BrokerError, Unavailable } from "../Broker.ts"
import { Defaults } from "../Defaults.ts"
import { BrokerFull, BrokerUnavailable, EnqueueError } from "../EnqueueError.ts"
import * as TaskId from "../TaskId.ts"
import * as Coalescer from "./Coalescer.ts"

/** Messages of one call: they stay together, and share the fate of their batch. */
interface Call {
  readonly messages: ReadonlyArray<Publication>
  readonly submittedAt: number
}

/** Most messages in one round trip. */
const batchSize = 500

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

export const make = Effect.gen(function* () {
  const broker = yield* Broker
  const { publishBuffer, publishTimeout } = yield* Defaults
  const name = yield* TaskId.make
  const timeout = Duration.toMillis(publishTimeout)
  let sequence = 0

  const send = (batch: Batch, deadline: number): Effect.Effect<ReadonlyArray<Receipt>, BrokerError> => {
    let resend = false
    let maybe = false
    return Effect.suspend(() => broker.publish({ ...batch, resend })).pipe(
      answeredBy(deadline),
      Effect.tapError((error) =>
        Effect.sync(() => {
          resend = true
          if (error.reason._tag === "Unavailable" && error.reason.accepted === "maybe") maybe = true
        })
      ),
      Effect.retry({
        schedule: again,
        while: (error) =>
          error.reason._tag === "Unavailable"
            ? Effect.map(Clock.currentTimeMillis, (now) => now < deadline)
            : Effect.succeed(false)
      }),
      // an earlier send may have been carried out even if the last one was not
      Effect.mapError((error) => (maybe ? asMaybe(error) : error))
    )
  }

  const coalescer = yield* Coalescer.make({
    maxBatch: batchSize,
    maxInFlight: 2,
    maxWaiting: publishBuffer,
    weigh: (call: Call) => call.messages.length,
    closed: () => unavailable("no", "the client was closed"),
    run: (calls: ReadonlyArray<Call>) => {
      const messages = calls.length === 1 ? calls[0]!.messages : calls.flatMap((call) => call.messages)
      const deadline = Math.min(...calls.map((call) => call.submittedAt)) + timeout
      return send({ publisher: name, sequence: ++sequence, resend: false, messages }, deadline).pipe(
        Effect.map((receipts) => {
          let at = 0
          return calls.map((call) => receipts.slice(at, (at += call.messages.length)))
        })
      )
    }
  })

  const submit = (messages: ReadonlyArray<Publication>, submittedAt: number) =>
    Effect.mapError(
      coalescer.submit({ messages, submittedAt }),
      (error) => new EnqueueError({ reason: reasonOf(error), ids: messages.map(({ id }) => id) })
    )

  const publish = Effect.fnUntraced(function* (messages: ReadonlyArray<Publication>) {
    const submittedAt = yield* Clock.currentTimeMillis
    if (messages.length <= batchSize) return messages.length === 0 ? [] : yield* submit(messages, submittedAt)
    const receipts: Array<Receipt> = []
    for (let at = 0; at < messages.length; at += batchSize) {
      const part = yield* submit(messages.slice(at, at + batchSize), submittedAt).pipe(
        Effect.mapError((error) => (at === 0 ? error : afterPart(error, messages)))
      )
      for (const receipt of part) receipts.push(receipt)
    }
    return receipts
  })

  return { publish }
})

const reasonOf = ({ reason }: BrokerError): EnqueueError["reason"] =>
  reason._tag === "Full"
    ? new BrokerFull({ detail: reason.detail })
    : reason._tag === "Unavailable"
      ? new BrokerUnavailable({ accepted: reason.accepted, detail: reason.detail })
      : new BrokerUnavailable({ accepted: "no", detail: reason.message })

/** A server that does not answer at all is away as well. Time enough for one try is left to a batch that had to wait. */
const answeredBy =
  (deadline: number) =>
  <A>(publish: Effect.Effect<A, BrokerError>): Effect.Effect<A, BrokerError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.timeoutOrElse(publish, {
        duration: Math.max(deadline - now, leastTry),
        orElse: () => Effect.fail(unavailable("maybe", "no answer in time"))
      })
    )

/** Milliseconds. */
const leastTry = 1000

/** An earlier part of the same call was accepted, so "nothing was accepted" would be wrong. */
const afterPart = (error: EnqueueError, messages: ReadonlyArray<Publication>): EnqueueError =>
  new EnqueueError({
    reason: new BrokerUnavailable({ accepted: "maybe", detail: error.message }),
    ids: messages.map(({ id }) => id)
  })

const asMaybe = (error: BrokerError): BrokerError => unavailable("maybe", error.message)

const unavailable = (accepted: "no" | "maybe", detail: string): BrokerError =>
  new BrokerError({ reason: new Unavailable({ accepted, detail }) })
