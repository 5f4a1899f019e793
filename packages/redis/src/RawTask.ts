/**
 * All that a server has about one message, decoded, and the commands that show each piece of it: for people who look into
 * Redis because something is odd.
 *
 * ```ts nocheck
 * const found = yield* RawTask.find({ id: "order-17", server: { url: "redis://localhost:6379" } })
 * ```
 *
 * - It only reads. What it reads of a queue, it reads in one step, so that a message on its way is not missed.
 * - It costs a few commands for each queue, and for the queues that know the message one for each consumer. Lists are
 *   searched at both ends only, see `searched`.
 * - It is total: what cannot be read is shown as it is, with a sentence that says why.
 *
 * @since 0.1.0
 */
import * as Message from "celeriac/Message"
import * as Router from "celeriac/Router"
import * as TaskRecord from "celeriac/TaskRecord"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { codeOf } from "./internal/errors.ts"
import { type QueueKeys, queueKeys, queuesKey } from "./internal/keys.ts"
import * as Link from "./internal/Link.ts"
import { settingsOf } from "./internal/settings.ts"
import { RedisError } from "./RedisError.ts"
import type * as RedisServer from "./RedisServer.ts"

/**
 * A command that shows a piece again: its name and its arguments, as `redis-cli` takes them.
 *
 * @category models
 * @since 0.1.0
 */
export type Command = ReadonlyArray<string>

/**
 * How many ids of a waiting list are looked through from its head, and as many from its tail. A message between them is
 * waiting, but nobody knows before how many others.
 *
 * @category constants
 * @since 0.1.0
 */
export const searched = 1000

/**
 * Where a message stands. One place is right; none, or two, is a fault.
 *
 * - `ready`: may be claimed. `ahead` others of its priority come first; `undefined`: neither among the first nor among the
 *   last thousand.
 * - `suspect`: crashed its workers twice, and is claimed alone.
 * - `scheduled`: falls due at `dueAt`.
 * - `held`: in the hands of a consumer. `revoked`: the message has ended, and its holder does not know that yet. `leaseEnd`:
 *   until when the consumer holds it if it does not renew; `undefined`: what it holds is being given back.
 *
 * Times are milliseconds since 1970 by the server's clock.
 *
 * @category models
 * @since 0.1.0
 */
export type Place =
  | {
      readonly _tag: "ready"
      readonly priority: number
      readonly ahead: number | undefined
      readonly length: number
      readonly read: Command
    }
  | { readonly _tag: "suspect"; readonly ahead: number | undefined; readonly length: number; readonly read: Command }
  | { readonly _tag: "scheduled"; readonly priority: number; readonly dueAt: number; readonly read: Command }
  | {
      readonly _tag: "held"
      readonly consumer: string
      /** Name of the worker; `undefined` when the consumer does not say it readably. */
      readonly worker: string | undefined
      readonly fence: number
      readonly revoked: boolean
      readonly leaseEnd: number | undefined
      readonly read: Command
    }

/**
 * A text, and what it says: either its content or why it has none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decoded<A> {
  readonly text: string
  readonly content: A | undefined
  readonly problem: string | undefined
}

/**
 * What is stored under the id beside the message: its record when it has ended, notes before. `expiresAt` is when the
 * server forgets it; what is beyond that is not valid any more, though it may still be there.
 *
 * @category models
 * @since 0.1.0
 */
export type Stored =
  | { readonly _tag: "record"; readonly expiresAt: number; readonly record: Decoded<TaskRecord.TaskRecord> }
  | {
      readonly _tag: "record with tombstone"
      readonly expiresAt: number
      readonly record: Decoded<TaskRecord.TaskRecord>
      readonly tombstone: Decoded<TaskRecord.TaskRecord>
      readonly tombstoneExpiresAt: number
    }
  | {
      readonly _tag: "notes"
      readonly expiresAt: number
      /** Of the delivery that wrote last. */
      readonly fence: number
      readonly progress: { readonly value: string; readonly expiresAt: number } | undefined
      readonly attempts: ReadonlyArray<Decoded<TaskRecord.AttemptNote> & { readonly expiresAt: number }>
    }
  | { readonly _tag: "unreadable"; readonly problem: string }

