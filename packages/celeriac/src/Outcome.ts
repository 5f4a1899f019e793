/**
 * How one run of a message ended, and what follows from it: the one table of the queue's rules.
 *
 * | outcome | counts as attempt | retried by policy | when over: state | dead letters |
 * |---|---|---|---|---|
 * | `Succeeded` | yes | – | `succeeded` | no |
 * | `Failed` (typed error) | yes | yes | `failed` | yes |
 * | `Died` (defect) | yes | yes | `failed` | yes |
 * | `TimedOut` (soft or hard limit) | yes | yes | `failed` | yes |
 * | `RetryRequested` (`context.retry`) | yes | it is a retry | `failed` | yes |
 * | `Snoozed` (`context.snooze`) | no | back to `retrying` | – | – |
 * | `Rejected` (`context.reject`) | yes | no | `failed` | yes |
 * | `Requeued` (`context.reject({ requeue: true })`) | no, but a delivery | to the tail of its priority | `dead` beyond `maxDeliveries` | yes |
 * | `Ignored` (`context.ignore`) | yes | no | `ignored` | no |
 * | `Revoked` | no | no | `revoked` | no |
 * | `Expired` before the start | no | no | `expired` | no |
 * | `Released` (shutdown, lost lease) | no | to the head of its priority | – | – |
 * | `TooManyDeliveries` | no | no | `dead` | yes |
 * | `WorkerLost` | yes | no | `failed` | yes |
 * | `Undecodable` | no | no | `dead` | yes |
 * | `Unknown` (task, version) | no | put off with growing delay for `unknownTaskWindow` | `dead` | yes |
 *
 * @since 0.1.0
 */
import type { Disposition, Written } from "./Broker.ts"
import { encodeDefect, encodeReason, short, shortDefect } from "./internal/codecs.ts"
import * as Message from "./Message.ts"
import type { Decision } from "./Retry.ts"
import * as TaskEnded from "./TaskEnded.ts"
import * as TaskRecord from "./TaskRecord.ts"

/**
 * All values are encoded. `retry` is what the task's policy decided, see `Retry.decide`.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly value: unknown }
  | { readonly _tag: "Failed"; readonly error: unknown; readonly retry: Decision }
  /** `stack`: where it happened, for the log of the worker. */
  | {
      readonly _tag: "Died"
      readonly defect: unknown
      readonly retry: Decision
      readonly stack?: string | undefined
    }
  | {
      readonly _tag: "TimedOut"
      readonly limit: "soft" | "hard"
      readonly millis: number
      readonly retry: Decision
    }
  | { readonly _tag: "RetryRequested"; readonly retry: Decision }
  | { readonly _tag: "Snoozed"; readonly millis: number }
  | { readonly _tag: "Rejected"; readonly detail: string | undefined }
  | { readonly _tag: "Requeued"; readonly detail: string | undefined }
  | { readonly _tag: "Ignored" }
  | { readonly _tag: "Revoked" }
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Released" }
  | { readonly _tag: "TooManyDeliveries" }
  | { readonly _tag: "WorkerLost"; readonly detail: string }
  | { readonly _tag: "Undecodable"; readonly detail: string }
  | { readonly _tag: "Unknown"; readonly detail: string }

/**
 * What the record of an end needs to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface End {
  /** `undefined` when it could not be read. */
  readonly message: Message.Message | undefined
  /** When it ended, milliseconds since 1970. */
  readonly endedAt: number
  /** How long the record is kept, milliseconds. */
  readonly resultTtl: number
  /** How long the id is refused as a duplicate at least, milliseconds. */
  readonly dedupeWindow: number
  readonly ignoreResult: boolean | "success"
}

/**
 * What the table needs to know beside the outcome.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run extends End {
  /** As it was delivered. */
  readonly wire: string
  /** Deliveries so far, this one included. */
  readonly deliveries: number
  readonly maxDeliveries: number
  /** Name of the worker. */
  readonly worker: string
  /** When the handler started, milliseconds since 1970. */
  readonly startedAt: number
  /** How long a message of an unknown task is put off, milliseconds. */
  readonly unknownTaskWindow: number
  /** Largest record of a success or a typed error, in characters. */
  readonly maxResultSize: number
}

