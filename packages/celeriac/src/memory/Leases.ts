/**
 * The atomic steps by which consumers come, stay and go, and by which the messages of dead ones come back.
 *
 * **Recovery** needs two witnesses: the lease has ended by the clock of the server, and somebody else saw for a while that
 * its end did not move. A clock that jumps can forge one of them, not both. Once recovery began, the consumer can do nothing
 * any more, although some of its messages are still in its hands.
 *
 * @since 0.1.0
 */
import type { Address, Delivery, Reconciliation, Suspect } from "../Broker.ts"
import type { Renewed } from "../Driver.ts"
import * as Queue from "./Queue.ts"
import type { Holder } from "./Queue.ts"
import { queueOf, registered } from "./Store.ts"
import type { Store } from "./Store.ts"

/**
 * A consumer comes to a queue. Twice: its lease is extended.
 *
 * @category steps
 * @since 0.1.0
 */
export const register = (store: Store, now: number, name: string, consumer: string, lease: number): void => {
  const queue = queueOf(store, name)
  const holder = queue.consumers.get(consumer)
  if (holder === undefined) {
    queue.consumers.set(consumer, { id: consumer, lease, leaseEnd: now + lease, held: new Map(), returning: undefined })
  } else if (holder.leaseEnd >= 0) holder.leaseEnd = now + lease
}

/**
 * Extends a lease. `undefined`: too late, the consumer is lost. A lease that ended is extended as long as nobody began to
 * give its messages back. Twice: harmless.
 *
 * @category steps
 * @since 0.1.0
 */
export const renew = (store: Store, now: number, name: string, consumer: string): Renewed | undefined => {
  const holder = registered(store, name, consumer)
  if (holder === undefined) return undefined // registration
  holder.leaseEnd = now + holder.lease
  const queue = queueOf(store, name)
  const revoked: Array<Address> = []
  for (const entry of queue.revoked.values()) if (entry.holder === holder) revoked.push({ id: entry.id, queue: name })
  const suspects: Array<Suspect> = []
  for (const other of queue.consumers.values()) {
    // the clock went back: no lease ends later than now and its length
    if (other.leaseEnd > now + other.lease) other.leaseEnd = now + other.lease // clamp
    const { id, lease, leaseEnd } = other
    const silent = now - (leaseEnd - lease)
    if (silent < patience(lease) || suspects.length === maxSuspects) continue
    suspects.push({ queue: name, consumer: id, leaseEnd, endsIn: Math.max(0, leaseEnd - now) })
  }
  return { held: holder.held.size, revoked, suspects }
}
/** Consumers renew every third of their lease, or more often: who has been silent for longer, and some slack, is watched. */
const patience = (lease: number): number => lease / 3 + Math.min(500, lease / 8)

/** So many suspects are enough for one answer; the others come with the next. */
const maxSuspects = 64

/**
 * Gives messages of a dead consumer back to the head of their priority, in the order of their ids, and counts the crash.
 * At most `limit` of them: `more` asks for another call.
 *
 * Twice: goes on with the next ones, or finds nothing.
 *
 * @category steps
 * @since 0.1.0
 */
export const recover = (
  store: Store,
  now: number,
  suspect: Suspect,
  limit = 500
): { readonly moved: number; readonly more: boolean } => {
  const queue = store.queues.get(suspect.queue)
  const holder = queue?.consumers.get(suspect.consumer)
  if (queue === undefined || holder === undefined) return { moved: 0, more: false }
  if (holder.leaseEnd > now) return { moved: 0, more: false } // first witness: the lease ended
  if (holder.leaseEnd >= 0 && holder.leaseEnd !== suspect.leaseEnd) return { moved: 0, more: false } // second witness: it did not move
  holder.leaseEnd = -1
  Queue.retire(queue, holder)
  return giveBack(store, queue, now, holder, limit)
}

const giveBack = (store: Store, queue: Queue.Queue, now: number, holder: Holder, limit: number) => {
  holder.returning ??= Array.from(holder.held.values()).toSorted((left, right) => (left.id < right.id ? -1 : 1))
  let moved = 0
  for (let turn = 0; turn < limit; turn++) {
    const entry = holder.returning.pop()
    if (entry === undefined) break
    Queue.letGo(entry)
    if (entry.revoked) continue // it is over
    entry.crashes++ // the crash counts
    Queue.makeReady(entry, "head")
    moved++
  }
  const more = holder.returning.length > 0
  if (!more) Queue.dismiss(queue, holder)
  wakeOthers(store, queue, now)
  return { moved, more }
}

/** A consumer that goes may have been told of work that it did not come for: the others are told of all that waits. */
const wakeOthers = (store: Store, queue: Queue.Queue, now: number): void =>
  Queue.wake(queue, now, Queue.readyCount(queue), store.push)

/**
 * Compares what a consumer believes to hold with what it holds, and takes revoked ones out of its hands. A lost consumer is
 * registered anew, and holds nothing. Twice: compares again.
 *
 * @category steps
 * @since 0.1.0
 */
export const reconcile = (
  store: Store,
  now: number,
  name: string,
  consumer: string,
  lease: number,
  believed: ReadonlyArray<Delivery>
): Reconciliation => {
  const queue = queueOf(store, name)
  const previous = queue.consumers.get(consumer)
  // recovery began: it is brought to its end, because the name cannot be registered before
  if (previous !== undefined && previous.leaseEnd < 0) giveBack(store, queue, now, previous, Infinity)
  register(store, now, name, consumer, lease)
  const held = queue.consumers.get(consumer)!.held
  for (const entry of Array.from(held.values())) if (entry.revoked) Queue.letGo(entry)
  const lost: Array<Delivery> = []
  const certain = new Set<string>()
  for (const delivery of believed) {
    if (held.get(delivery.id)?.fence === delivery.fence) certain.add(delivery.id)
    else lost.push(delivery) // ownership
  }
  const found: Array<Delivery> = []
  for (const { crashes, fence, id, wire } of held.values()) {
    if (!certain.has(id)) found.push({ id, queue: name, wire, fence, crashes })
  }
  return { lost, found }
}

/**
 * A consumer leaves a queue: what it holds goes back to the head of its priority, in the order in which it was claimed. A
 * crash is counted for what it knew of, because that may have run. Twice: nothing is left to do.
 *
 * @category steps
 * @since 0.1.0
 */
export const close = (
  store: Store,
  now: number,
  name: string,
  consumer: string,
  known: ReadonlyArray<Delivery>
): void => {
  const queue = store.queues.get(name)
  const holder = queue?.consumers.get(consumer)
  if (queue === undefined || holder === undefined) return
  Queue.dismiss(queue, holder)
  const fences = new Map(known.map(({ fence, id }) => [id, fence]))
  for (const entry of Array.from(holder.held.values()).toReversed()) {
    Queue.letGo(entry)
    if (entry.revoked) continue // it is over
    if (fences.get(entry.id) === entry.fence) entry.crashes++ // it may have run
    Queue.makeReady(entry, "head")
  }
  wakeOthers(store, queue, now)
}
