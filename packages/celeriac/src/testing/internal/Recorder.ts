/**
 * What a test's program enqueued, and what became of it: kept between the program and its broker, so that it sees all
 * there is: calls, batches, continuations, and what handlers enqueue.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { type Address, Broker, type Consumer, type Publication, type Settlement } from "../../Broker.ts"
import { Client } from "../../Client.ts"
import { fiberPool } from "../../internal/FiberPool.ts"
import * as Message from "../../Message.ts"
import { Pool } from "../../Pool.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import { Activity } from "../Faults.ts"
import { Sleepers } from "./Sleepers.ts"

/** An accepted message; the payload is still encoded. */
export interface Entry extends Address {
  /** `undefined` when the wire form is no message. */
  readonly message: Message.Message | undefined
  readonly wire: string
  /** When the broker accepted it, milliseconds since 1970. */
  readonly enqueuedAt: number
  /** When it falls due, milliseconds since 1970; `undefined`: at once. */
  readonly at: number | undefined
}

/** A message that ended, by its handler or from outside. */
export interface Ended extends Address {
  readonly message: Message.Message | undefined
  readonly record: TaskRecord.TaskRecord
}

/** A message that has not ended. */
export interface Waiting extends Address {
  readonly message: Message.Message | undefined
  /** Milliseconds since 1970. */
  readonly dueAt: number
  /** Why it waits: for its first run, or for another one. */
  readonly for: "first" | "next"
}

export interface Recording {
  readonly enqueued: Array<Entry>
  readonly ended: Array<Ended>
  readonly waiting: Map<string, Waiting>
  /** What went back to its queue: to be retried, or without a verdict (snoozed, requeued, released). */
  readonly returned: Array<Address & { readonly retried: boolean }>
  /** Grows with whatever happens: commands, pushes, starts and ends of handlers. */
  readonly activity: () => number
  readonly isReliable: () => boolean
  readonly sleepers: Sleepers
}

/**
 * The record of what a test's program enqueued, and what became of it: `TaskTest.layer` provides it.
 *
 * @category services
 * @since 0.1.0
 */
export class Recorder extends Context.Service<Recorder, Recording>()("celeriac/testing/Recorder") {}

/** Where a `capture` of the running fiber collects, the innermost last. */
export const Captures = Context.Reference<ReadonlyArray<Array<Entry>>>("celeriac/testing/Captures", {
  defaultValue: () => []
})

export const layer: Layer.Layer<Recorder, never, Activity> = Layer.effect(
  Recorder,
  Effect.gen(function* () {
    const activity = yield* Activity
    const sleepers = new Sleepers(yield* Clock.Clock)
    return {
      enqueued: [],
      ended: [],
      waiting: new Map<string, Waiting>(),
      returned: [],
      activity: () => activity.count() + sleepers.changes,
      isReliable: activity.isReliable,
      sleepers
    }
  })
)

/**
 * Idle workers look by themselves now and then, each more rarely the more there are, in case a push was lost. None is lost
 * here unless a test asks for it; so that a test can move its clock by weeks in no time, they look this much more rarely.
 */
const patience = 200

export const keyOf = ({ id, queue }: Address): string => `${queue} ${id}`

const messageOf = (address: Address, wire: string): Message.Message | undefined =>
  Result.getOrUndefined(Message.decode(address, wire))

const entryOf = ({ at, delay = 0, id, queue, wire }: Publication, now: number): Entry => {
  const dueAt = at ?? now + delay
  return {
    id,
    queue,
    wire,
    message: messageOf({ id, queue }, wire),
    enqueuedAt: now,
    at: dueAt > now ? dueAt : undefined
  }
}