/**
 * What one queue has about the message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly id: string
  readonly queue: string
  /** The address, without user and password. */
  readonly server: string
  /** When it was read, milliseconds since 1970 by the server's clock. */
  readonly now: number
  /** The wire form; `undefined`: the message does not live here (any more). */
  readonly message: (Decoded<Message.Message> & { readonly read: Command }) | undefined
  readonly places: ReadonlyArray<Place>
  /** Deliveries that ended with their worker. */
  readonly crashes: { readonly count: number; readonly read: Command } | undefined
  /** When it ends as `expired` if no run has ended by then; `waiting`: it is also among those that are swept. */
  readonly expires: { readonly at: number; readonly waiting: boolean; readonly read: Command } | undefined
  /**
   * Traces that an end left: `gone`, its id still stands in a list, and whoever meets it there skips it; `revoked`, its
   * holder has not let go of it.
   */
  readonly traces: ReadonlyArray<{ readonly name: "gone" | "revoked"; readonly read: Command }>
  readonly stored: (Stored & { readonly text: string; readonly read: Command }) | undefined
  readonly deadLetter:
    | {
        readonly diedAt: number | undefined
        readonly reason: string | undefined
        readonly message: Decoded<Message.Message> | undefined
        readonly text: string
        readonly problem: string | undefined
        readonly read: Command
      }
    | undefined
  /** Clients that are told of it: at its end, or at every change. */
  readonly watchers: ReadonlyArray<{ readonly client: string; readonly changes: boolean; readonly read: Command }>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly id: string
  readonly server: RedisServer.Options
  /** Where to look. Default: all queues that the server knows. */
  readonly queues?: ReadonlyArray<string> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** The queues that were looked through. */
  readonly queues: ReadonlyArray<string>
  /** Those that know the id: as a rule one, or none. */
  readonly found: ReadonlyArray<Found>
}

/**
 * Reads all about one id, on a connection of its own.
 *
 * @category running
 * @since 0.1.0
 */
export const find = ({ id, queues: given, server }: Options): Effect.Effect<Answer, RedisError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { address, prefix, redis } = yield* settingsOf({ clientName: "celeriac-raw", ...server })
      const wrong = (given ?? []).flatMap((queue) => Router.validateQueue(queue) ?? [])
      if (wrong.length > 0) {
        return yield* new RedisError({ reason: "InvalidOption", server: address, detail: wrong.join("; ") })
      }
      const link = yield* Link.make({ address, redis })
      const ask = asking(link, address)
      const queues = given ?? texts((yield* ask([["smembers", queuesKey(prefix)]]))[0]).toSorted()
      const found: Array<Found> = []
      for (let at = 0; at < queues.length; at += atOnce) {
        const some = queues.slice(at, at + atOnce).map((queue) => ({ queue, keys: queueKeys(prefix, queue) }))
        const traces = yield* ask(
          some.flatMap(({ keys }) => [...Object.values(firstLook(keys, id)), ...watcherCommands(keys, id)])
        )
        const size = traces.length / some.length
        for (const [nth, { keys, queue }] of some.entries()) {
          if (!traces.slice(nth * size, (nth + 1) * size).some(isThere)) continue
          found.push({ id, queue, server: address, ...(yield* lookInto(ask, keys, { id, queue })) })
        }
      }
      return { queues, found }
    })
  )

/** Queues in one round trip. */
const atOnce = 100

