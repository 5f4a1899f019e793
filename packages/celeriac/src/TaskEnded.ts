/**
 * The endings of a message that are no typed error of its task.
 *
 * They are one error with a tagged `reason`, so that the reasons never collide with the tags of a program's own errors:
 * `Effect.catchTag("TaskEnded", …)` takes them all, `Effect.catchReason("TaskEnded", "Expired", …)` takes one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Somebody revoked the message, waiting or running.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Revoked extends Schema.TaggedError<Revoked>()("Revoked", {}) {
  override get message(): string {
    return "it was revoked"
  }
}

/**
 * It waited past its `expires`, and no run of it had ended (one that was cut off, because its worker died or stopped, is
 * none).
 *
 * @category reasons
 * @since 0.1.0
 */
export class Expired extends Schema.TaggedError<Expired>()("Expired", {}) {
  override get message(): string {
    return "it expired before a worker started it"
  }
}

/**
 * Its handler said `ignore`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Ignored extends Schema.TaggedError<Ignored>()("Ignored", {}) {
  override get message(): string {
    return "its handler ended it with `ignore`"
  }
}

/**
 * Its handler said `reject`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `its handler rejected it${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/**
 * Its handler asked for more retries than its policy allows.
 *
 * @category reasons
 * @since 0.1.0
 */
export class RetriesExhausted extends Schema.TaggedError<RetriesExhausted>()("RetriesExhausted", {
  attempts: Schema.Number
}) {
  override get message(): string {
    return `its handler asked for another retry after ${this.attempts} attempts; the policy allows no more`
  }
}

/**
 * Its handler asked for another attempt. Seen on attempts that were not the last (`TaskHandle.changes`).
 *
 * @category reasons
 * @since 0.1.0
 */
export class RetryRequested extends Schema.TaggedError<RetryRequested>()("RetryRequested", {}) {
  override get message(): string {
    return "its handler asked for another attempt"
  }
}

/**
 * It ran longer than its soft or hard time limit.
 *
 * @category reasons
 * @since 0.1.0
 */
export class TimeLimitExceeded extends Schema.TaggedError<TimeLimitExceeded>()("TimeLimitExceeded", {
  limit: Schema.Literals(["soft", "hard"]),
  millis: Schema.Number
}) {
  override get message(): string {
    return `it ran longer than its ${this.limit} time limit of ${this.millis} ms`
  }
}

/**
 * Its workers died, or it was requeued, too often: running it again might take down another one.
 *
 * @category reasons
 * @since 0.1.0
 */
export class TooManyDeliveries extends Schema.TaggedError<TooManyDeliveries>()("TooManyDeliveries", {
  deliveries: Schema.Number
}) {
  override get message(): string {
    return `it was delivered ${this.deliveries} times without an outcome (its workers died, or it was requeued)`
  }
}

/**
 * It may run at most once (`ack: "early"`), and its worker died with it, or stopped while it ran.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WorkerLost extends Schema.TaggedError<WorkerLost>()("WorkerLost", { detail: Schema.String }) {
  override get message(): string {
    return `the worker that ran it was lost: ${this.detail}`
  }
}

/**
 * A worker could not read the message or its payload.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Undecodable extends Schema.TaggedError<Undecodable>()("Undecodable", { detail: Schema.String }) {
  override get message(): string {
    return `a worker could not decode it: ${this.detail}`
  }
}

/**
 * No worker that met it knew its task, or its payload's version, for as long as the worker's `unknownTaskWindow`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnknownTask extends Schema.TaggedError<UnknownTask>()("UnknownTask", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/**
 * It ended, but its result is not there: its time to live is over, it was forgotten, never stored (`ignoreResult`), or the
 * id was never known.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ResultGone extends Schema.TaggedError<ResultGone>()("ResultGone", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/**
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  Revoked,
  Expired,
  Ignored,
  Rejected,
  RetriesExhausted,
  RetryRequested,
  TimeLimitExceeded,
  TooManyDeliveries,
  WorkerLost,
  Undecodable,
  UnknownTask,
  ResultGone
])

/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A message ended without a success and without a typed error of its task.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskEnded extends Schema.TaggedError<TaskEnded>()("TaskEnded", {
  id: Schema.String,
  task: Schema.String,
  reason: Reason
}) {
  override get message(): string {
    return `task "${this.task}" (${this.id}): ${this.reason.message}`
  }
}