/**
 * What follows: how the message is settled, and its state then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consequence {
  readonly state: TaskRecord.State
  readonly disposition: Disposition
  /** The outcome that counts when the one that was given has a result that cannot be stored. */
  readonly instead?: Outcome | undefined
}

/**
 * Applies the table.
 *
 * @category deciding
 * @since 0.1.0
 */
export const settle = (outcome: Outcome, run: Run): Consequence => {
  switch (outcome._tag) {
    case "Succeeded":
      return sized(run, "success value", over(run, "succeeded", 1, { _tag: "Success", value: outcome.value }))
    case "Failed":
      return sized(
        run,
        "error",
        again(run, outcome.retry, { _tag: "Error", error: outcome.error }, "typed failure"),
        outcome.retry
      )
    case "Died":
      return again(run, outcome.retry, { _tag: "Defect", defect: shortDefect(outcome.defect) }, "defect")
    case "TimedOut": {
      const { limit, millis } = outcome
      return again(
        run,
        outcome.retry,
        because(new TaskEnded.TimeLimitExceeded({ limit, millis })),
        `${limit} time limit`
      )
    }
    case "RetryRequested": {
      const reason =
        outcome.retry._tag === "RetryAfter"
          ? new TaskEnded.RetryRequested()
          : new TaskEnded.RetriesExhausted({ attempts: attemptsOf(run) + 1 })
      return again(run, outcome.retry, because(reason), "retries exhausted")
    }
    case "Snoozed":
      return back(run, outcome.millis, "tail", (message) => ran(message, { snoozes: (message.snoozes ?? 0) + 1 }))
    case "Rejected": {
      const reason = new TaskEnded.Rejected(outcome.detail === undefined ? {} : { detail: short(outcome.detail) })
      return over(run, "failed", 1, because(reason), reason.message)
    }
    case "Requeued":
      return run.deliveries >= run.maxDeliveries
        ? tooMany(run)
        : back(run, 0, "tail", (message) => ran(message, { requeues: (message.requeues ?? 0) + 1 }))
    case "Ignored":
      return over(run, "ignored", 1, because(new TaskEnded.Ignored()))
    case "Revoked":
      return over(run, "revoked", 0, because(new TaskEnded.Revoked()))
    case "Expired":
      return over(run, "expired", 0, because(new TaskEnded.Expired()))
    case "Released":
      return { state: "queued", disposition: { _tag: "Reschedule", delay: 0, to: "head", ran: false } }
    case "TooManyDeliveries":
      return tooMany(run)
    case "WorkerLost": {
      const reason = new TaskEnded.WorkerLost({ detail: short(outcome.detail) })
      return over(run, "failed", 1, because(reason), reason.message)
    }
    case "Undecodable": {
      const reason = new TaskEnded.Undecodable({ detail: short(outcome.detail) })
      return over(run, "dead", 0, because(reason), reason.message)
    }
    case "Unknown":
      return unknown(run, short(outcome.detail))
  }
}

/**
 * The record of a message that ends from outside, without a run.
 *
 * @category deciding
 * @since 0.1.0
 */
export const endWithoutRun = (tag: "Revoked" | "Expired", end: End): Written =>
  tag === "Revoked"
    ? recordOf(end, "revoked", 0, because(new TaskEnded.Revoked()))
    : recordOf(end, "expired", 0, because(new TaskEnded.Expired()))

const attemptsOf = ({ message }: End): number => message?.attempts ?? 0

const because = (reason: TaskEnded.TaskEnded["reason"]): TaskRecord.Ending => ({
  _tag: "Reason",
  reason: encodeReason(reason)
})

/** `counted` is 1 if the run counts as an attempt. */
const recordOf = (end: End, state: TaskRecord.TerminalState, counted: 0 | 1, ending: TaskRecord.Ending): Written => {
  const ignored = end.ignoreResult === true || (end.ignoreResult === "success" && state === "succeeded")
  const value = TaskRecord.encode({
    state,
    endedAt: end.endedAt,
    attempts: attemptsOf(end) + counted,
    ending: ignored ? { _tag: "Gone" } : ending
  })
  return TaskRecord.lasting(value, ignored ? end.dedupeWindow : end.resultTtl, end.dedupeWindow)
}

