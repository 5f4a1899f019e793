/**
 * Records of messages that ended, notes about those that have not, and who wants to be told: the atomic steps of the
 * `ResultBackend` contract as plain functions on plain state.
 *
 * Expired records and notes are never read. They leave when they are looked up, and each write visits a few others, so
 * that the store holds at most about twice of what lives.
 *
 * @since 0.1.0
 */
import type { Address } from "../Broker.ts"
import { maxAttemptNotes, replyChannel } from "../ResultBackend.ts"
import type { Commit, Interest, Note, Stored } from "../ResultBackend.ts"
import { Sweeper } from "./Sweeper.ts"

/** Something that was written for a time: `expiresAt` in milliseconds since 1970. */
interface Timed {
  readonly value: string
  readonly expiresAt: number
}

interface Kept extends Timed {
  readonly id: string
  readonly shelf: Shelf
}

interface Notes {
  readonly id: string
  readonly shelf: Shelf
  /** The highest fence that wrote here. */
  fence: number
  progress: Timed | undefined
  attempts: ReadonlyArray<Timed>
  /** When the last of them expires. */
  expiresAt: number
}

/**
 * What is kept for the messages of one queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shelf {
  readonly queue: string
  readonly records: Map<string, Kept>
  readonly notes: Map<string, Notes>
  readonly watchers: Map<string, Map<string, Interest>>
}

/**
 * Sends a push; answers how many listen to the channel.
 *
 * @category models
 * @since 0.1.0
 */
export type Push = (channel: string, message: string) => number

/**
 * @category models
 * @since 0.1.0
 */
