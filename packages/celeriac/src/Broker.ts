/**
 * Contract: where messages wait, who may run them, and when.
 *
 * A driver implements the steps below; policy (what an outcome means, when to retry, what is dead) is written once, in
 * the worker. The rules that each driver keeps, and that the conformance suite in `celeriac/testing` checks:
 *
 * - **One place.** An accepted message is, at any time, in exactly one place: waiting, scheduled, held by one consumer,
 *   or ended. Each step moves messages atomically.
 * - **Ownership.** A claim makes the consumer the owner. `settle`, `renew` and progress notes of a consumer that no
 *   longer owns a message are refused by the server, message by message.
 * - **Order.** Claims take the highest priority first (9 before 0), and within a priority the oldest first. Released
 *   and recovered messages go back to the head of their priority, requeued ones to its tail.
 * - **Wake-up.** A claim that comes back short registers the consumer as idle; a step that adds work tells as many idle
 *   consumers as it takes to cover it, on the `Notifier` channel `wakeChannel(consumer.id)`, with the queue's name as
 *   text. The push may be lost: workers also look by themselves now and then.
 * - **Time** is the server's: delays are sent as spans and due times are compared with the server's clock.
 * - **Twice is harmless.** A lost reply cannot be told from a lost command, so each step can be repeated.
 * - **An answer in time.** Each step answers, or fails with `Unavailable`, within a time that the driver documents: 10
 *   seconds or less unless its user asks for more. Until then it can be interrupted, and ends at once when it is: what is
 *   under way may still be carried out. Closing a consumer takes a few seconds at most.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"

/**
 * No connection, a time-out, or a reply that was lost. `accepted` says what became of the command: `no`, it did not
 * reach the server, or `maybe`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  accepted: Schema.Literals(["no", "maybe"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `the broker cannot be reached: ${this.detail}${this.accepted === "maybe" ? " (the command may have been carried out)" : ""}`
  }
}

/**
 * The server has no memory left for new messages. Messages that it holds are safe; workers go on.
 *
 * @category errors
 * @since 0.1.0
 */
export class Full extends Schema.TaggedError<Full>()("Full", { detail: Schema.String }) {
  override get message(): string {
    return `the broker is full: ${this.detail}. Give it more memory, or let workers drain the queues.`
  }
}

/**
 * The server no longer knows this consumer: its lease ended and its messages were given to others.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConsumerLost extends Schema.TaggedError<ConsumerLost>()("ConsumerLost", { consumer: Schema.String }) {
  override get message(): string {
    return `the lease of consumer ${this.consumer} ended; its messages belong to others now`
  }
}

/**
 * Why a step of the broker failed.
 *
 * @category errors
 * @since 0.1.0
 */
export const BrokerReason = Schema.Union([Unavailable, Full, ConsumerLost])

/**
 * @category errors
 * @since 0.1.0
 */
export type BrokerReason = typeof BrokerReason.Type

/**
 * A step of the broker failed; nothing is known to have changed unless the reason says so.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrokerError extends Schema.TaggedError<BrokerError>()("BrokerError", { reason: BrokerReason }) {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * Where a message lives: ids are unique per queue, and a queue is the unit that a server can place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  readonly id: string
  readonly queue: string
}

/**
 * A message on its way to its queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Publication extends Address {
  /** The message as `Message.encode` wrote it. The broker reads its priority and nothing else. */
  readonly wire: string
  /** Milliseconds from the server's now until it may be claimed; 0 = at once. */
  readonly delay?: number | undefined
  /** Time at which it may be claimed, milliseconds since 1970; wins over `delay`. */
  readonly at?: number | undefined
  /** Time at which it ends as `expired` if no run of it has ended by then, milliseconds since 1970. */
  readonly expiresAt?: number | undefined
  /** The caller chose the id: look for it among waiting, held and ended messages before it is accepted. */
  readonly checked?: boolean | undefined
}

