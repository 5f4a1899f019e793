/**
 * Records of messages that ended, notes about those that have not, and who wants to be told: the atomic steps of the
 * `ResultBackend` contract as plain functions on plain state.
 *
 * Expired records and notes are never read. They leave when they are looked up, and each write visits a few others, so
 * that the store holds at most about twice of what lives.
 *
 * @since 0.1.0
 */
import type { Address, Written } from "../Broker.ts"
import { maxAttemptNotes, replyChannel, watchFor } from "../ResultBackend.ts"
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
  /** What takes its place when its time is over. */
  readonly tombstone: Timed | undefined
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
  readonly watched: Map<string, Watched>
}

/** Who wants to be told of a message. */
interface Watched {
  readonly id: string
  readonly shelf: Shelf
  readonly clients: Map<string, { readonly interest: Interest; readonly until: number }>
}

/**
 * Sends a push; answers how many listen to the channel.
 *
 * @category models
 * @since 0.1.0
 */
export type Push = (channel: string, message: string) => number

/**
 * Whether the queue of that name holds the message; `undefined` where messages live on another server.
 *
 * @category models
 * @since 0.1.0
 */
export type Lives = (queue: string, id: string) => boolean | undefined

/**
 * @category models
 * @since 0.1.0
 */
export interface Records {
  readonly push: Push
  readonly lives: Lives
  readonly shelves: Map<string, Shelf>
  readonly expiredRecords: Sweeper<Kept>
  readonly expiredNotes: Sweeper<Notes>
  readonly expiredWatches: Sweeper<Watched>
  /** The time of the step that sweeps. */
  now: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (push: Push, lives: Lives = () => undefined): Records => {
  const shelves = new Map<string, Shelf>()
  const records: Records = {
    push,
    lives,
    shelves,
    expiredRecords: new Sweeper(
      function* () {
        for (const shelf of shelves.values()) yield* shelf.records.values()
      },
      (kept) => void recordOf(kept.shelf, records.now, kept.id)
    ),
    expiredNotes: new Sweeper(
      function* () {
        for (const shelf of shelves.values()) yield* shelf.notes.values()
      },
      (notes) => {
        if (notes.expiresAt <= records.now) notes.shelf.notes.delete(notes.id)
      }
    ),
    expiredWatches: new Sweeper(
      function* () {
        for (const shelf of shelves.values()) yield* shelf.watched.values()
      },
      ({ clients, id, shelf }) => {
        for (const [client, { until }] of clients) if (until <= records.now) clients.delete(client)
        if (clients.size === 0) shelf.watched.delete(id)
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
    shelf = { queue, records: new Map(), notes: new Map(), watched: new Map() }
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
  const { tombstone } = kept
  if (tombstone === undefined || tombstone.expiresAt <= now) {
    shelf.records.delete(id)
    return undefined
  }
  const buried: Kept = { ...kept, ...tombstone, tombstone: undefined }
  shelf.records.set(id, buried)
  return buried
}

/**
 * The record or tombstone that lives, and for how many milliseconds there will be one.
 *
 * @category getters
 * @since 0.1.0
 */
export const whatIsKept = (
  shelf: Shelf,
  now: number,
  id: string
): { readonly record: string; readonly ttl: number } | undefined => {
  const kept = recordOf(shelf, now, id)
  if (kept === undefined) return undefined
  return { record: kept.value, ttl: Math.max(kept.expiresAt, kept.tombstone?.expiresAt ?? 0) - now }
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
  { tombstone, ttl, value }: Written
): boolean => {
  records.now = now
  // two for each that comes: so a round ends, however many come
  records.expiredRecords.sweep(2)
  if (hasRecord(shelf, now, id)) return false // first commit wins
  shelf.records.set(id, {
    id,
    shelf,
    value,
    expiresAt: now + ttl,
    tombstone: tombstone && { value: tombstone.value, expiresAt: now + tombstone.ttl }
  })
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
  if (shelf.watched.size === 0) return
  const watched = shelf.watched.get(id)
  if (watched === undefined) return
  shelf.watched.delete(id)
  for (const client of watched.clients.keys()) tell(records, shelf, client, id)
}

/**
 * Tells those who watch every change of the message.
 *
 * @category steps
 * @since 0.1.0
 */
export const tellChange = (records: Records, shelf: Shelf, id: string): void => {
  if (shelf.watched.size === 0) return
  const watched = shelf.watched.get(id)
  if (watched === undefined) return
  for (const [client, { interest }] of watched.clients) if (interest === "changes") tell(records, shelf, client, id)
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
  addresses.map((address) => stored(records, now, address))

const stored = (records: Records, now: number, { id, queue }: Address): Stored => {
  const live = records.lives(queue, id)
  const shelf = records.shelves.get(queue)
  const record = shelf && recordOf(shelf, now, id)?.value
  const notes = shelf && notesOf(shelf, now, id)
  if (notes === undefined) return { record, progress: undefined, attempts: [], live }
  const lasts = (note: Timed | undefined): note is Timed => note !== undefined && note.expiresAt > now
  return {
    record,
    progress: lasts(notes.progress) ? notes.progress.value : undefined,
    attempts: notes.attempts.filter(lasts).map((attempt) => attempt.value),
    live
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
): ReadonlyArray<Stored> => {
  records.now = now
  return addresses.map((address) => {
    const { id, queue } = address
    records.expiredWatches.sweep(2)
    const found = stored(records, now, address)
    if (found.record !== undefined) return found
    const shelf = shelfOf(records, queue)
    let watched = shelf.watched.get(id)
    if (watched === undefined) {
      watched = { id, shelf, clients: new Map() }
      shelf.watched.set(id, watched)
    }
    const all = interest === "changes" || watched.clients.get(client)?.interest === "changes"
    watched.clients.set(client, { interest: all ? "changes" : "end", until: now + watchFor })
    return found
  })
}

/**
 * @category steps
 * @since 0.1.0
 */
export const unwatch = (records: Records, client: string, addresses: ReadonlyArray<Address>): void => {
  for (const { id, queue } of addresses) {
    const watched = records.shelves.get(queue)?.watched.get(id)
    if (watched === undefined) continue
    watched.clients.delete(client)
    if (watched.clients.size === 0) watched.shelf.watched.delete(id)
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
    else {
      const expiresAt = now + tombstone.ttl
      shelf.records.set(id, { id, shelf, value: tombstone.value, expiresAt, tombstone: undefined })
    }
  }
}
