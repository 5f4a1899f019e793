/**
 * A message on the wire.
 *
 * The wire form is text: the character `1` (version of this format), one digit (priority, 9 first), and a JSON object whose
 * keys are those of the table `fields` below. A field that has its default is left out, and so are the id and the queue,
 * which are the message's address: bytes are memory and time. Unknown keys are ignored, so that a newer program can add
 * some; a change that an older reader must not ignore raises the version, and a reader that meets a newer version leaves the
 * message to a newer worker.
 *
 * The head is the same in every version: the version, the priority, and perhaps a mark in parentheses, by which workers
 * that cannot run the message tell each other since when (`putOff`). So a worker can put off what it cannot read.
 *
 * The fence (see `Broker.Delivery`) and the count of crashes are the broker's and are not part of the text.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Address } from "./Broker.ts"
import type { Priority } from "./Defaults.ts"
import * as TaskId from "./TaskId.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Message extends Address {
  /** Name of the task. */
  readonly task: string
  readonly priority: Priority
  /**
   * The payload as its schema's JSON codec encodes it. When `contentType`, `compression` or `keyId` is set: that form's bytes
   * in base64.
   */
  readonly payload?: unknown
  /** Version of the payload's schema; default 1. */
  readonly payloadVersion?: number | undefined
  /** Media type of the payload; default `application/json`, held as JSON in the message. */
  readonly contentType?: string | undefined
  /** Compression of the payload's bytes (`gzip`, `zstd`). */
  readonly compression?: string | undefined
  /** The key that encrypted or signed the payload's bytes. */
  readonly keyId?: string | undefined
  /** The caller chose the id, though it looks generated: it may come again. */
  readonly ownId?: boolean | undefined
  /** When it was enqueued, milliseconds since 1970; default: the time in the id. */
  readonly enqueuedAt?: number | undefined
  /** Counted attempts so far; default 0. */
  readonly attempts?: number | undefined
  /** When the first and the latest counted attempt started, milliseconds since 1970. */
  readonly attemptTimes?: readonly [first: number, latest: number] | undefined
  /** Deliveries that its handler gave back with `reject({ requeue: true })`; default 0. */
  readonly requeues?: number | undefined
  /** How often its handler put it off with `snooze`; default 0. */
  readonly snoozes?: number | undefined
  /** Soft time limit in milliseconds; `0` = none; default: the task's. */
  readonly softTimeLimit?: number | undefined
  /** Hard time limit in milliseconds; `0` = none; default: the task's. */
  readonly timeLimit?: number | undefined
  /** Number of retries; default: the task's policy. */
  readonly retries?: number | undefined
  /** Ends as `expired` if no run has ended by then, milliseconds since 1970. */
  readonly expiresAt?: number | undefined
  /** How long the record is kept, milliseconds; default: the task's. */
  readonly resultTtl?: number | undefined
  /** No result is stored; default: the task's. */
  readonly ignoreResult?: boolean | undefined
  /** `early`: it runs at most once; default: the task's. */
  readonly ack?: "early" | "late" | undefined
  /** At most one message with this key at a time. */
  readonly uniqueKey?: string | undefined
  /** Messages of one key take turns with those of others. */
  readonly fairnessKey?: string | undefined
  /** The canvas that it belongs to and its node there. */
  readonly canvas?: readonly [id: string, node: string] | undefined
  /** The message whose handler enqueued it. */
  readonly parentId?: string | undefined
  /** The first message of that lineage. */
  readonly rootId?: string | undefined
  /** W3C trace context of the enqueue. */
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  /** W3C baggage of the enqueue. */
  readonly baggage?: string | undefined
  /** Anything that the program adds. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The client that waits for the result, for pools and brokers that can answer it directly. */
  readonly replyTo?: string | undefined
}

/**
 * The version that `encode` writes.
 *
 * @category constants
 * @since 0.1.0
 */
export const version = "1"

type Field = Exclude<keyof Message, "id" | "queue" | "priority">

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === "string"

const whole: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0

