/** The log line of a run that ended: nobody may be waiting for its result. */
import * as Effect from "effect/Effect"
import type { Delivery, Disposition } from "../../Broker.ts"
import * as Message from "../../Message.ts"
import type { Outcome } from "../../Outcome.ts"
import { spanOf } from "./words.ts"

export interface Subject {
  readonly delivery: Delivery
  readonly message: Message.Message | undefined
  /** It belongs to somebody else by now. */
  readonly lost: boolean
  readonly disposition: Disposition
  /** Milliseconds; `undefined`: it did not run. */
  readonly took: number | undefined
}

/**
 * One line for each end, and where a defect happened. What it says is for people; programs go by its annotations: `outcome`, by
 * the same name as in the metrics, and `took`. What the task's own schema or handler says is milder than what nobody foresaw, and what is tried
 * again milder than an end. What is no failure is for those who look closely: `undefined` unless `verbose`.
 */
export const endLog = (outcome: Outcome, subject: Subject, verbose: boolean): Effect.Effect<void> | undefined => {
  const { disposition } = subject
  const failure = failureOf(outcome, subject)
  if (failure === undefined) return verbose ? debug(endOf(outcome, subject), outcome, subject) : undefined
  const again = disposition._tag === "Reschedule" ? `; again in ${spanOf(disposition.delay)}` : ""
  if (subject.lost || isPutOffAgain(outcome, subject))
    return verbose ? debug(failure + again, outcome, subject) : undefined
  const foreseen = outcome._tag === "Failed" || outcome._tag === "Rejected" || outcome._tag === "RetryRequested"
  const stack = outcome._tag === "Died" && outcome.stack !== undefined ? `\n${outcome.stack}` : ""
  const line = `${nameOf(subject)} ${failure}${again}${stack}`
  return annotated(
    again === ""
      ? (foreseen ? Effect.logWarning : Effect.logError)(line)
      : (foreseen ? Effect.logInfo : Effect.logWarning)(line),
    outcome,
    subject
  )
}

/** During a deploy it is so with many messages, again and again: it is told once for each. */
const isPutOffAgain = (outcome: Outcome, { delivery, disposition }: Subject): boolean =>
  outcome._tag === "Unknown" && disposition._tag === "Reschedule" && Message.putOff(delivery.wire) !== undefined

const debug = (end: string, outcome: Outcome, subject: Subject): Effect.Effect<void> => {
  const line = `${nameOf(subject)} ${end}`
  return annotated(
    Effect.logDebug(subject.lost ? `${line}; this does not count: by now the message belongs to another worker` : line),
    outcome,
    subject
  )
}

const annotated = (
  line: Effect.Effect<void>,
  { _tag: outcome }: Outcome,
  { delivery: { id }, message, took }: Subject
): Effect.Effect<void> => {
  const facts = { task: message?.task ?? "unknown", id, attempt: (message?.attempts ?? 0) + 1, outcome }
  return Effect.annotateLogs(line, took === undefined ? facts : { ...facts, took })
}

const nameOf = ({ delivery: { queue }, message }: Subject): string =>
  message === undefined ? `a message of queue "${queue}"` : `task "${message.task}"`

const failureOf = (outcome: Outcome, { message }: Subject): string | undefined => {
  switch (outcome._tag) {
    case "Failed":
      return `failed: ${excerpt(outcome.error)}`
    case "Died":
      return `died: ${excerpt(messageOf(outcome.defect))}`
    case "TimedOut":
      return `ran longer than its ${outcome.limit} time limit of ${spanOf(outcome.millis)}`
    case "RetryRequested":
      return outcome.retry._tag === "RetryAfter"
        ? "asked for another attempt"
        : "asked for another attempt, but has none left"
    case "Rejected":
      return `was rejected by its handler${detailOf(outcome)}`
    case "TooManyDeliveries":
      return "is dead: it was delivered too often without an outcome"
    case "Undecodable":
      return `${message === undefined ? "cannot be read" : "has a payload that cannot be read"}: ${excerpt(outcome.detail)}`
    case "WorkerLost":
    case "Unknown":
      return `cannot be run: ${excerpt(outcome.detail)}`
    case "Succeeded":
    case "Snoozed":
    case "Requeued":
    case "Ignored":
    case "Revoked":
    case "Expired":
    case "Released":
      return undefined
  }
}

const endOf = (outcome: Outcome, { disposition, took }: Subject): string => {
  switch (outcome._tag) {
    case "Succeeded":
      return `succeeded in ${spanOf(took ?? 0)}`
    case "Snoozed":
      return `is put off by its handler for ${spanOf(outcome.millis)}`
    case "Requeued":
      return `was ${disposition._tag === "Ack" ? "requeued by its handler too often" : "requeued by its handler"}${detailOf(outcome)}`
    case "Ignored":
      return "was ignored by its handler"
    case "Revoked":
      return "was revoked"
    case "Expired":
      return "expired before it started"
    case "Released":
      return "was given back"
    default:
      return `ended as ${outcome._tag}`
  }
}

const detailOf = ({ detail }: { readonly detail: string | undefined }): string =>
  detail === undefined ? "" : `: ${excerpt(detail)}`

/** A defect is encoded with its message when it is an error; its causes often say more. */
const messageOf = (defect: unknown, depth = 0): unknown => {
  if (typeof defect !== "object" || defect === null || !("message" in defect)) return defect
  const { message } = defect
  return "cause" in defect && depth < 3 ? `${String(message)}: ${excerpt(messageOf(defect.cause, depth + 1))}` : message
}

const longest = 500

const excerpt = (value: unknown): string => {
  const text = (typeof value === "string" ? value : jsonOf(value)).replaceAll(/\s*\n\s*/g, " ")
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

/** Total: a schema that checks nothing lets values pass that have no JSON. */
const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "nothing"
  } catch {
    return "a value that has no JSON"
  }
}