type Ask = (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<unknown>, RedisError>

/** An error that the server answered to one of several commands: a key may be of another type. */
class Refusal {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** Sends commands in one go. A refused one is an answer; without a connection there is none. */
const asking =
  (link: Link.Link, address: string): Ask =>
  (commands) =>
    Effect.forEach(
      commands,
      ([name = "", ...args]) =>
        Effect.catch(link.call(name, args), (error): Effect.Effect<unknown, RedisError> => {
          if (error.detail.startsWith("WRONGTYPE")) return Effect.succeed(new Refusal(error.detail))
          const reason = codeOf(Object.assign(new Error(error.detail), { name: "ReplyError" })) === "NOPERM"
          return new RedisError({
            reason: reason ? "NotAllowed" : "Unreachable",
            server: address,
            detail: error.detail
          })
        }),
      { concurrency: "unbounded" }
    )

/** Some of it is there if the queue knows the id. */
const firstLook = (keys: QueueKeys, id: string) => ({
  message: ["hget", keys.messages, id],
  stored: ["hget", keys.bucket(id), id],
  diedAt: ["zscore", keys.dead, id],
  letter: ["hget", keys.letters, id],
  gone: ["sismember", keys.gone, id],
  revoked: ["sismember", keys.revoked, id],
  crashes: ["hget", keys.crashes, id],
  expires: ["hget", keys.expires, id],
  expiring: ["zscore", keys.expiring, id],
  scheduled: ["zmscore", keys.scheduled, ...priorities.map((priority) => `${priority}${id}`)]
})

const watcherCommands = (keys: QueueKeys, id: string): ReadonlyArray<Command> =>
  keys.watchers.map((key) => ["hget", key, id])

const isThere = (value: unknown): boolean =>
  Array.isArray(value) ? value.some(isThere) : value !== null && value !== 0 && !(value instanceof Refusal)

const priorities = Array.from({ length: 10 }, (_, priority) => priority)

/** Consumers come seldom: whoever meets new ones at each look is content with the last one. */
const mostLooks = 5

/** A message moves between its places in one step, so they are looked at in one step. */
const lookInto = Effect.fnUntraced(function* (
  ask: Ask,
  keys: QueueKeys,
  { id, queue }: { readonly id: string; readonly queue: string }
) {
  let consumers = texts((yield* ask([["zrange", keys.consumers, "0", "-1"]]))[0])
  for (let look = 1; ; look += 1) {
    const commands = commandsFor(keys, id, consumers)
    const flat = Object.values(commands).flat()
    const replies = yield* ask([["multi"], ...flat, ["exec"]])
    const executed = replies.at(-1)
    // a command that cannot be queued would have failed before
    const values: Array<unknown> = Array.isArray(executed) ? executed.map(refusalIn) : []
    const valuesOf = (group: keyof typeof commands): ReadonlyArray<unknown> => {
      let at = 0
      for (const [name, some] of Object.entries(commands)) {
        if (name === group) return values.slice(at, at + some.length)
        at += some.length
      }
      return []
    }
    const leases = pairs(valuesOf("consumers")[0])
    const missed = leases.map(([consumer]) => consumer).filter((consumer) => !consumers.includes(consumer))
    if (missed.length === 0 || look === mostLooks)
      return view({ id, queue, keys, consumers, leases: new Map(leases), commands, valuesOf })
    // one that came meanwhile may hold it: look again
    consumers = leases.map(([consumer]) => consumer)
  }
})

const commandsFor = (keys: QueueKeys, id: string, consumers: ReadonlyArray<string>) => {
  const lists = [keys.suspects, ...priorities.map(keys.ready)]
  return {
    facts: Object.values(firstLook(keys, id)),
    watchers: watcherCommands(keys, id),
    consumers: [["zrange", keys.consumers, "0", "-1", "withscores"]],
    held: consumers.map((consumer) => ["hmget", keys.held(consumer), id, " "]),
    heads: lists.map((list) => ["lpos", list, id, "maxlen", String(searched)]),
    tails: lists.map((list) => ["lpos", list, id, "rank", "-1", "maxlen", String(searched)]),
    lengths: lists.map((list) => ["llen", list]),
    time: [["time"]]
  } satisfies Record<string, ReadonlyArray<Command>>
}

interface Look {
  readonly id: string
  readonly queue: string
  readonly keys: QueueKeys
  readonly consumers: ReadonlyArray<string>
  readonly leases: ReadonlyMap<string, number>
  readonly commands: ReturnType<typeof commandsFor>
  readonly valuesOf: (group: keyof ReturnType<typeof commandsFor>) => ReadonlyArray<unknown>
}

const view = (look: Look): Omit<Found, "id" | "queue" | "server"> => {
  const { id, keys, queue, valuesOf } = look
  const commands = firstLook(keys, id)
  const facts = Object.fromEntries(Object.keys(commands).map((name, at) => [name, valuesOf("facts")[at]]))
  const { crashes, diedAt, expires, expiring, gone, letter, message, revoked, stored } = facts
  const [seconds, micros] = texts(valuesOf("time")[0])
  return {
    now: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    message: typeof message === "string" ? { ...messageIn({ id, queue }, message), read: commands.message } : undefined,
    places: placesIn(look, facts),
    crashes: isThere(crashes) ? { count: Number(crashes), read: commands.crashes } : undefined,
    expires: isThere(expires)
      ? { at: Number(expires), waiting: isThere(expiring), read: commands.expires }
      : isThere(expiring)
        ? { at: Number(expiring), waiting: true, read: commands.expiring }
        : undefined,
    traces: [
      ...(isThere(gone) ? [{ name: "gone" as const, read: commands.gone }] : []),
      ...(isThere(revoked) ? [{ name: "revoked" as const, read: commands.revoked }] : [])
    ],
    stored: typeof stored === "string" ? { ...storedIn(stored), text: stored, read: commands.stored } : undefined,
    deadLetter:
      typeof letter === "string"
        ? { ...letterIn({ id, queue }, letter, diedAt), text: letter, read: commands.letter }
        : isThere(diedAt)
          ? {
              diedAt: Number(diedAt),
              reason: undefined,
              message: undefined,
              text: "",
              problem: "it is listed, but there is no letter",
              read: commands.diedAt
            }
          : undefined,
    watchers: watchersIn(look.commands.watchers, valuesOf("watchers"))
  }
}

const placesIn = (look: Look, facts: Readonly<Record<string, unknown>>): ReadonlyArray<Place> => {
  const { commands, consumers, id, keys, leases, valuesOf } = look
  const { crashes, message: wire, scheduled } = facts
  const lengths = valuesOf("lengths").map((length) => (typeof length === "number" ? length : 0))
  const places: Array<Place> = []
  for (const [at, value] of valuesOf("held").entries()) {
    const [fence, description] = Array.isArray(value) ? value : []
    const consumer = consumers[at]!
    if (typeof fence !== "string") continue
    const leaseEnd = leases.get(consumer)
    places.push({
      _tag: "held",
      consumer,
      worker: workerIn(description),
      fence: Math.abs(Number(fence)),
      revoked: fence.startsWith("-"),
      leaseEnd: leaseEnd === undefined || leaseEnd < 0 ? undefined : leaseEnd,
      read: ["hget", keys.held(consumer), id]
    })
  }
  for (const [priority, due] of (Array.isArray(scheduled) ? scheduled : []).entries()) {
    if (due === null) continue
    const read = ["zscore", keys.scheduled, `${priority}${id}`]
    places.push({ _tag: "scheduled", priority, dueAt: Number(due), read })
  }
  // an id without a message is a hole: see `traces`
  if (typeof wire !== "string") return places
  for (const [at, head] of valuesOf("heads").entries()) {
    const [index, read] =
      typeof head === "number" ? [head, commands.heads[at]!] : [valuesOf("tails")[at], commands.tails[at]!]
    if (typeof index === "number") places.push(waiting(at, index, lengths[at]!, read))
  }
  const list = Number(crashes ?? 0) >= 2 ? 0 : priorityOf(wire) + 1
  // it was seen nowhere: it can only be in the middle of its list, if that has one
  return places.length > 0 || lengths[list]! <= 2 * searched
    ? places
    : [waiting(list, undefined, lengths[list]!, commands.heads[list]!.slice(0, 3))]
}

/** What is no message gets the default, as in `lua/lib/queue.lua`. */
const priorityOf = (wire: string): number => (/^.\d/s.test(wire) ? Number(wire[1]) : 5)

/** `at`: 0 for the suspects, else the priority and one. */
const waiting = (at: number, ahead: number | undefined, length: number, read: Command): Place =>
  at === 0 ? { _tag: "suspect", ahead, length, read } : { _tag: "ready", priority: at - 1, ahead, length, read }

const workerIn = (description: unknown): string | undefined => {
  const found = typeof description === "string" ? json(description) : undefined
  return isObject(found) && typeof found.worker === "string" ? found.worker : undefined
}

const messageIn = (
  address: { readonly id: string; readonly queue: string },
  text: string
): Decoded<Message.Message> => {
  const read = Message.decode(address, text)
  return {
    text,
    content: Result.getOrUndefined(read),
    problem: Result.isFailure(read) ? read.failure.detail : undefined
  }
}

const recordIn = (text: string): Decoded<TaskRecord.TaskRecord> => {
  const read = TaskRecord.decode(text)
  return { text, content: Result.getOrUndefined(read), problem: Result.isFailure(read) ? read.failure : undefined }
}

/** The forms are those of `lua/lib/records.lua`. Lua counts bytes, so they are cut as bytes. */
const storedIn = (text: string): Stored => {
  const bytes = new TextEncoder().encode(text)
  const part = (first: number, end?: number) => new TextDecoder().decode(bytes.subarray(first, end))
  const time = (first: number) =>
    /^\d{13}$/.test(part(first, first + 13)) ? Number(part(first, first + 13)) : undefined
  const unreadable = (problem: string): Stored => ({ _tag: "unreadable", problem })

  const expiresAt = time(1)
  if (expiresAt === undefined) return unreadable("it does not begin with a letter and a time of 13 digits")
  switch (text[0]) {
    case "r":
      return { _tag: "record", expiresAt, record: recordIn(part(14)) }
    case "t": {
      const tombstoneExpiresAt = time(14)
      const [head, length] = /^(\d+):/.exec(part(27, 40)) ?? []
      if (tombstoneExpiresAt === undefined || head === undefined) {
        return unreadable("a record with a tombstone has two times and a length")
      }
      const first = 27 + head.length
      const border = first + Number(length)
      return {
        _tag: "record with tombstone",
        expiresAt,
        record: recordIn(part(border)),
        tombstone: recordIn(part(first, border)),
        tombstoneExpiresAt
      }
    }
    case "n":
      return notesIn(expiresAt, part(14)) ?? unreadable("its notes are no JSON of the form that workers write")
    default:
      return unreadable(
        `it begins with "${text[0]}", which is none of r (record), t (record with tombstone), n (notes)`
      )
  }
}

const notesIn = (expiresAt: number, text: string): Stored | undefined => {
  const notes = json(text)
  if (!isObject(notes)) return undefined
  const { attempts, fence, progress } = notes
  const timed = (item: unknown): readonly [string, number] | undefined =>
    Array.isArray(item) && typeof item[0] === "string" ? [item[0], Number(item[1])] : undefined
  const last = timed(progress)
  return {
    _tag: "notes",
    expiresAt,
    fence: Number(fence),
    progress: last && { value: last[0], expiresAt: last[1] },
    // an empty list of Lua is an empty object of JSON
    attempts: (Array.isArray(attempts) ? attempts : []).map((item: unknown) => {
      const [text, expiresAt] = timed(item) ?? [JSON.stringify(item), expiresAtUnknown]
      const content = TaskRecord.decodeAttempt(text)
      return { text, content, problem: content === undefined ? "it is no note of an attempt" : undefined, expiresAt }
    })
  }
}

const expiresAtUnknown = 0

const letterIn = (
  address: { readonly id: string; readonly queue: string },
  text: string,
  diedAt: unknown
): Omit<NonNullable<Found["deadLetter"]>, "text" | "read"> => {
  const letter = json(text)
  const known = isObject(letter) && typeof letter.wire === "string" ? letter : undefined
  return {
    diedAt: isThere(diedAt) ? Number(diedAt) : typeof known?.at === "number" ? known.at : undefined,
    reason: typeof known?.reason === "string" ? known.reason : undefined,
    message: typeof known?.wire === "string" ? messageIn(address, known.wire) : undefined,
    problem: known === undefined ? "it is no JSON object with the wire form of a message" : undefined
  }
}

/** A client asks again and again, and may stand in more than one place. */
const watchersIn = (commands: ReadonlyArray<Command>, values: ReadonlyArray<unknown>): Found["watchers"] => {
  const clients = new Map<string, { readonly client: string; readonly changes: boolean; readonly read: Command }>()
  for (const [at, value] of values.entries()) {
    for (const name of typeof value === "string" ? value.split(",").filter((name) => name !== "") : []) {
      const client = name.replace(/\*$/, "")
      const changes = name.endsWith("*") || clients.get(client)?.changes === true
      clients.set(client, { client, changes, read: commands[at]! })
    }
  }
  return Array.from(clients.values())
}

/** In the reply of a transaction errors are values. */
const refusalIn = (value: unknown): unknown => (value instanceof Error ? new Refusal(value.message) : value)

const texts = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.map(String) : [])

const pairs = (value: unknown): ReadonlyArray<[string, number]> => {
  // each pair is a list of its own, or all are one list: so the versions of the protocol differ
  const flat = Array.isArray(value) ? texts(value.flat()) : []
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at]!, Number(flat[2 * at + 1])])
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const json = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