const pairOf =
  (first: Check, second: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length === 2 && first(value[0]) && second(value[1])

const oneOf =
  (...values: ReadonlyArray<unknown>): Check =>
  (value) =>
    values.includes(value)

const texts: Check = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(text)

/**
 * The keys of the JSON object: each with the field that it holds, what it must be, and the words of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const fields: Readonly<Record<string, { readonly field: Field; readonly kind: string; readonly check: Check }>> =
  {
    t: { field: "task", kind: "text", check: (value) => typeof value === "string" && value.length > 0 },
    p: { field: "payload", kind: "JSON", check: () => true },
    v: { field: "payloadVersion", kind: "whole number", check: whole },
    ct: { field: "contentType", kind: "text", check: text },
    z: { field: "compression", kind: "text", check: text },
    k: { field: "keyId", kind: "text", check: text },
    o: { field: "ownId", kind: "true or false", check: oneOf(true, false) },
    e: { field: "enqueuedAt", kind: "milliseconds since 1970", check: whole },
    n: { field: "attempts", kind: "whole number", check: whole },
    at: { field: "attemptTimes", kind: "two times in milliseconds since 1970", check: pairOf(whole, whole) },
    rq: { field: "requeues", kind: "whole number", check: whole },
    sn: { field: "snoozes", kind: "whole number", check: whole },
    s: { field: "softTimeLimit", kind: "milliseconds", check: whole },
    h: { field: "timeLimit", kind: "milliseconds", check: whole },
    r: { field: "retries", kind: "whole number", check: whole },
    x: { field: "expiresAt", kind: "milliseconds since 1970", check: whole },
    l: { field: "resultTtl", kind: "milliseconds", check: whole },
    i: { field: "ignoreResult", kind: "true or false", check: oneOf(true, false) },
    a: { field: "ack", kind: `"early" or "late"`, check: oneOf("early", "late") },
    u: { field: "uniqueKey", kind: "text", check: text },
    g: { field: "fairnessKey", kind: "text", check: text },
    c: { field: "canvas", kind: "two texts", check: pairOf(text, text) },
    pi: { field: "parentId", kind: "text", check: text },
    ri: { field: "rootId", kind: "text", check: text },
    tp: { field: "traceparent", kind: "text", check: text },
    ts: { field: "tracestate", kind: "text", check: text },
    b: { field: "baggage", kind: "text", check: text },
    hd: { field: "headers", kind: "object of texts", check: texts },
    rt: { field: "replyTo", kind: "text", check: text }
  }

const entries = Object.entries(fields).map(([key, { field }]) => [key, field] as const)

/**
 * The wire form. Fields that are `undefined` are left out; the address is not part of it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (message: Message): string => {
  const body: Record<string, unknown> = {}
  for (const [key, field] of entries) {
    const value = message[field]
    if (value !== undefined) body[key] = value
  }
  return version + message.priority + JSON.stringify(body)
}

/**
 * Why a text is no message. `newer`: it is of a later version of the format, which another worker may understand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unreadable {
  readonly newer: boolean
  readonly detail: string
}

/**
 * Reads the wire form. Total: any text gives a message or the reason why it is none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (address: Address, wire: string): Result.Result<Message, Unreadable> => {
  if (wire[0] !== version) {
    const newer = anyHead.test(wire) && wire[0]! > version
    return unreadable(
      newer
        ? `it is written in version ${wire[0]} of the message format; this program reads version ${version}`
        : `it does not begin with the version of a message: ${excerpt(wire)}`,
      newer
    )
  }
  const priority = wire.charCodeAt(1) - 48
  if (!(priority >= 0 && priority <= 9)) return unreadable(`its second character is no priority: ${excerpt(wire)}`)
  let body: unknown
  try {
    body = JSON.parse(wire.slice(wire[2] === "(" ? 2 + markOf(wire).length : 2))
  } catch (error) {
    return unreadable(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) return unreadable("it is no JSON object")
  const message: Record<string, unknown> = { id: address.id, queue: address.queue, priority }
  for (const [key, value] of Object.entries(body)) {
    const known = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (known === undefined) continue
    if (!known.check(value)) return unreadable(`its field "${key}" (${known.field}) is not ${known.kind}`)
    message[known.field] = value
  }
  if (message.task === undefined) return unreadable(`it has no field "t" (task)`)
  // each field was checked against the table that describes `Message`
  return Result.succeed(message as unknown as Message)
}

const unreadable = (detail: string, newer = false): Result.Result<never, Unreadable> => Result.fail({ newer, detail })

/** How each version begins. */
const anyHead = /^[1-9]\d/

const mark = /^[1-9]\d(\((\d{1,15}),(\d{1,9})\))/

const markOf = (wire: string): string => mark.exec(wire)?.[1] ?? ""

/**
 * Since when workers have put a message off that none of them could run (its task or version is unknown to them), and how
 * often. Of any version of the format; `undefined`: not yet, or not since it last ran.
 *
 * @category getters
 * @since 0.1.0
 */
export const putOff = (wire: string): readonly [since: number, times: number] | undefined => {
  const [, , since, times] = mark.exec(wire) ?? []
  return since === undefined ? undefined : [Number(since), Number(times)]
}

/**
 * The same message, of any version, marked as put off.
 *
 * @category encoding
 * @since 0.1.0
 */
export const withPutOff = (wire: string, [since, times]: readonly [since: number, times: number]): string =>
  `${wire.slice(0, 2)}(${since},${times})${wire.slice(2 + markOf(wire).length)}`

const excerpt = (wire: string): string => JSON.stringify(wire.length > 40 ? `${wire.slice(0, 40)}…` : wire)

/**
 * When the message was enqueued, milliseconds since 1970.
 *
 * @category getters
 * @since 0.1.0
 */
export const enqueuedAt = (message: Message): number => message.enqueuedAt ?? TaskId.timeOf(message.id) ?? 0
