/**
 * The memory broker as a state machine: one plain function for each atomic step of the `Broker` contract, in the terms that
 * the scripts of other drivers use. Each step takes the time, is safe to run twice, and is bounded. The steps of consumers
 * that come, stay and go are in `Leases`, those of records in `Records`.
 *
 * **Ownership.** A consumer owns a delivery while the queue has the message among those that the consumer holds, with the
 * fence of that delivery. Fences are the number of the claim: a late command about an earlier delivery names an earlier
 * claim, also when the same consumer has claimed the message again.
 *
 * @since 0.1.0
 */
import { revokeChannel } from "../Broker.ts"
import type {
  Address,
  Batch,
  Claim,
  DeadLetter,
  Delivery,
  Demand,
  EndReply,
  Kept,
  Meant,
  Overdue,
  Publication,
  QueueCounts,
  Receipt,
  Settlement,
  SettleReply,
  Termination,
  Whereabouts,
  Written
} from "../Broker.ts"
import type { Note } from "../ResultBackend.ts"
import { DueHeap } from "./DueHeap.ts"
import * as Publishers from "./Publishers.ts"
import * as Queue from "./Queue.ts"
import type { Entry, Holder } from "./Queue.ts"
import * as Records from "./Records.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Store {
  readonly push: Records.Push
  readonly queues: Map<string, Queue.Queue>
  readonly records: Records.Records
  /** Waiting and scheduled messages that must not start after some time, by that time. */
  readonly expiries: DueHeap<Entry>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (push: Records.Push): Store => {
  const queues: Store["queues"] = new Map()
  return {
    push,
    queues,
    // a store of results alone knows no queue
    records: Records.make(push, (queue, id) => queues.get(queue)?.live.has(id)),
    expiries: new DueHeap()
  }
}

/**
 * The queue of that name, which comes into being with its first message or consumer.
 *
 * @category getters
 * @since 0.1.0
 */
export const queueOf = (store: Store, name: string): Queue.Queue => {
  let queue = store.queues.get(name)
  if (queue === undefined) {
    queue = Queue.make(name, Records.shelfOf(store.records, name), store.expiries)
    store.queues.set(name, queue)
  }
  return queue
}

/**
 * Accepts messages of one queue. One receipt a message, in their order.
 *
 * Twice: the second answer is the first one. A late copy of a batch whose answer is forgotten does nothing.
 *
 * @category steps
 * @since 0.1.0
 */
export const publish = (
  store: Store,
  now: number,
  name: string,
  { messages, publisher: publisherName, resend, sequence }: Batch
): ReadonlyArray<Receipt> => {
  const queue = queueOf(store, name)
  const publisher = Publishers.get(queue.publishers, now, publisherName)
  if (sequence <= publisher.highest) {
    const answer = Publishers.recall(publisher, sequence)
    if (answer !== undefined) return answer // carried out before
    if (!resend) return messages.map(() => "duplicate") // a late copy
  }
  let added = 0
  const receipts = messages.map((message): Receipt => {
    const answer = accept(queue, now, message, resend)
    if (answer === "in use") return resend && message.checked !== true ? "accepted" : "duplicate"
    added += answer
    return "accepted"
  })
  Publishers.remember(publisher, sequence, receipts)
  Queue.wake(queue, now, added, store.push)
  return receipts
}

/** Takes a message in, if its id is free. Answers how much work for ordinary claims this adds. */
const accept = (queue: Queue.Queue, now: number, message: Publication, lookUp: boolean): 0 | 1 | "in use" => {
  const { id, wire } = message
  if (queue.live.has(id)) return "in use" // one place
  if (queue.revoked.has(id)) return "in use" // still in the hands of a consumer
  if ((lookUp || message.checked === true) && Records.hasRecord(queue.shelf, now, id)) return "in use" // ended before
  const entry: Entry = {
    id,
    queue,
    wire,
    priority: Queue.priorityOf(wire),
    crashes: 0,
    fence: 0,
    holder: undefined,
    list: undefined,
    previous: undefined,
    next: undefined,
    due: undefined,
    expiresAt: message.expiresAt,
    expiry: undefined,
    revoked: false
  }
  queue.live.set(id, entry)
  return Queue.place(entry, now, message.at ?? now + (message.delay ?? 0), "tail")
}

/**
 * The consumer, unless it is unknown or its messages are being given back.
 *
 * @category getters
 * @since 0.1.0
 */
export const registered = (store: Store, name: string, consumer: string): Holder | undefined => {
  const holder = store.queues.get(name)?.consumers.get(consumer)
  if (holder === undefined) return undefined
  if (holder.leaseEnd < 0) return undefined // recovery began
  return holder
}

/**
 * Gives messages of one queue to a consumer. `undefined`: the consumer is lost.
 *
 * Twice: takes others. Whoever does not learn of the first ones finds them by `renew` and `reconcile`.
 *
 * @category steps
 * @since 0.1.0
 */