/** Sees all messages, whoever sends them. */
export const layerBroker: Layer.Layer<Broker, never, Broker | Recorder> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const broker = yield* Broker
    const recording = yield* Recorder
    const { currentTimeMillisUnsafe: now } = yield* Clock.Clock

    const accepted = (publication: Publication): void => {
      const entry = entryOf(publication, now())
      recording.enqueued.push(entry)
      const { enqueuedAt, id, message, queue } = entry
      recording.waiting.set(keyOf(entry), { id, queue, message, dueAt: entry.at ?? enqueuedAt, for: "first" })
    }

    const ended = (address: Address, wire: string | undefined, value: string | undefined): void => {
      const key = keyOf(address)
      const { message } = recording.waiting.get(key) ?? {
        message: wire === undefined ? undefined : messageOf(address, wire)
      }
      recording.waiting.delete(key)
      const record = value === undefined ? undefined : Result.getOrUndefined(TaskRecord.decode(value))
      if (record !== undefined) recording.ended.push({ id: address.id, queue: address.queue, message, record })
    }

    const settled = ({ continuations = [], delivery, disposition }: Settlement): void => {
      continuations.forEach(accepted)
      if (disposition._tag === "Ack") return ended(delivery, delivery.wire, disposition.record?.value)
      const { id, queue } = delivery
      const message = messageOf(delivery, disposition.wire ?? delivery.wire)
      recording.waiting.set(keyOf(delivery), { id, queue, message, dueAt: now() + disposition.delay, for: "next" })
      recording.returned.push({ id, queue, retried: disposition.note !== undefined })
    }

    const observed = (consumer: Consumer): Consumer => ({
      ...consumer,
      claim: (demand) =>
        Effect.map(consumer.claim(demand), (claim) =>
          recording.isReliable() ? { ...claim, idle: claim.idle * patience } : claim
        ),
      settle: (settlements) =>
        Effect.tap(consumer.settle(settlements), (replies) =>
          Effect.sync(() => settlements.forEach((one, index) => replies[index] === "settled" && settled(one)))
        )
    })

    return {
      ...broker,
      publish: (batch) =>
        Effect.tap(broker.publish(batch), (receipts) =>
          Effect.sync(() => batch.messages.forEach((one, index) => receipts[index] === "accepted" && accepted(one)))
        ),
      consume: (options) => Effect.map(broker.consume(options), observed),
      end: (terminations, meant) =>
        Effect.tap(broker.end(terminations, meant), (replies) =>
          Effect.sync(() =>
            terminations.forEach((one, index) => replies[index] === "ended" && ended(one, undefined, one.record?.value))
          )
        )
    }
  })
)

/** Tells a `capture` what the fiber that it is around sends. */
export const layerClient: Layer.Layer<Client, never, Client> = Layer.effect(
  Client,
  Effect.gen(function* () {
    const client = yield* Client
    return {
      ...client,
      publish: (messages) =>
        Effect.tap(
          client.publish(messages),
          Effect.fnUntraced(function* (receipts) {
            const captures = yield* Captures
            if (captures.length === 0) return
            const now = yield* Clock.currentTimeMillis
            const entries = messages.flatMap((one, index) =>
              receipts[index] === "accepted" ? [entryOf(one, now)] : []
            )
            for (const capture of captures) capture.push(...entries)
          })
        )
    }
  })
)

/** Fibers, as without it; what their handlers sleep until is known. */
export const layerPool: Layer.Layer<Pool, never, Recorder> = Layer.effect(
  Pool,
  Effect.map(Recorder, ({ sleepers }) => ({
    make: (options) =>
      Effect.map(
        fiberPool.make({
          ...options,
          handlers: new Map(
            Array.from(options.handlers, ([name, handler]) => [
              name,
              { ...handler, services: Context.add(handler.services, Clock.Clock, sleepers.clock) }
            ])
          )
        }),
        (runner) => ({
          start: (work, listener) => {
            sleepers.started()
            return runner.start(work, {
              ...listener,
              onEnd: (outcome) => {
                sleepers.ended()
                listener.onEnd(outcome)
              }
            })
          }
        })
      )
  }))
)
