/** What a worker holds, and how much more it wants: counts and order, no decisions about messages. */
import * as Latch from "effect/Latch"
import type { Address, Delivery } from "../../Broker.ts"
import type { Message } from "../../Message.ts"
import type { Settings } from "./options.ts"
import type { Policies } from "./policies.ts"
import { Prefetch } from "./Prefetch.ts"
import type { Run } from "./Run.ts"

/** One claimed delivery, from the moment it arrives until the broker has confirmed its end. */
export class Held {
  readonly delivery: Delivery
  phase: "waiting" | "running" | "settling" = "waiting"
  /** `undefined`: not read yet, or not to be read. */
  message: Message | undefined
  /** `undefined`: not read yet, or of a task that this worker does not know. */
  policies: Policies | undefined
  /** While it is `running`. */
  run: Run | undefined
  /** Milliseconds since 1970; 0: not started. */
  startedAt = 0
  /** It belongs to somebody else by now: what comes of this run does not count. */
  lost = false
  /** The same message, lost and claimed again before this run of it has ended: it comes next. */
  following: Delivery | undefined

  constructor(delivery: Delivery) {
    this.delivery = delivery
  }
}

/** So many ended messages may wait for their settle before they count against the room. */
const mostSettling = 1000

export class Holdings {
  private readonly settings: Pick<Settings, "concurrency" | "maxBytes">
  private readonly prefetch: Prefetch
  private readonly byQueue = new Map<string, Map<string, Held>>()
  private readonly waiting: Array<Held> = []
  /** Those before it have been taken. */
  private waitingFrom = 0
  private bytes = 0
  /** All that are held. */
  count = 0
  /** Slots in use. */
  running = 0
  /** Open while nothing is held. */
  readonly empty = Latch.makeUnsafe(true)

  constructor(settings: Pick<Settings, "concurrency" | "maxBytes" | "prefetch">) {
    this.settings = settings
    this.prefetch = new Prefetch(settings.prefetch)
  }

  get({ id, queue }: Address): Held | undefined {
    return this.byQueue.get(queue)?.get(id)
  }

  *all(): Iterable<Held> {
    for (const ofQueue of this.byQueue.values()) yield* ofQueue.values()
  }

  add(delivery: Delivery): Held {
    let ofQueue = this.byQueue.get(delivery.queue)
    if (ofQueue === undefined) this.byQueue.set(delivery.queue, (ofQueue = new Map<string, Held>()))
    const held = new Held(delivery)
    ofQueue.set(delivery.id, held)
    if (this.count++ === 0) this.empty.closeUnsafe()
    this.bytes += delivery.wire.length
    return held
  }

  /** `false`: it was not held any more. */
  remove(held: Held): boolean {
    const { id, queue, wire } = held.delivery
    const ofQueue = this.byQueue.get(queue)
    if (ofQueue?.get(id) !== held) return false
    ofQueue.delete(id)
    this.bytes -= wire.length
    if (--this.count === 0) this.empty.openUnsafe()
    return true
  }

  /** Puts it behind those that wait for a slot. */
  enqueue(held: Held): void {
    this.waiting.push(held)
  }

  /** The next one for a free slot, if there are both. It may have been stopped while it waited. */
  dequeue(): Held | undefined {
    if (this.running >= this.settings.concurrency || this.backlog === 0) return undefined
    const held = this.waiting[this.waitingFrom++]
    if (this.waitingFrom === this.waiting.length) this.clearWaiting()
    return held
  }

  dequeueAll(): ReadonlyArray<Held> {
    const taken = this.waiting.slice(this.waitingFrom)
    this.clearWaiting()
    return taken
  }

  /** Something has ended: the rate of ends says how many to hold ready. */
  ended(): void {
    this.prefetch.ended()
  }

  /** How many more deliveries are wanted. `now` in milliseconds. What has a slot counts as started. */
  room(now: number): number {
    const { concurrency, maxBytes } = this.settings
    if (this.bytes >= maxBytes && this.count > 0) return 0
    const ready = this.prefetch.target(now)
    const started = Math.min(concurrency, this.running + this.backlog)
    const beyond = this.running + this.backlog - started
    // in batches: not before half of what is held ready has been used up
    if (2 * beyond > ready) return 0
    // what waits for its settle counts only when the broker does not keep up
    const settling = Math.max(0, this.count - this.running - this.backlog - mostSettling)
    return concurrency + ready - started - beyond - settling
  }

  /** How many more bytes. */
  roomBytes(): number {
    return Math.max(1, this.settings.maxBytes - this.bytes)
  }

  private get backlog(): number {
    return this.waiting.length - this.waitingFrom
  }

  private clearWaiting(): void {
    this.waiting.length = 0
    this.waitingFrom = 0
  }
}