export const claim = (store: Store, now: number, consumer: string, demand: Demand): Claim | undefined => {
  const holder = registered(store, demand.queue, consumer)
  if (holder === undefined) return undefined // registration
  const queue = queueOf(store, demand.queue)
  queue.idle.delete(holder)
  queue.fence++
  const deliveries: Array<Delivery> = []
  if (demand.alone === true) {
    if (queue.reservation?.holder === holder) queue.reservation = undefined
    if (demand.count > 0 && queue.suspects.head !== undefined)
      deliveries.push(deliver(store, queue, holder, queue.suspects.head))
    // it takes no other work: if it was told of some, that is passed on
    Queue.wake(queue, now, Queue.readyCount(queue), store.push)
    return { deliveries, dueIn: undefined, idle: queue.idle.size, suspect: false }
  }
  Queue.promote(queue, now, Math.max(demand.count, 200))
  let size = 0
  for (let priority = 9; priority >= 0; priority--) {
    const list = queue.ready[priority]!
    while (list.head !== undefined && deliveries.length < demand.count && (size === 0 || size < demand.bytes)) {
      size += list.head.wire.length
      deliveries.push(deliver(store, queue, holder, list.head))
    }
  }
  const suspect = reserve(queue, now, holder)
  const left = Queue.readyCount(queue)
  // it looks again when it is told to: only if nothing was left for it, and no other duty keeps it busy
  const idle = left === 0 && deliveries.length < demand.count && !suspect
  if (idle) queue.idle.set(holder, demand.count - deliveries.length)
  const dueIn = watchNext(queue, now, holder, idle)
  Queue.wake(queue, now, left, store.push)
  return { deliveries, dueIn, idle: queue.idle.size, suspect }
}

const deliver = (store: Store, queue: Queue.Queue, holder: Holder, entry: Entry): Delivery => {
  const { crashes, id, wire } = entry
  const { fence, name } = queue
  Queue.take(entry)
  Queue.give(entry, holder, fence)
  Records.tellChange(store.records, queue.shelf, id)
  return { id, queue: name, wire, fence, crashes }
}

/** Whether this consumer is the one that should claim a suspect. */
const reserve = (queue: Queue.Queue, now: number, holder: Holder): boolean => {
  if (queue.suspects.size === 0) return false
  if (!Queue.isReserved(queue, now)) queue.reservation = { holder, until: now + holder.lease }
  return queue.reservation?.holder === holder
}

/** In how many milliseconds this consumer should claim because a scheduled message falls due, if that is its duty. */
const watchNext = (queue: Queue.Queue, now: number, holder: Holder, idle: boolean): number | undefined => {
  const next = queue.scheduled.peek()
  const mine = queue.alarm?.holder === holder
  if (next === undefined) {
    if (mine) queue.alarm = undefined
    return undefined
  }
  if (!mine && (!idle || Queue.isWatched(queue, now, next.time))) return undefined
  queue.alarm = { due: next.time, holder }
  return Math.max(0, next.time - now)
}

/**
 * Ends deliveries of one queue. One reply a settlement, in their order; `undefined`: the consumer is lost.
 *
 * Twice: refused, because the consumer holds the messages no more.
 *
 * @category steps
 * @since 0.1.0
 */
export const settle = (
  store: Store,
  now: number,
  name: string,
  consumer: string,
  settlements: ReadonlyArray<Settlement>
): ReadonlyArray<SettleReply> | undefined => {
  const holder = registered(store, name, consumer)
  if (holder === undefined) return undefined // registration
  const queue = queueOf(store, name)
  let added = 0
  const replies = settlements.map(({ continuations, delivery, disposition }): SettleReply => {
    const entry = holder.held.get(delivery.id)
    if (entry === undefined) return "refused" // ownership
    if (entry.fence !== delivery.fence) return "refused" // ownership: a later delivery
    if (entry.revoked) {
      Queue.letGo(entry)
      return "refused" // revoked
    }
    if (continuations !== undefined) for (const next of continuations) follow(store, now, next)
    Queue.letGo(entry)
    if (disposition._tag === "Ack") {
      queue.live.delete(entry.id)
      const { dead, record } = disposition
      if (dead !== undefined) {
        queue.dead.push({ id: entry.id, queue: name, wire: entry.wire, reason: dead, diedAt: now })
      }
      finish(store, queue, now, entry.id, record)
      return "settled"
    }
    const { delay, note, ran, to, wire } = disposition
    if (wire !== undefined) {
      entry.wire = wire
      entry.priority = Queue.priorityOf(wire)
    }
    if (ran) entry.expiresAt = undefined
    added += Queue.place(entry, now, now + delay, to)
    if (note === undefined) Records.tellChange(store.records, queue.shelf, entry.id)
    else
      Records.annotate(store.records, queue.shelf, now, { ...note, id: entry.id, kind: "attempt", fence: entry.fence })
    return "settled"
  })
  Queue.wake(queue, now, added, store.push)
  return replies
}

