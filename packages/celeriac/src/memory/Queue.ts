/**
 * The state of one queue, and the moves that the atomic steps of `Store` are made of. Nothing here decides whether a step
 * is allowed: the guards stand in `Store`.
 *
 * @since 0.1.0
 */
import { wakeChannel } from "../Broker.ts"
import type { DeadLetter } from "../Broker.ts"
import { DueHeap } from "./DueHeap.ts"
import type { Node } from "./DueHeap.ts"
import { LinkedList } from "./LinkedList.ts"
import type { Linked } from "./LinkedList.ts"
import * as Publishers from "./Publishers.ts"
import type { Push, Shelf } from "./Records.ts"
import { Ring } from "./Ring.ts"

/**
 * How many dead letters of a queue are kept: the latest ones.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDeadLetters = 10_000

/**
 * How many characters the wire forms of a queue's dead letters may have together. The latest one is kept whatever it has.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDeadCharacters = 64 * 1024 * 1024

/**
 * A message with so many crashed deliveries is given to a consumer that holds nothing else.
 *
 * @category constants
 * @since 0.1.0
 */
export const suspectCrashes = 2

/**
 * So much later than a due time that nobody came for, its duty passes to whoever asks, in milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const alarmPatience = 500

/**
 * A message that has not ended. It is in one place: in a `list` (ready, or suspect), `due` later, or held by `holder`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry extends Linked<Entry> {
  readonly id: string
  readonly queue: Queue
  wire: string
  priority: number
  crashes: number
  /** Of its latest delivery. */
  fence: number
  holder: Holder | undefined
  due: Node<Entry> | undefined
  expiresAt: number | undefined
  /** While it waits: where it stands among those that can expire. */
  expiry: Node<Entry> | undefined
  /** It was ended from outside while it was held: its holder has it in its hands, and nobody else knows it. */
  revoked: boolean
}

/**
 * A consumer as one queue knows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly id: string
  /** Length of its lease in milliseconds. */
  lease: number
  /** Milliseconds since 1970; -1 = its messages are being given back. */
  leaseEnd: number
  /** In the order in which they were claimed. */
  readonly held: Map<string, Entry>
  /** What recovery has still to give back, the next one last. */
  returning: Array<Entry> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Queue {
  readonly name: string
  readonly shelf: Shelf
  /** Messages that have not ended, wherever they are. */
  readonly live: Map<string, Entry>
  /** Revoked ones that their holder has not let go of. */
  readonly revoked: Map<string, Entry>
  /** One list for each priority. */
  readonly ready: ReadonlyArray<LinkedList<Entry>>
  readonly suspects: LinkedList<Entry>
  readonly scheduled: DueHeap<Entry>
  readonly consumers: Map<string, Holder>
  /** Consumers whose last claim found too little, with their free slots; who waits longest comes first. */
  readonly idle: Map<Holder, number>
  /** Who claims when the next scheduled message falls due, and at what time. */
  alarm: { readonly due: number; readonly holder: Holder } | undefined
  /** Who was told to claim a suspect, and until when the others leave it to that consumer. */
  reservation: { readonly holder: Holder; readonly until: number } | undefined
  /** Waiting and scheduled messages of all queues that must not start after some time, by that time. */
  readonly expiries: DueHeap<Entry>
  readonly publishers: Publishers.Publishers
  readonly dead: Ring<DeadLetter>
  /** Grows with every claim. */
  fence: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, shelf: Shelf, expiries: DueHeap<Entry>): Queue => ({
  name,
  shelf,
  live: new Map(),
  revoked: new Map(),
  ready: Array.from({ length: 10 }, () => new LinkedList<Entry>()),
  suspects: new LinkedList(),
  scheduled: new DueHeap(),
  consumers: new Map(),
  idle: new Map(),
  alarm: undefined,
  reservation: undefined,
  expiries,
  publishers: Publishers.make(),
  dead: new Ring(maxDeadLetters, maxDeadCharacters, ({ wire }) => wire.length),
  fence: 0
})

/**
 * The priority that a wire form asks for: its second character. Something that is no message gets the default, so that it
 * is claimed and becomes a dead letter.
 *
 * @category getters
 * @since 0.1.0
 */
export const priorityOf = (wire: string): number => {
  const digit = wire.charCodeAt(1) - 48
  return digit >= 0 && digit <= 9 ? digit : 5
}

/**
 * How many messages an ordinary claim could take.
 *
 * @category getters
 * @since 0.1.0
 */
export const readyCount = (queue: Queue): number => {
  let count = 0
  for (const list of queue.ready) count += list.size
  return count
}

