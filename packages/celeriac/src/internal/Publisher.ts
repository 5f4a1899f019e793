/** Sends messages in batches, again when a reply was lost, until the broker has answered or the time is up. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type { Batch, Publication, Receipt } from "../Broker.ts"
import { Broker, BrokerError, Unavailable } from "../Broker.ts"
import { Defaults } from "../Defaults.ts"
import { BrokerFull, BrokerUnavailable, EnqueueError } from "../EnqueueError.ts"
import * as TaskId from "../TaskId.ts"
import * as Coalescer from "./Coalescer.ts"
import { monotonic, monotonicUnsafe } from "./monotonic.ts"

/** Messages of one call: they stay together, and share the fate of their batch. */
interface Call {
  readonly messages: ReadonlyArray<Publication>
  /** Milliseconds of the monotonic clock, as all times here. */
  readonly submittedAt: number
}

/** To one call. */
type Answer = Exit.Exit<ReadonlyArray<Receipt>, BrokerError>

/** How far the batches of one lane may get ahead of one that has no answer. */
const farthest = 8

/** Most messages in one round trip. */
const batchSize = 500

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

export const make = Effect.gen(function* () {
  const broker = yield* Broker
  const { publishBuffer, publishTimeout } = yield* Defaults
  const name = yield* TaskId.make
  const clock = yield* Clock.Clock
  const timeout = Duration.toMillis(publishTimeout)
  let sequence = 0
  /** Batches under way, and how many of them are sent again. */
  const underWay = new Set<number>()
  let resending = 0

  const send = (batch: Batch, deadline: number): Effect.Effect<ReadonlyArray<Receipt>, BrokerError> => {
    let resend = false
    let maybe = false
    return Effect.suspend(() => broker.publish({ ...batch, resend })).pipe(
      answeredBy(deadline),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (!resend) resending++
          resend = true
          if (error.reason._tag === "Unavailable" && error.reason.accepted === "maybe") maybe = true
        })
      ),
      Effect.retry({
        schedule: again,
        while: (error) =>
          error.reason._tag === "Unavailable" ? Effect.map(monotonic, (now) => now < deadline) : Effect.succeed(false)
      }),
      Effect.ensuring(
        Effect.sync(() => {
          if (resend) resending--
          underWay.delete(batch.sequence)
        })
      ),
      // an earlier send may have been carried out even if the last one was not
      Effect.mapError((error) => (maybe ? asMaybe(error) : error))
    )
  }

  const isFarAhead = (): boolean => {
    for (const number of underWay) if (sequence - number >= farthest) return true
    return false
  }

  const coalescer = yield* Coalescer.make({
    maxBatch: batchSize,
    eager: true,
    // the server remembers its last answers only: a batch that may have to be sent again must not be left far behind
    maxInFlight: () => (resending > 0 || isFarAhead() ? 1 : 2),
    maxWaiting: publishBuffer,
    weigh: (call: Call) => call.messages.length,
    closed: () => unavailable("no", "the client was closed"),
    run: (calls: ReadonlyArray<Call>) =>
      Effect.flatMap(monotonic, (now) => {
        const isInTime = ({ submittedAt }: Call) => now < submittedAt + timeout
        const inTime = calls.filter(isInTime)
        if (inTime.length === 0) return Effect.succeed(calls.map((): Answer => tooLate))
        const messages = inTime.length === 1 ? inTime[0]!.messages : inTime.flatMap((call) => call.messages)
        const deadline = Math.min(...inTime.map((call) => call.submittedAt)) + timeout
        const batch = { publisher: name, sequence: ++sequence, resend: false, messages }
        underWay.add(batch.sequence)
        return Effect.map(Effect.exit(send(batch, deadline)), (exit) => {
          let at = 0
          return calls.map((call): Answer => {
            if (!isInTime(call)) return tooLate
            if (Exit.isFailure(exit)) return exit
            const from = at
            at += call.messages.length
            const isPlain = at === from + 1 && exit.value[from] === "accepted"
            return isPlain ? accepted : Exit.succeed(exit.value.slice(from, at))
          })
        })
      })
  })

  const submit = (messages: ReadonlyArray<Publication>): Effect.Effect<ReadonlyArray<Receipt>, EnqueueError> =>
    Effect.suspend(() => {
      const toError = (error: BrokerError) =>
        new EnqueueError({ reason: reasonOf(error), ids: messages.map(({ id }) => id) })
      return coalescer.submitMap({ messages, submittedAt: monotonicUnsafe(clock) }, (exit) => {
        const answer: Answer = Exit.isSuccess(exit) ? exit.value : Exit.failCause(exit.cause)
        return Exit.isSuccess(answer) ? Effect.succeed(answer.value) : Effect.mapError(answer, toError)
      })
    })

  const inParts = Effect.fnUntraced(function* (messages: ReadonlyArray<Publication>) {
    const receipts: Array<Receipt> = []
    // each part has its own time: as long as parts get through, the broker is not away
    for (let at = 0; at < messages.length; at += batchSize) {
      const part = yield* submit(messages.slice(at, at + batchSize)).pipe(
        Effect.mapError((error) => (at === 0 ? error : afterPart(error, messages)))
      )
      for (const receipt of part) receipts.push(receipt)
    }
    return receipts
  })

  const publish = (messages: ReadonlyArray<Publication>): Effect.Effect<ReadonlyArray<Receipt>, EnqueueError> => {
    if (messages.length === 0) return Effect.succeed([])
    return messages.length <= batchSize ? submit(messages) : inParts(messages)
  }

  return { publish }
})

/** What nearly all calls get that enqueue one message. */
const accepted: Answer = Exit.succeed(["accepted"])

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
    Effect.flatMap(monotonic, (now) =>
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

/** Of a call that waited in vain for a first try: it does not wait for the tries of others as well. */
const tooLate = Exit.fail(unavailable("no", "the broker did not answer to earlier messages in time"))