/**
 * Publications that are sent together. A publisher numbers its batches; the server remembers what it answered to the last
 * ones, so that a batch that is sent again after a lost reply gets the first answer, and a late copy does nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch {
  /** Unique for each publishing process. */
  readonly publisher: string
  /** Grows with each new batch of this publisher; the same when a batch is sent again. */
  readonly sequence: number
  /** An earlier send of this batch got no reply. */
  readonly resend: boolean
  readonly messages: ReadonlyArray<Publication>
}

/**
 * What became of a publication. `duplicate`: the id is in use, or its record or tombstone still lives.
 *
 * @category models
 * @since 0.1.0
 */
export type Receipt = "accepted" | "duplicate"

/**
 * A claimed message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery extends Address {
  readonly wire: string
  /** Grows with every delivery of the message: whoever shows a lower one is late. */
  readonly fence: number
  /** How many earlier deliveries ended with the loss of their worker (0 for nearly all). */
  readonly crashes: number
}

/**
 * Asks for messages of one queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Demand {
  readonly queue: string
  /**
   * At most so many messages. 0: none, for a consumer that is full and was woken, or whose duty a due message is: what is
   * due becomes ready, and other idle consumers are woken for what waits.
   */
  readonly count: number
  /** No further message once this many bytes (characters of the wire form) are reached; at least one is given. */
  readonly bytes: number
  /**
   * The consumer holds nothing else: give it one message that crashed its workers before, or nothing. It takes no other
   * work, and is not registered as idle: an ordinary claim follows. With a `count` of 0 it cannot empty its hands: it gets
   * nothing, and if it was told of a suspect, another consumer is told.
   */
  readonly alone?: boolean | undefined
}

/**
 * The answer to a `Demand`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly deliveries: ReadonlyArray<Delivery>
  /** Milliseconds until this consumer should claim again because a scheduled message falls due; `undefined` = not its duty. */
  readonly dueIn: number | undefined
  /** Idle consumers of the queue, this one included: the more there are, the less often each needs to look by itself. */
  readonly idle: number
  /**
   * Milliseconds until this consumer should look by itself at the latest, as pushes may be lost. `undefined`: 1000 to 2000,
   * times `idle`, times the queues of its worker. A driver that loses none can say more.
   */
  readonly lookIn?: number | undefined
  /**
   * A message that crashed its workers waits, and this consumer is the one that should claim it `alone`. It does not count
   * as idle until then.
   */
  readonly suspect: boolean
}

/**
 * What is kept of a message that ended: a text that the driver does not read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Written {
  readonly value: string
  /** Milliseconds, from the write. */
  readonly ttl: number
  /**
   * Takes the place of the value when that one's time is over, until its own is, which counts from the same write: a short
   * text that keeps the id taken for longer than the result is kept.
   */
  readonly tombstone?: { readonly value: string; readonly ttl: number } | undefined
}

/**
 * How one delivery ends.
 *
 * - `Ack`: the message is over. `record` is stored in the same step: the result when results live with the broker, else a
 *   tombstone, by which the broker refuses the id as a duplicate. `dead` keeps the message among the dead letters, with
 *   the reason.
 * - `Reschedule`: it goes back, with a new wire form if one is given: after `delay` milliseconds, or now, at the head or
 *   the tail of its priority. Several in one call go as if one after the other, so that of those that go to the head the
 *   last comes out first. `ran` says that a run of it has ended: the message can no longer expire.
 *
 * @category models
 * @since 0.1.0
 */
export type Disposition =
  | {
      readonly _tag: "Ack"
      readonly record?: Written | undefined
      readonly dead?: string | undefined
    }
  | {
      readonly _tag: "Reschedule"
      readonly wire?: string | undefined
      readonly delay: number
      readonly to: "head" | "tail"
      /** A run of it has ended: it can no longer expire. Once said, it stays so. */
      readonly ran: boolean
      /** An entry for the message's history of attempts, stored in the same step when results live with the broker. */
      readonly note?: { readonly value: string; readonly ttl: number } | undefined
    }

/**
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  readonly delivery: Delivery
  readonly disposition: Disposition
  /**
   * Published before the message is acknowledged, if the settlement is not refused. Their ids are fixed, so that doing it
   * twice is harmless: a driver that cannot do both in one step publishes first.
   */
  readonly continuations?: ReadonlyArray<Publication> | undefined
}

