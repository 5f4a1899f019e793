/** The log line of a run that failed: nobody may be waiting for its result. */
import * as Effect from "effect/Effect"
import type { Disposition } from "../../Broker.ts"
import type { Outcome } from "../../Outcome.ts"

/**
 * `undefined` for what is no failure. What the task's own schema or handler says is milder than what nobody foresaw, and
 * what is tried again milder than an end.
 */
export const failureLog = (
  outcome: Outcome,
  disposition: Disposition,
  subject: { readonly task: string; readonly id: string; readonly attempt: number }
): Effect.Effect<void> | undefined => {
  const what = whatOf(outcome)
  if (what === undefined) return undefined
  const line = `task "${subject.task}" ${what}`
  const foreseen = outcome._tag === "Failed" || outcome._tag === "Rejected" || outcome._tag === "RetryRequested"
  return Effect.annotateLogs(
    disposition._tag === "Reschedule"
      ? (foreseen ? Effect.logInfo : Effect.logWarning)(`${line}; again in ${disposition.delay} ms`)
      : (foreseen ? Effect.logWarning : Effect.logError)(line),
    subject
  )
}

const whatOf = (outcome: Outcome): string | undefined => {
  switch (outcome._tag) {
    case "Failed":
      return `failed: ${excerpt(outcome.error)}`
    case "Died":
      return `died: ${excerpt(messageOf(outcome.defect))}`
    case "TimedOut":
      return `ran longer than its ${outcome.limit} time limit of ${outcome.millis} ms`
    case "RetryRequested":
      return "asked for another attempt"
    case "Rejected":
      return `was rejected by its handler${outcome.detail === undefined ? "" : `: ${excerpt(outcome.detail)}`}`
    case "TooManyDeliveries":
      return "is dead: it was delivered too often without an outcome"
    case "WorkerLost":
    case "Undecodable":
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

/** A defect is encoded with its message when it is an error. */
const messageOf = (defect: unknown): unknown =>
  typeof defect === "object" && defect !== null && "message" in defect ? defect.message : defect

const longest = 500

const excerpt = (value: unknown): string => {
  const text = typeof value === "string" ? value : jsonOf(value)
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
