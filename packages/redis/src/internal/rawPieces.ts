/** Reads the pieces of a look: where the message stands, what is stored, its letter, who watches it. Pure and total. */
import * as Message from "celeriac/Message"
import * as TaskRecord from "celeriac/TaskRecord"
import * as Result from "effect/Result"
import type { Command, Decoded, Found, Place, Stored } from "../RawTask.ts"
import { firstLook, isThere, type Look, searched, texts } from "./rawLook.ts"

/** All that a look says. */
export const view = (look: Look): Omit<Found, "id" | "queue" | "server"> => {
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

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const json = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