/**
 * Makes a message ready that is in no place. Answers how much work for ordinary claims this adds.
 *
 * @category moves
 * @since 0.1.0
 */
export const makeReady = (entry: Entry, end: "head" | "tail"): 0 | 1 => {
  canExpire(entry)
  const suspect = entry.crashes >= suspectCrashes // a suspect is claimed alone
  const list = suspect ? entry.queue.suspects : entry.queue.ready[entry.priority]!
  if (end === "head") list.pushHead(entry)
  else list.pushTail(entry)
  return suspect ? 0 : 1
}

/**
 * Puts a message that is in no place where its time asks for.
 *
 * @category moves
 * @since 0.1.0
 */
export const place = (entry: Entry, now: number, dueAt: number, end: "head" | "tail"): 0 | 1 => {
  if (dueAt <= now) return makeReady(entry, end)
  canExpire(entry)
  entry.due = entry.queue.scheduled.add(dueAt, entry)
  return 0
}

const canExpire = (entry: Entry): void => {
  if (entry.expiresAt !== undefined) entry.expiry = entry.queue.expiries.add(entry.expiresAt, entry)
}

/**
 * Takes a waiting or scheduled message out of its place.
 *
 * @category moves
 * @since 0.1.0
 */
export const take = (entry: Entry): void => {
  entry.list?.remove(entry)
  if (entry.due !== undefined) entry.queue.scheduled.remove(entry.due)
  entry.due = undefined
  if (entry.expiry !== undefined) entry.queue.expiries.remove(entry.expiry)
  entry.expiry = undefined
}

/**
 * Puts a message that is in no place into the hands of a consumer.
 *
 * @category moves
 * @since 0.1.0
 */
export const give = (entry: Entry, holder: Holder, fence: number): void => {
  entry.holder = holder
  entry.fence = fence
  holder.held.set(entry.id, entry)
}

/**
 * Takes a message out of the hands of its holder.
 *
 * @category moves
 * @since 0.1.0
 */
export const letGo = (entry: Entry): void => {
  entry.holder?.held.delete(entry.id)
  entry.holder = undefined
  if (entry.revoked) entry.queue.revoked.delete(entry.id)
}

/**
 * Makes scheduled messages ready whose time has come, at most `limit`. Answers how many.
 *
 * @category moves
 * @since 0.1.0
 */
export const promote = (queue: Queue, now: number, limit: number): number => {
  let promoted = 0
  for (; promoted < limit; promoted++) {
    const next = queue.scheduled.peek()
    if (next === undefined || next.time > now) break
    take(next.value)
    makeReady(next.value, "tail")
  }
  return promoted
}

/**
 * Whether somebody will claim when this time comes.
 *
 * @category getters
 * @since 0.1.0
 */
export const isWatched = (queue: Queue, now: number, due: number): boolean =>
  queue.alarm !== undefined && queue.alarm.due <= due && queue.alarm.due + alarmPatience >= now

/**
 * Whether a consumer was told to take a suspect, and may still come for it.
 *
 * @category getters
 * @since 0.1.0
 */
export const isReserved = (queue: Queue, now: number): boolean =>
  queue.reservation !== undefined && queue.reservation.until > now && queue.reservation.holder.leaseEnd >= 0

/**
 * Tells as many idle consumers as it takes to cover the work that was added, and one more for a due time that nobody
 * watches and for a suspect that nobody was told of. A push that reaches nobody does not count.
 *
 * @category moves
 * @since 0.1.0
 */
export const wake = (queue: Queue, now: number, added: number, push: Push): void => {
  if (queue.idle.size === 0) return
  let missing = added
  const next = queue.scheduled.peek()
  if (next !== undefined && !isWatched(queue, now, next.time)) missing++
  if (queue.suspects.size > 0 && !isReserved(queue, now)) missing++
  if (missing === 0) return
  for (const [holder, free] of queue.idle) {
    queue.idle.delete(holder)
    if (push(wakeChannel(holder.id), queue.name) > 0) missing -= free
    if (missing <= 0) return
  }
}

/**
 * Takes a consumer off the books: what it watched or was told of is for others to care about.
 *
 * @category moves
 * @since 0.1.0
 */
export const dismiss = (queue: Queue, holder: Holder): void => {
  queue.consumers.delete(holder.id)
  holder.leaseEnd = -1
  retire(queue, holder)
}

/**
 * A consumer that takes nothing any more is not idle and watches no due time.
 *
 * @category moves
 * @since 0.1.0
 */
export const retire = (queue: Queue, holder: Holder): void => {
  queue.idle.delete(holder)
  if (queue.alarm?.holder === holder) queue.alarm = undefined
}