/**
 * `refused`: the consumer does not own the message any more, or it was revoked.
 *
 * @category models
 * @since 0.1.0
 */
export type SettleReply = "settled" | "refused"

/**
 * A consumer that has not renewed for a while.
 *
 * @category models
 * @since 0.1.0
 */
export interface Suspect {
  readonly queue: string
  readonly consumer: string
  /** The end of its lease as the server has it: `recover` acts only if this has not moved. */
  readonly leaseEnd: number
  /** Milliseconds until then by the server's clock; 0 when it has passed. */
  readonly endsIn: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Renewal {
  /** The server counts another number of held messages than this side: `reconcile`. */
  readonly doubt: boolean
  /** Held messages that were ended from outside: the push on `revokeChannel` may have been lost. */
  readonly revoked: ReadonlyArray<Address>
  /** Consumers of the same queues that have not renewed for a third of their lease and some slack. */
  readonly suspects: ReadonlyArray<Suspect>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Reconciliation {
  /** Deliveries that this consumer believed to hold and does not: their handlers are to be interrupted. */
  readonly lost: ReadonlyArray<Delivery>
  /** Held deliveries that this side did not know of (their claim's reply was lost). They count as no crash. */
  readonly found: ReadonlyArray<Delivery>
}

/**
 * One worker process's registration with the broker. Closing its scope gives back what it still holds and takes it off
 * the books. What it knew of (a claim or a reconciliation told it) and neither settled nor lost may have run: that comes
 * back as `recover` would bring it, to the head, with a crash counted. What it did not know of (the reply of its claim was
 * lost) has not run, and counts none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consumer {
  readonly id: string
  readonly claim: (demand: Demand) => Effect.Effect<Claim, BrokerError>
  /**
   * One reply a settlement, in their order. A message that was revoked stays in the consumer's hands until it is settled
   * (`refused`) or reconciled. Fails with `ConsumerLost` when no queue of the settlements knows the consumer; if only some
   * do not, theirs are refused.
   */
  readonly settle: (settlements: ReadonlyArray<Settlement>) => Effect.Effect<ReadonlyArray<SettleReply>, BrokerError>
  /** Extends the lease of everything that this consumer holds. Fails with `ConsumerLost` when it is too late. */
  readonly renew: Effect.Effect<Renewal, BrokerError>
  /**
   * Gives the messages of a consumer back, if its lease ended and did not move since it was reported. Bounded: returns
   * how many were moved; `more` asks for another call.
   */
  readonly recover: (suspect: Suspect) => Effect.Effect<{ readonly moved: number; readonly more: boolean }, BrokerError>
  /** After doubt, or a lost connection: compares what both sides believe. Registers the consumer anew if it was lost. */
  readonly reconcile: (held: ReadonlyArray<Delivery>) => Effect.Effect<Reconciliation, BrokerError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ConsumerOptions {
  /** Name of the worker: printable, for people. */
  readonly worker: string
  readonly queues: ReadonlyArray<string>
  /** Without renewal for this long, the consumer's messages are given to others (`visibilityTimeout`). */
  readonly lease: Duration.Duration
}

/**
 * Where a message is that has not ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Whereabouts extends Address {
  readonly place: "scheduled" | "queued" | "active"
  readonly wire: string
  /** When it is scheduled: the time at which it falls due, milliseconds since 1970. */
  readonly dueAt: number | undefined
}

/**
 * What the broker keeps of a message that ended: the record, or where records live elsewhere, what it was given in its
 * place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Kept extends Address {
  readonly place: "ended"
  readonly record: string
  /** Milliseconds until nothing is kept any more (of a value with a tombstone: until that one's end). */
  readonly ttl: number
}

/**
 * A message to be ended from outside, and what is stored in the same step if it is: its record. Where results live
 * elsewhere, that is what `locate` tells until the results have it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Termination extends Address {
  readonly record?: Written | undefined
}

/**
 * Which messages `end` means: `any`; those that are `waiting` or scheduled; or those that are `overdue`, as the step of that
 * name tells them.
 *
 * @category models
 * @since 0.1.0
 */
