/** Whether a message is one that a test expects, and in what it differs. */
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import { format } from "effect/Formatter"
import type { Entry } from "./Recorder.ts"

/** Part of a value: of an object, some of its fields, and of those again. */
export type Part<A> = A extends string | number | boolean | bigint | symbol | null | undefined | Date | Function
  ? A
  : A extends ReadonlyArray<infer Item>
    ? ReadonlyArray<Part<Item>>
    : A extends object
      ? { readonly [Key in keyof A]?: Part<A[Key]> }
      : A

/**
 * What a message must be like. What is not said may be anything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Expected<P> {
  /** Some of the payload's fields (and of the fields of those), or a predicate. Compared by structure. */
  readonly payload?: Part<P> | ((payload: P) => boolean) | undefined
  readonly id?: string | undefined
  readonly queue?: string | undefined
  readonly priority?: number | undefined
  /** When it falls due: a `Date`, or milliseconds since 1970. */
  readonly at?: Date | number | undefined
  /** From its enqueue until it falls due; 0 for one that is due at once. */
  readonly delay?: Duration.Input | undefined
  /** Some of its headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** In what the message differs from what is expected; empty when it fits. */
export const differences = <P>(expected: Expected<P>, entry: Entry, payload: P): ReadonlyArray<string> => {
  const found: Array<string> = []
  const check = (what: string, wanted: unknown, actual: unknown): void => {
    if (wanted !== undefined) compare(what, wanted, actual, found)
  }
  check("id", expected.id, entry.id)
  check("queue", expected.queue, entry.queue)
  check("priority", expected.priority, entry.message?.priority)
  check("at", timeOf(expected.at), entry.at)
  check("delay", millisOf(expected.delay), (entry.at ?? entry.enqueuedAt) - entry.enqueuedAt)
  check("headers", expected.headers, entry.message?.headers ?? {})
  const { payload: wanted } = expected
  if (isPredicate(wanted)) {
    if (!wanted(payload)) found.push("the payload does not meet the predicate")
  } else check("payload", wanted, payload)
  return found
}

// a payload comes from JSON: it is no function itself
const isPredicate = <P>(wanted: Expected<P>["payload"]): wanted is (payload: P) => boolean =>
  typeof wanted === "function"

const timeOf = (time: Date | number | undefined): number | undefined => (time instanceof Date ? time.getTime() : time)

const millisOf = (delay: Duration.Input | undefined): number | undefined =>
  delay === undefined ? undefined : Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(delay)))

const compare = (path: string, wanted: unknown, actual: unknown, found: Array<string>): void => {
  if (isPlain(wanted) && typeof actual === "object" && actual !== null && !Array.isArray(actual)) {
    for (const [key, part] of Object.entries(wanted)) {
      compare(`${path}.${key}`, part, Reflect.get(actual, key), found)
    }
    return
  }
  if (Array.isArray(wanted) && Array.isArray(actual) && wanted.length === actual.length) {
    wanted.forEach((part: unknown, index) => compare(`${path}[${index}]`, part, actual[index], found))
    return
  }
  if (!Equal.equals(wanted, actual)) found.push(`${path} is ${short(actual)}, not ${short(wanted)}`)
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const longest = 300

/** A value on one line. */
export const short = (value: unknown): string => {
  const text = format(value)
  return text.length <= longest ? text : `${text.slice(0, longest)}…`
}

/** A message on one line. */
export const line = (entry: Entry, payload: unknown): string => {
  const { message } = entry
  const parts = [
    message === undefined ? "something unreadable" : message.task,
    `queue "${entry.queue}"`,
    `priority ${message?.priority}`,
    ...(entry.at === undefined
      ? []
      : [`in ${Duration.format(Duration.millis(entry.at - entry.enqueuedAt))} (at ${entry.at})`]),
    ...(message?.headers === undefined ? [] : [`headers ${short(message.headers)}`]),
    short(message === undefined ? entry.wire : payload)
  ]
  return parts.join(", ")
}
