/**
 * Why nothing was enqueued, or why that is not known.
 *
 * One error with a tagged `reason`, so that the reasons never collide with a program's own tags:
 * `Effect.catchReason("EnqueueError", "Duplicate", …)`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The definition of the task makes no sense. Nothing was sent. `problems` are sentences that say what to change.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidTask extends Schema.TaggedError<InvalidTask>()("InvalidTask", {
  task: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `task "${this.task}": ${this.problems.join("; ")}`
  }
}

/**
 * The payload does not fit the task's schema. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>()("InvalidPayload", {
  task: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `the payload does not fit task "${this.task}": ${this.issue}`
  }
}

/**
 * An option of the call makes no sense. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  option: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `option "${this.option}": ${this.detail}`
  }
}

/**
 * The message is larger than `maxMessageSize` (`Defaults`). Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {
  task: Schema.String,
  size: Schema.Number,
  limit: Schema.Number
}) {
  override get message(): string {
    return `a message of task "${this.task}" has ${this.size} characters, the limit is ${this.limit}: store the data elsewhere and send its address, or raise maxMessageSize`
  }
}

/**
 * The id that the caller chose is in use: its message waits, runs, or ended within the `dedupeWindow`. Of several messages
 * it is the first one of those; `receipts` says of each message of the call, in its order, whether it was accepted.
 *
 * @category errors
 * @since 0.1.0
 */
export class Duplicate extends Schema.TaggedError<Duplicate>()("Duplicate", {
  id: Schema.String,
  queue: Schema.String,
  receipts: Schema.Array(Schema.Struct({ id: Schema.String, queue: Schema.String, accepted: Schema.Boolean }))
}) {
  override get message(): string {
    const accepted = this.receipts.filter((receipt) => receipt.accepted).length
    return `a message with the id "${this.id}" is known in queue "${this.queue}"; take its handle by the id instead${
      this.receipts.length > 1 ? `; ${accepted} of the ${this.receipts.length} messages of this call were accepted` : ""
    }`
  }
}

/**
 * The broker could not be reached within `publishTimeout`. `accepted` says whether the messages may be there all the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrokerUnavailable extends Schema.TaggedError<BrokerUnavailable>()("BrokerUnavailable", {
  accepted: Schema.Literals(["no", "maybe"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `the broker could not be reached: ${this.detail}; ${
      this.accepted === "no" ? "nothing was accepted" : "the message may have been accepted: ask its handle"
    }`
  }
}

/**
 * The broker has no room for new messages. Nothing was accepted.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrokerFull extends Schema.TaggedError<BrokerFull>()("BrokerFull", { detail: Schema.String }) {
  override get message(): string {
    return `the broker is full: ${this.detail}`
  }
}

/**
 * @category errors
 * @since 0.1.0
 */
export const EnqueueReason = Schema.Union([
  InvalidTask,
  InvalidPayload,
  InvalidOption,
  TooLarge,
  Duplicate,
  BrokerUnavailable,
  BrokerFull
])

/**
 * Why nothing was enqueued, or why that is not known. One error with a tagged `reason`:
 * `Effect.catchReason("EnqueueError", "Duplicate", …)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class EnqueueError extends Schema.TaggedError<EnqueueError>()("EnqueueError", {
  reason: EnqueueReason,
  /** Ids of the messages that were to be sent, where they are known. */
  ids: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.reason.message
  }
}