export type Meant = "any" | "waiting" | "overdue"

/**
 * What `end` did: it `ended` the message; the message was `spared`, because it is none of those that were meant; or no
 * queue holds it (`absent`): it ended before, or never was.
 *
 * @category models
 * @since 0.1.0
 */
export type EndReply = "ended" | "spared" | "absent"

/**
 * A message that waits past its `expiresAt`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Overdue extends Address {
  readonly wire: string
}

/**
 * Why a message is among the dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter extends Address {
  readonly wire: string
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly diedAt: number
}

/**
 * @category services
 * @since 0.1.0
 */
export class Broker extends Context.Service<
  Broker,
  {
    /** Names the store: a `ResultBackend` with the same location commits in the same step as `settle`. */
    readonly location: string
    /** One receipt a message, in their order. */
    readonly publish: (batch: Batch) => Effect.Effect<ReadonlyArray<Receipt>, BrokerError>
    readonly consume: (options: ConsumerOptions) => Effect.Effect<Consumer, BrokerError, Scope>
    /**
     * Ends messages from outside: each leaves its place, its record is stored if one is given, and the owner of a running
     * one is told on `revokeChannel(consumer)`; what that owner settles later is refused. One reply each, in their order.
     */
    readonly end: (
      terminations: ReadonlyArray<Termination>,
      meant: Meant
    ) => Effect.Effect<ReadonlyArray<EndReply>, BrokerError>
    /** One answer an address, in their order. `undefined`: no queue holds the id, and nothing is kept of it. */
    readonly locate: (
      addresses: ReadonlyArray<Address>
    ) => Effect.Effect<ReadonlyArray<Whereabouts | Kept | undefined>, BrokerError>
    /**
     * Replaces what is kept of messages that ended by the tombstone given, or removes it. Where records live with the
     * broker, it is the same step as `ResultBackend.forget`.
     */
    readonly forget: (
      addresses: ReadonlyArray<Address>,
      tombstone: { readonly value: string; readonly ttl: number } | undefined
    ) => Effect.Effect<void, BrokerError>
    /**
     * Waiting and scheduled messages past their `expiresAt`, of all queues, whoever consumes them: at most `count`, and no
     * further one once so many `bytes` (characters of the wire form) are reached; at least one is given. A message of which
     * a run has ended is none of them.
     */
    readonly overdue: (limits: { readonly count: number; readonly bytes: number }) => Effect.Effect<
      {
        readonly messages: ReadonlyArray<Overdue>
        /**
         * Milliseconds until the next message is overdue that is not among these: 0 when there is one already. `undefined`:
         * no message that waits can expire.
         */
        readonly nextIn: number | undefined
      },
      BrokerError
    >
    /** The dead letters of a queue, newest first. */
    readonly deadLetters: (
      queue: string,
      options: { readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<DeadLetter>, BrokerError>
    /** Queues that have ever held a message or a consumer. */
    readonly queues: Effect.Effect<ReadonlyArray<string>, BrokerError>
    /** How many messages of a queue are in each place. */
    readonly counts: (queue: string) => Effect.Effect<QueueCounts, BrokerError>
  }
>()("celeriac/Broker") {}

/**
 * @category models
 * @since 0.1.0
 */
export interface QueueCounts {
  readonly queued: number
  readonly scheduled: number
  readonly active: number
  /** Dead letters that are kept. */
  readonly dead: number
  /** Dead letters that were dropped because there were too many. */
  readonly deadDropped: number
}

/**
 * The `Notifier` channel on which a consumer is told that a queue has work.
 *
 * @category channels
 * @since 0.1.0
 */
export const wakeChannel = (consumer: string): string => `wake:${consumer}`

/**
 * The `Notifier` channel on which a consumer is told the address of a running message that was revoked, in JSON:
 * `[id, queue]`.
 *
 * @category channels
 * @since 0.1.0
 */
export const revokeChannel = (consumer: string): string => `revoke:${consumer}`
