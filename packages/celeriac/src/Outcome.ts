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
import type { Disposition } from "./Broker.ts"
import { encodeReason } from "./internal/codecs.ts"
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
  | { readonly _tag: "Died"; readonly defect: unknown; readonly retry: Decision }
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
  /** `since`: when it was enqueued, for a message that is too new to be changed. */
  | { readonly _tag: "Unknown"; readonly detail: string; readonly since?: number | undefined }

/**
 * What the table needs to know beside the outcome.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run {
  /** `undefined` when it could not be read. */
  readonly message: Message.Message | undefined
  /** Deliveries so far, this one included. */
  readonly deliveries: number
  readonly maxDeliveries: number
  /** Name of the worker. */
  readonly worker: string
  /** When the handler started, milliseconds since 1970. */
  readonly startedAt: number
  /** When it ended, milliseconds since 1970. */
  readonly endedAt: number
  /** How long the record is kept, milliseconds. */
  readonly resultTtl: number
  /** How long the id is refused as a duplicate at least, milliseconds. */
  readonly dedupeWindow: number
  readonly ignoreResult: boolean | "success"
  /** How long a message of an unknown task is put off, milliseconds. */
  readonly unknownTaskWindow: number
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
      return over(run, "succeeded", 1, { _tag: "Success", value: outcome.value })
    case "Failed":
      return again(run, outcome.retry, { _tag: "Error", error: outcome.error }, "typed failure")
    case "Died":
      return again(run, outcome.retry, { _tag: "Defect", defect: outcome.defect }, "defect")
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
      const reason = new TaskEnded.Rejected(outcome.detail === undefined ? {} : { detail: outcome.detail })
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
      return { state: "queued", disposition: { _tag: "Reschedule", delay: 0, to: "head" } }
    case "TooManyDeliveries":
      return tooMany(run)
    case "WorkerLost": {
      const reason = new TaskEnded.WorkerLost({ detail: outcome.detail })
      return over(run, "failed", 1, because(reason), reason.message)
    }
    case "Undecodable": {
      const reason = new TaskEnded.Undecodable({ detail: outcome.detail })
      return over(run, "dead", 0, because(reason), reason.message)
    }
    case "Unknown":
      return unknown(run, outcome.detail, outcome.since)
  }
}

const attemptsOf = ({ message }: Run): number => message?.attempts ?? 0

const because = (reason: TaskEnded.TaskEnded["reason"]): TaskRecord.Ending => ({
  _tag: "Reason",
  reason: encodeReason(reason)
})

/** The end, with its record. `counted` is 1 if this run counts as an attempt. */
const over = (
  run: Run,
  state: TaskRecord.TerminalState,
  counted: 0 | 1,
  ending: TaskRecord.Ending,
  reason?: string
): Consequence => {
  const ignored = run.ignoreResult === true || (run.ignoreResult === "success" && state === "succeeded")
  const value = TaskRecord.encode({
    state,
    endedAt: run.endedAt,
    attempts: attemptsOf(run) + counted,
    ending: ignored ? { _tag: "Gone" } : ending
  })
  // without a record for a while, a publish whose reply was lost could run the task twice
  const ttl = ignored ? run.dedupeWindow : Math.max(run.resultTtl, run.dedupeWindow)
  return { state, disposition: { _tag: "Ack", record: { value, ttl }, ...(reason !== undefined && { dead: reason }) } }
}

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

/** A run has started, so the message cannot expire any more. */
const ran = (message: Message.Message, changes: Partial<Message.Message>): Message.Message => ({
  ...message,
  expiresAt: undefined,
  ...changes
})

/** Back to the queue, now or after a delay, changed. */
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
    ...(run.message !== undefined && { wire: Message.encode(change(run.message)) }),
    ...(note !== undefined && { note })
  }
})

const firstPutOff = 1000

const longestPutOff = 30_000

/** A deploy may be in progress: put off, for longer each time, until the window is over. */
const unknown = (run: Run, detail: string, enqueuedAt: number | undefined): Consequence => {
  const { message } = run
  const [since, times] = message?.unknownSince ?? [message === undefined ? (enqueuedAt ?? 0) : run.endedAt, 0]
  const left = since + run.unknownTaskWindow - run.endedAt
  if (left <= 0) return over(run, "dead", 0, because(new TaskEnded.UnknownTask({ detail })), detail)
  const delay = Math.min(firstPutOff * 2 ** times, longestPutOff, left)
  const { disposition } = back(run, delay, "tail", (known) => ({ ...known, unknownSince: [since, times + 1] }))
  return { state: "scheduled", disposition }
}