/** The end, with its record. */
const over = (
  run: Run,
  state: TaskRecord.TerminalState,
  counted: 0 | 1,
  ending: TaskRecord.Ending,
  reason?: string
): Consequence => {
  const record = recordOf(run, state, counted, ending)
  return { state, disposition: { _tag: "Ack", record, ...(reason !== undefined && { dead: reason }) } }
}

/**
 * A result over the limit is not stored: the run ends with a defect that says so, as it does with a result that has no JSON.
 * It is not run again for that, for its work is done and would be as large the next time; a retry that its typed error asked
 * for stands.
 */
const sized = (run: Run, what: string, consequence: Consequence, retry: Decision = noRetry): Consequence => {
  const { disposition } = consequence
  const text = disposition._tag === "Ack" ? disposition.record?.value : disposition.note?.value
  if (text === undefined || text.length <= run.maxResultSize) return consequence
  const defect = encodeDefect(
    new Error(
      `the ${what} of task "${run.message?.task}" makes a record of ${text.length} characters, the limit is ${run.maxResultSize}: store the data elsewhere and return its address, or raise maxResultSize`
    )
  )
  return {
    ...again(run, retry, { _tag: "Defect", defect }, `${what} too large`),
    instead: { _tag: "Died", defect, retry }
  }
}

const noRetry: Decision = { _tag: "GiveUp", why: "defects" }

const tooMany = (run: Run): Consequence => {
  const reason = new TaskEnded.TooManyDeliveries({ deliveries: run.deliveries })
  return over(run, "dead", 0, because(reason), reason.message)
}

/** Another attempt if the policy says so, else the end. */
const again = (run: Run, retry: Decision, ending: TaskRecord.Ending, reason: string): Consequence => {
  if (retry._tag === "GiveUp") return over(run, "failed", 1, ending, `${reason} (${retry.detail ?? retry.why})`)
  const attempt = attemptsOf(run) + 1
  const nextAt = run.endedAt + retry.delay
  const note = TaskRecord.encodeAttempt({ attempt, at: run.endedAt, nextAt, worker: run.worker, ending })
  const first = run.message?.attemptTimes?.[0] ?? run.startedAt
  return back(
    run,
    retry.delay,
    "tail",
    (message) => ran(message, { attempts: attempt, attemptTimes: [first, run.startedAt] }),
    run.ignoreResult === true ? undefined : { value: note, ttl: retry.delay + run.resultTtl }
  )
}

/** A run has ended, so the message cannot expire any more. */
const ran = (message: Message.Message, changes: Partial<Message.Message>): Message.Message => ({
  ...message,
  expiresAt: undefined,
  ...changes
})

/** Back to the queue after a run, now or after a delay, changed. */
const back = (
  run: Run,
  delay: number,
  to: "head" | "tail",
  change: (message: Message.Message) => Message.Message,
  note?: { readonly value: string; readonly ttl: number }
): Consequence => ({
  state: delay > 0 ? "retrying" : "queued",
  disposition: {
    _tag: "Reschedule",
    delay,
    to,
    ran: true,
    ...(run.message !== undefined && { wire: Message.encode(change(run.message)) }),
    ...(note !== undefined && { note })
  }
})

const firstPutOff = 1000

const longestPutOff = 30_000

/** A deploy may be in progress: put off, for longer each time, until the window is over. */
const unknown = (run: Run, detail: string): Consequence => {
  const [since, times] = Message.putOff(run.wire) ?? [run.endedAt, 0]
  const left = since + run.unknownTaskWindow - run.endedAt
  if (left <= 0) return over(run, "dead", 0, because(new TaskEnded.UnknownTask({ detail })), detail)
  const delay = Math.min(firstPutOff * 2 ** times, longestPutOff, left)
  const marked = Message.withPutOff(run.wire, [since, times + 1])
  return { state: "scheduled", disposition: { _tag: "Reschedule", wire: marked, delay, to: "tail", ran: false } }
}
