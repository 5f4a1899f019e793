/**
 * What is stored about a message: the record of its end, and notes on failed attempts and progress.
 *
 * A record is text: the character `1` (version of this format), one letter (the state), 13 digits (the end, milliseconds
 * since 1970), and a JSON object, left out when it is empty. Its keys: `v` success value, `e` typed error, `d` defect,
 * `w` the reason of a `TaskEnded`, `n` counted attempts (left out when they are the usual ones: 1 of `succeeded` and
 * `failed`, 0 of the others), `i` when the result was not kept. Everything is as the task's schemas encode it to JSON.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Written } from "./Broker.ts"

/**
 * The states in which a message has ended.
 *
 * @category models
 * @since 0.1.0
 */
export const TerminalState = Schema.Literals(["succeeded", "failed", "revoked", "expired", "ignored", "dead"])

/**
 * @category models
 * @since 0.1.0
 */
export type TerminalState = typeof TerminalState.Type

/**
 * The states of a message: a schema, for programs that tell them on.
 *
 * @category models
 * @since 0.1.0
 */
export const State = Schema.Literals(["scheduled", "queued", "active", "retrying", ...TerminalState.literals])

/**
 * @category models
 * @since 0.1.0
 */
export type State = typeof State.Type

/**
 * How a message ended, encoded.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending =
  | { readonly _tag: "Success"; readonly value: unknown }
  | { readonly _tag: "Error"; readonly error: unknown }
  | { readonly _tag: "Defect"; readonly defect: unknown }
  /** The encoded `TaskEnded.Reason`. */
  | { readonly _tag: "Reason"; readonly reason: unknown }
  /** The result was not kept: `ignoreResult`, or forgotten. */
  | { readonly _tag: "Gone" }

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskRecord {
  readonly state: TerminalState
  /** Milliseconds since 1970. */
  readonly endedAt: number
  /** Counted attempts; 0 when it never ran. */
  readonly attempts: number
  readonly ending: Ending
}

const letters = { succeeded: "s", failed: "f", revoked: "r", expired: "x", ignored: "i", dead: "d" } as const

const states: Readonly<Record<string, TerminalState>> = {
  s: "succeeded",
  f: "failed",
  r: "revoked",
  x: "expired",
  i: "ignored",
  d: "dead"
}

/** States that mean that the message did run, so that one attempt is the rule and is not written. */
const usualAttempts = (state: TerminalState): number => (state === "succeeded" || state === "failed" ? 1 : 0)

interface Body {
  v?: unknown
  e?: unknown
  d?: unknown
  w?: unknown
  n?: number
  i?: 1
}

/**
 * @category encoding
 * @since 0.1.0
 */
export const encode = (record: TaskRecord): string => {
  const body: Body = {}
  const { ending } = record
  switch (ending._tag) {
    case "Success":
      if (ending.value !== undefined && ending.value !== null) body.v = ending.value
      break
    case "Error":
      // what JSON would leave out is not to be taken for a success
      body.e = ending.error ?? null
      break
    case "Defect":
      body.d = ending.defect
      break
    case "Reason":
      body.w = ending.reason
      break
    case "Gone":
      body.i = 1
  }
  if (record.attempts !== usualAttempts(record.state)) body.n = record.attempts
  const json = JSON.stringify(body)
  const head = `1${letters[record.state]}${String(Math.floor(record.endedAt)).padStart(13, "0")}`
  return json === "{}" ? head : head + json
}

/**
 * Reads a record. Total: any text gives a record or a sentence that says why it is none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (value: string): Result.Result<TaskRecord, string> => {
  const state = stateOf(value)
  if (state === undefined || !head.test(value)) {
    return Result.fail(`the record of the message is not readable: ${JSON.stringify(value.slice(0, 20))}`)
  }
  let body: Body = {}
  if (value.length > headLength) {
    try {
      // a record is written by `encode`; what is inside is decoded by the task's schemas
      body = JSON.parse(value.slice(headLength)) as Body
    } catch {
      return Result.fail("the record of the message is not JSON")
    }
  }
  if (!isObject(body) || !isCount(body.n ?? 0)) return Result.fail("the record of the message has no readable content")
  const endedAt = Number(value.slice(2, headLength))
  return Result.succeed({ state, endedAt, attempts: body.n ?? usualAttempts(state), ending: endingOf(body) })
}

const head = /^1[a-z]\d{13}(?:\{|$)/

const headLength = 15

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const endingOf = (body: Body): Ending =>
  body.i === 1
    ? { _tag: "Gone" }
    : "e" in body
      ? { _tag: "Error", error: body.e }
      : "d" in body
        ? { _tag: "Defect", defect: body.d }
        : "w" in body
          ? { _tag: "Reason", reason: body.w }
          : { _tag: "Success", value: body.v ?? null }

/**
 * A record without its result: what keeps the id of an ended message taken.
 *
 * @category encoding
 * @since 0.1.0
 */
export const tombstone = (value: string): string => `${value.slice(0, headLength)}{"i":1}`

/**
 * Whether a record says nothing but that the message ended.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTombstone = (value: string): boolean => value.startsWith('{"i":1', headLength)

/**
 * A record as it is to be stored: kept for `ttl` milliseconds, and if the `dedupeWindow` is longer, a tombstone for the
 * rest of that. Without any trace of the id, a publish whose reply was lost could run the task twice.
 *
 * @category encoding
 * @since 0.1.0
 */
export const lasting = (value: string, ttl: number, dedupeWindow: number): Written =>
  ttl >= dedupeWindow ? { value, ttl } : { value, ttl, tombstone: { value: tombstone(value), ttl: dedupeWindow } }

/**
 * The state of a record without decoding it.
 *
 * @category getters
 * @since 0.1.0
 */
export const stateOf = (value: string): TerminalState | undefined =>
  value[0] === "1" && Object.hasOwn(states, value[1] ?? "") ? states[value[1]!] : undefined

/**
 * A failed attempt that was not the last one.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttemptNote {
  /** 1 for the first run. */
  readonly attempt: number
  /** When it ended, milliseconds since 1970. */
  readonly at: number
  /** When the next attempt falls due, milliseconds since 1970. */
  readonly nextAt: number
  readonly worker: string
  readonly ending: Ending
}

/**
 * @category encoding
 * @since 0.1.0
 */
export const encodeAttempt = (note: AttemptNote): string => JSON.stringify(note)

const endings: ReadonlySet<unknown> = new Set<Ending["_tag"]>(["Success", "Error", "Defect", "Reason", "Gone"])

/**
 * Reads a note; `undefined` when it is not readable (history is for people: it fails nothing).
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeAttempt = (value: string): AttemptNote | undefined => {
  try {
    // written by `encodeAttempt`; the ending inside is decoded by the task's schemas
    const note = JSON.parse(value) as AttemptNote | null
    const counts = [note?.attempt, note?.at, note?.nextAt]
    return note !== null && counts.every(isCount) && endings.has(note.ending?._tag) ? note : undefined
  } catch {
    return undefined
  }
}