export interface Records {
  readonly push: Push
  readonly shelves: Map<string, Shelf>
  readonly expiredRecords: Sweeper<Kept>
  readonly expiredNotes: Sweeper<Notes>
  /** The time of the step that sweeps. */
  now: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (push: Push): Records => {
  const shelves = new Map<string, Shelf>()
  const records: Records = {
    push,
    shelves,
    expiredRecords: new Sweeper(
      function* () {
        for (const shelf of shelves.values()) yield* shelf.records.values()
      },
      (kept) => {
        if (kept.expiresAt <= records.now) kept.shelf.records.delete(kept.id)
      }
    ),
    expiredNotes: new Sweeper(
      function* () {
        for (const shelf of shelves.values()) yield* shelf.notes.values()
      },
      (notes) => {
        if (notes.expiresAt <= records.now) notes.shelf.notes.delete(notes.id)
      }
    ),
    now: 0
  }
  return records
}

/**
 * @category getters
 * @since 0.1.0
 */
export const shelfOf = (records: Records, queue: string): Shelf => {
  let shelf = records.shelves.get(queue)
  if (shelf === undefined) {
    shelf = { queue, records: new Map(), notes: new Map(), watchers: new Map() }
    records.shelves.set(queue, shelf)
  }
  return shelf
}

/**
 * Whether a terminal record or a tombstone of the id lives.
 *
 * @category getters
 * @since 0.1.0
 */
export const hasRecord = (shelf: Shelf, now: number, id: string): boolean => recordOf(shelf, now, id) !== undefined

const recordOf = (shelf: Shelf, now: number, id: string): Kept | undefined => {
  const kept = shelf.records.get(id)
  if (kept === undefined || kept.expiresAt > now) return kept
  shelf.records.delete(id)
  return undefined
}

const notesOf = (shelf: Shelf, now: number, id: string): Notes | undefined => {
  const notes = shelf.notes.get(id)
  if (notes === undefined || notes.expiresAt > now) return notes
  shelf.notes.delete(id)
  return undefined
}

/**
 * Stores the record of a message that ended, unless one lives. Answers whether it was stored.
 *
 * @category steps
 * @since 0.1.0
 */
export const keep = (
  records: Records,
  shelf: Shelf,
  now: number,
  id: string,
  record: { readonly value: string; readonly ttl: number }
): boolean => {
  records.now = now
  // two for each that comes: so a round ends, however many come
  records.expiredRecords.sweep(2)
  if (hasRecord(shelf, now, id)) return false // first commit wins
  shelf.records.set(id, { id, shelf, value: record.value, expiresAt: now + record.ttl })
  if (shelf.notes.size > 0) shelf.notes.delete(id)
  tellEnd(records, shelf, id)
  return true
}

/**
 * Tells everybody who watches the message that it is over, and forgets that they watched.
 *
 * @category steps
 * @since 0.1.0
 */
export const tellEnd = (records: Records, shelf: Shelf, id: string): void => {
  if (shelf.watchers.size === 0) return
  const clients = shelf.watchers.get(id)
  if (clients === undefined) return
  shelf.watchers.delete(id)
  for (const client of clients.keys()) tell(records, shelf, client, id)
}

/**
 * Tells those who watch every change of the message.
 *
 * @category steps
 * @since 0.1.0
 */
export const tellChange = (records: Records, shelf: Shelf, id: string): void => {
  if (shelf.watchers.size === 0) return
  const clients = shelf.watchers.get(id)
  if (clients === undefined) return
  for (const [client, interest] of clients) if (interest === "changes") tell(records, shelf, client, id)
}

const tell = (records: Records, shelf: Shelf, client: string, id: string): void => {
  records.push(replyChannel(client), JSON.stringify([id, shelf.queue]))
}

/**
 * Adds a note of the given kind. Whether its author owns the message is for the caller to know.
 *
 * @category steps
 * @since 0.1.0
 */
export const annotate = (
  records: Records,
  shelf: Shelf,
  now: number,
  note: Pick<Note, "id" | "kind" | "fence" | "value" | "ttl">
): boolean => {
  records.now = now
  records.expiredNotes.sweep(2)
  const { id } = note
  if (hasRecord(shelf, now, id)) return false // it is over
  let notes = notesOf(shelf, now, id)
  if (notes === undefined) {
    notes = { id, shelf, fence: note.fence, progress: undefined, attempts: [], expiresAt: 0 }
    shelf.notes.set(id, notes)
  }
  if (note.fence < notes.fence) return false // fence: a later delivery has written
  notes.fence = note.fence
  const written: Timed = { value: note.value, expiresAt: now + note.ttl }
  notes.expiresAt = Math.max(notes.expiresAt, written.expiresAt)
  if (note.kind === "progress") notes.progress = written
  else notes.attempts = [...notes.attempts, written].slice(-maxAttemptNotes)
  tellChange(records, shelf, id)
  return true
}

/**
 * @category steps
 * @since 0.1.0
 */
export const commit = (
  records: Records,
  now: number,
  commits: ReadonlyArray<Commit>
): ReadonlyArray<"committed" | "lost"> =>
  commits.map((one) => (keep(records, shelfOf(records, one.queue), now, one.id, one) ? "committed" : "lost"))

/**
 * @category steps
 * @since 0.1.0
 */
export const read = (records: Records, now: number, addresses: ReadonlyArray<Address>): ReadonlyArray<Stored> =>
  addresses.map(({ id, queue }) => stored(records.shelves.get(queue), now, id))

const nothing: Stored = { record: undefined, progress: undefined, attempts: [] }

const stored = (shelf: Shelf | undefined, now: number, id: string): Stored => {
  if (shelf === undefined) return nothing
  const record = recordOf(shelf, now, id)?.value
  const notes = notesOf(shelf, now, id)
  if (notes === undefined) return record === undefined ? nothing : { ...nothing, record }
  const lives = (note: Timed | undefined): note is Timed => note !== undefined && note.expiresAt > now
  return {
    record,
    progress: lives(notes.progress) ? notes.progress.value : undefined,
    attempts: notes.attempts.filter(lives).map((attempt) => attempt.value)
  }
}

/**
 * Registers the client for those that have not ended, then reads them all. Who watches every change goes on doing so when
 * the end is asked for as well.
 *
 * @category steps
 * @since 0.1.0
 */
export const watch = (
  records: Records,
  now: number,
  client: string,
  addresses: ReadonlyArray<Address>,
  interest: Interest
): ReadonlyArray<Stored> =>
  addresses.map(({ id, queue }) => {
    const shelf = shelfOf(records, queue)
    const found = stored(shelf, now, id)
    if (found.record !== undefined) return found
    let clients = shelf.watchers.get(id)
    if (clients === undefined) {
      clients = new Map()
      shelf.watchers.set(id, clients)
    }
    if (clients.get(client) !== "changes") clients.set(client, interest)
    return found
  })

/**
 * @category steps
 * @since 0.1.0
 */
export const unwatch = (records: Records, client: string, addresses: ReadonlyArray<Address>): void => {
  for (const { id, queue } of addresses) {
    const watchers = records.shelves.get(queue)?.watchers
    const clients = watchers?.get(id)
    if (watchers === undefined || clients === undefined) continue
    clients.delete(client)
    if (clients.size === 0) watchers.delete(id)
  }
}

/**
 * Replaces the records that live by the tombstone, or removes them. A message that has not ended has no record and gets
 * no tombstone: it would seem to have ended.
 *
 * @category steps
 * @since 0.1.0
 */
export const forget = (
  records: Records,
  now: number,
  addresses: ReadonlyArray<Address>,
  tombstone: { readonly value: string; readonly ttl: number } | undefined
): void => {
  for (const { id, queue } of addresses) {
    const shelf = records.shelves.get(queue)
    if (shelf === undefined) continue
    shelf.notes.delete(id)
    if (!hasRecord(shelf, now, id)) continue // only what has ended
    if (tombstone === undefined) shelf.records.delete(id)
    else shelf.records.set(id, { id, shelf, value: tombstone.value, expiresAt: now + tombstone.ttl })
  }
}
