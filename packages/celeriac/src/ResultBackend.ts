/**
 * Contract: the records of messages that ended, and notes about those that have not.
 *
 * Rules that each driver keeps, checked by the conformance suite in `celeriac/testing`:
 *
 * - **First commit wins.** A terminal record never changes while it lives; a later commit is told that it `lost` (also
 *   when the first was an earlier send of itself whose reply was lost).
 * - **Fence.** A note with a lower fence than one that was seen for the message is refused, and so is one of a consumer
 *   that does not own the message, where the driver can know (records that live with the broker).
 * - **No gap.** `watch` registers and reads in one step: a record is either in its answer or pushed afterwards on
 *   `replyChannel(client)`, with the address as text (`Address` in JSON: `[id, queue]`). The push may be lost: clients also
 *   read again now and then.
 * - **A watch ends** with its message, with `unwatch`, or `watchFor` after it was asked for last: clients look again every few
 *   seconds, and those that died leave nothing behind.
 * - **Time to live** counts from the write. Notes go when the record comes or their own time is up. A record whose time is
 *   over before its tombstone's is read as the tombstone, and still wins over later commits.
 * - **Where the broker keeps its messages in the same store**, `read` and `watch` also say whether the message lives.
 * - **An answer in time.** As for `Broker`: each step answers, or fails, within 10 seconds or what the driver documents, and
 *   can be interrupted.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Address, Written } from "./Broker.ts"

/**
 * The store of results did not answer, or is full. What was sent can be sent again.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResultBackendError extends Schema.TaggedError<ResultBackendError>()("ResultBackendError", {
  detail: Schema.String
}) {
  override get message(): string {
    return `the result backend failed: ${this.detail}`
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Commit extends Address, Written {
  /** As `TaskRecord.encode` wrote it. */
  readonly value: string
}

/**
 * Something to know about a message that has not ended: its latest progress (each replaces the one before), or one more
 * failed attempt (the last ones are kept, see `maxAttemptNotes`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Note extends Address {
  readonly kind: "progress" | "attempt"
  readonly consumer: string
  readonly fence: number
  readonly value: string
  /** Milliseconds. */
  readonly ttl: number
}

/**
 * How many failed attempts of a message are kept: the latest ones.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxAttemptNotes = 10

/**
 * How long a client is told of a message at least after it asked for that last, in milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const watchFor = 60_000

/**
 * What is stored for a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stored {
  readonly record: string | undefined
  readonly progress: string | undefined
  /** Oldest first. */
  readonly attempts: ReadonlyArray<string>
  /**
   * Whether a queue holds the message, looked at in the same step; `undefined` where the driver cannot know (records on
   * another server). Who waits for many messages is spared a `Broker.locate` for each by it.
   */
  readonly live?: boolean | undefined
}

/**
 * What a client wants to be told of: the end of a message, or every change of it (a delivery, progress, a retry, the end).
 *
 * @category models
 * @since 0.1.0
 */
export type Interest = "end" | "changes"

/**
 * @category services
 * @since 0.1.0
 */
export class ResultBackend extends Context.Service<
  ResultBackend,
  {
    /** See `Broker.location`. */
    readonly location: string
    readonly commit: (
      commits: ReadonlyArray<Commit>
    ) => Effect.Effect<ReadonlyArray<"committed" | "lost">, ResultBackendError>
    readonly note: (notes: ReadonlyArray<Note>) => Effect.Effect<ReadonlyArray<"noted" | "refused">, ResultBackendError>
    /** One answer an address, in their order. */
    readonly read: (addresses: ReadonlyArray<Address>) => Effect.Effect<ReadonlyArray<Stored>, ResultBackendError>
    /** Registers the client for the addresses, then reads them, in one step. */
    readonly watch: (
      client: string,
      addresses: ReadonlyArray<Address>,
      interest: Interest
    ) => Effect.Effect<ReadonlyArray<Stored>, ResultBackendError>
    readonly unwatch: (client: string, addresses: ReadonlyArray<Address>) => Effect.Effect<void, ResultBackendError>
    /** Replaces records by the tombstone given, or removes them when there is none; notes go in both cases. */
    readonly forget: (
      addresses: ReadonlyArray<Address>,
      tombstone: { readonly value: string; readonly ttl: number } | undefined
    ) => Effect.Effect<void, ResultBackendError>
  }
>()("celeriac/ResultBackend") {}

/**
 * The `Notifier` channel on which a client is told of the messages that it watches.
 *
 * @category channels
 * @since 0.1.0
 */
export const replyChannel = (client: string): string => `reply:${client}`