const follow = (store: Store, now: number, next: Publication): void => {
  const queue = queueOf(store, next.queue)
  const answer = accept(queue, now, next, true)
  if (answer !== "in use") Queue.wake(queue, now, answer, store.push)
}

/** The message is over: keeps its record, and tells those who wait for it, also when there is none. */
const finish = (store: Store, queue: Queue.Queue, now: number, id: string, record: Written | undefined): void => {
  if (record !== undefined) Records.keep(store.records, queue.shelf, now, id, record)
  Records.tellEnd(store.records, queue.shelf, id)
}

/**
 * Ends messages from outside. One reply an address, in their order. Twice: `absent`.
 *
 * @category steps
 * @since 0.1.0
 */
export const end = (
  store: Store,
  now: number,
  terminations: ReadonlyArray<Termination>,
  meant: Meant
): ReadonlyArray<EndReply> =>
  terminations.map(({ id, queue: name, record }): EndReply => {
    const queue = store.queues.get(name)
    const entry = queue?.live.get(id)
    if (queue === undefined || entry === undefined) return "absent"
    if (entry.holder !== undefined && meant !== "any") return "spared" // it runs
    if (meant === "overdue" && !(entry.expiry !== undefined && entry.expiry.time <= now)) return "spared" // it has run
    queue.live.delete(id)
    Queue.take(entry)
    if (entry.holder !== undefined) {
      entry.revoked = true
      queue.revoked.set(id, entry)
      store.push(revokeChannel(entry.holder.id), JSON.stringify([id, name]))
    }
    finish(store, queue, now, id, record)
    return "ended"
  })

/**
 * @category steps
 * @since 0.1.0
 */
export const locate = (store: Store, now: number, { id, queue: name }: Address): Whereabouts | Kept | undefined => {
  const queue = store.queues.get(name)
  const entry = queue?.live.get(id)
  if (entry === undefined) {
    const kept = queue && Records.whatIsKept(queue.shelf, now, id)
    return kept && { id, queue: name, place: "ended", ...kept }
  }
  const { due, holder, wire } = entry
  const place = holder !== undefined ? "active" : due !== undefined ? "scheduled" : "queued"
  return { id, queue: name, place, wire, dueAt: due?.time }
}

/**
 * @category steps
 * @since 0.1.0
 */
export const overdue = (
  store: Store,
  now: number,
  { bytes, count }: { readonly count: number; readonly bytes: number }
): { readonly messages: ReadonlyArray<Overdue>; readonly nextIn: number | undefined } => {
  const { next, values } = store.expiries.upTo(now, count)
  const messages: Array<Overdue> = []
  let size = 0
  for (const { id, queue, wire } of values) {
    if (size >= bytes && messages.length > 0) return { messages, nextIn: 0 }
    messages.push({ id, queue: queue.name, wire })
    size += wire.length
  }
  return { messages, nextIn: next && Math.max(0, next - now) }
}

/**
 * @category steps
 * @since 0.1.0
 */
export const deadLetters = (store: Store, name: string, limit: number): ReadonlyArray<DeadLetter> =>
  store.queues.get(name)?.dead.newest(limit) ?? []

/**
 * @category steps
 * @since 0.1.0
 */
export const counts = (store: Store, name: string): QueueCounts => {
  const queue = store.queues.get(name)
  if (queue === undefined) return { queued: 0, scheduled: 0, active: 0, dead: 0, deadDropped: 0 }
  const queued = Queue.readyCount(queue) + queue.suspects.size
  const scheduled = queue.scheduled.size
  const active = queue.live.size - queued - scheduled
  return { queued, scheduled, active, dead: queue.dead.size, deadDropped: queue.dead.dropped }
}

/**
 * Adds notes about messages. Of a queue that lives here, the author must own the message. Twice: an attempt is noted twice.
 *
 * @category steps
 * @since 0.1.0
 */
export const note = (store: Store, now: number, notes: ReadonlyArray<Note>): ReadonlyArray<"noted" | "refused"> =>
  notes.map((one) => {
    const queue = store.queues.get(one.queue)
    if (queue !== undefined && !owns(queue, one)) return "refused" // ownership
    const shelf = Records.shelfOf(store.records, one.queue)
    return Records.annotate(store.records, shelf, now, one) ? "noted" : "refused"
  })

const owns = (queue: Queue.Queue, { consumer, fence, id }: Note): boolean => {
  const entry = queue.live.get(id)
  return entry?.holder?.id === consumer && entry.fence === fence && entry.holder.leaseEnd >= 0
}
