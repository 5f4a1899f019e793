/**
 * Deadlines of up to a million running things, behind one timer.
 *
 * Deadlines of equal length expire in the order in which they were set, so each length has a list of its own (a lane) and
 * only the heads of the lanes are looked at: setting and clearing a deadline costs two assignments, or a step in a heap of
 * the lanes when a head changes. There are as many lanes as different lengths are in use, usually one to ten. The timer is
 * a sleep on the `Clock` until the earliest head; cleared deadlines leave it alone, and it looks again when it fires. With
 * nothing set there is no timer.
 *
 * **Clocks that jump.** Callers say what the wall clock shows, which they have read anyway. What is due is decided by the
 * monotonic clock: it is asked whenever the timer fires, and when the wall clock has gone back or moved by more than a
 * second since the last look. So a wall clock that is put forward or back by hours moves no deadline; one that is put
 * forward by less than a second can move those that are set just then, by as much.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Scope } from "effect/Scope"
import { Fifo, type Member } from "./Fifo.ts"

/** What a deadline is set on. Extend it, to have no second object for each running thing. */
export abstract class Entry implements Member<Entry> {
  fifo: Fifo<Entry> | undefined = undefined
  previous: Entry | undefined = undefined
  next: Entry | undefined = undefined
  /** By the monotonic clock, milliseconds. */
  due = 0

  /** Called once the deadline has come; it is cleared by then, and may be set again. Must be quick. */
  abstract onExpire(): void
}

/** `now` is what the wall clock of the `Clock` shows (milliseconds); it may be read once for a batch. */
export interface Deadlines {
  /** Calls `onExpire` once the duration (milliseconds) has passed since `now`, unless the entry is removed before. */
  readonly addUnsafe: (now: number, duration: number, onExpire: () => void) => Entry
  /** The same for an entry of the caller's; moves the deadline if one is set. A duration of `Infinity` sets none. */
  readonly setUnsafe: (entry: Entry, now: number, duration: number) => void
  /** Does nothing if no deadline is set. */
  readonly removeUnsafe: (entry: Entry) => void
  /** How many deadlines are set. */
  readonly sizeUnsafe: () => number
}

/** A step of the wall clock that is taken as it is (milliseconds): the way from look to look of a busy worker. */
const plausible = 1000

/** Deadlines that are still set when the scope closes never come. */
export const make: Effect.Effect<Deadlines, never, Scope> = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const sweeper = new Sweeper(yield* Clock.Clock, Effect.runForkWith(context))
  yield* Effect.addFinalizer(() => Effect.sync(() => sweeper.close()))
  return {
    addUnsafe: (now, duration, onExpire) => {
      const entry = new CallbackEntry(onExpire)
      sweeper.set(entry, now, duration)
      return entry
    },
    setUnsafe: (entry, now, duration) => sweeper.set(entry, now, duration),
    removeUnsafe: (entry) => sweeper.remove(entry),
    sizeUnsafe: () => sweeper.size
  }
})

class CallbackEntry extends Entry {
  private readonly callback: () => void

  constructor(callback: () => void) {
    super()
    this.callback = callback
  }

  override onExpire(): void {
    this.callback()
  }
}

/** The deadlines of one length, earliest first. */
class Lane extends Fifo<Entry> {
  readonly duration: number
  /** In the heap. */
  place = 0

  constructor(duration: number) {
    super()
    this.duration = duration
  }

  get due(): number {
    return this.head === undefined ? Infinity : this.head.due
  }
}

class Sweeper {
  size = 0
  private readonly clock: Clock.Clock
  private readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
  private readonly lanes = new Map<number, Lane>()
  private readonly heap = new LaneHeap()
  private timer: Fiber.Fiber<unknown> | undefined = undefined
  private wakeAt = Infinity
  private sweeping = false
  private closed = false
  /** The latest time that was seen, and what the wall clock showed then. */
  private time = 0
  private reading = -Infinity

  constructor(clock: Clock.Clock, fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>) {
    this.clock = clock
    this.fork = fork
  }

  set(entry: Entry, now: number, duration: number): void {
    this.remove(entry)
    if (this.closed || !(duration < Infinity)) return
    this.look(now)
    // no earlier than the end of its lane, because time does not run backwards
    entry.due = this.time + duration
    let lane = this.lanes.get(duration)
    if (lane === undefined) {
      lane = new Lane(duration)
      lane.append(entry)
      this.lanes.set(duration, lane)
      this.heap.push(lane)
    } else lane.append(entry)
    this.size++
    if (entry.due < this.wakeAt && !this.sweeping) this.sleep(entry.due)
  }

  remove(entry: Entry): void {
    // entries are only ever in lanes
    const lane = entry.fifo as Lane | undefined
    if (lane === undefined) return
    const wasHead = lane.head === entry
    lane.remove(entry)
    this.size--
    if (lane.size === 0) {
      this.lanes.delete(lane.duration)
      this.heap.remove(lane)
    } else if (wasHead) this.heap.sink(lane)
    if (this.size === 0 && !this.sweeping) this.stop()
  }

  close(): void {
    this.closed = true
    this.stop()
  }

  private look(now: number): void {
    const step = now - this.reading
    if (step >= 0 && step <= plausible) {
      this.time += step
      this.reading = now
    } else this.measure()
  }

  private measure(): void {
    // divided before it becomes a number: nanoseconds have too many digits to be exact
    this.time = Math.max(this.time, Number(this.clock.monotonicTimeNanosUnsafe() / 1_000_000n))
    this.reading = this.clock.currentTimeMillisUnsafe()
  }

  private sleep(until: number): void {
    this.stop()
    this.wakeAt = until
    // yields at least once, so that nothing expires while it is being set
    const left = until - this.time
    this.timer = this.fork(
      Effect.andThen(left > 0 ? this.clock.sleep(Duration.millis(left)) : Effect.yieldNow, this.sweep)
    )
  }

  private stop(): void {
    this.timer?.interruptUnsafe()
    this.timer = undefined
    this.wakeAt = Infinity
  }

  private readonly sweep: Effect.Effect<void> = Effect.suspend(() => {
    this.sweeping = true
    this.measure()
    // timers round: the sleep is over, so it is that late
    this.time = Math.max(this.time, this.wakeAt)
    let entry: Entry | undefined
    return Effect.whileLoop({
      while: () => (entry = this.takeDue()) !== undefined,
      body: () => expire(entry),
      step: () => {}
    })
  }).pipe(
    Effect.andThen(
      Effect.sync(() => {
        this.sweeping = false
        this.timer = undefined
        this.wakeAt = Infinity
        const lane = this.heap.first
        if (lane === undefined || this.closed) return
        this.measure()
        this.sleep(lane.due)
      })
    )
  )

  private takeDue(): Entry | undefined {
    const head = this.heap.first?.head
    if (head === undefined || head.due > this.time) return undefined
    this.remove(head)
    return head
  }
}

const expire = (entry: Entry | undefined): Effect.Effect<void> =>
  Effect.catchCause(
    Effect.sync(() => entry?.onExpire()),
    (cause) => Effect.logError("What was to be done at a deadline failed", cause)
  )

/** A binary heap of lanes by the deadlines of their heads; every lane knows its place. */
class LaneHeap {
  private readonly lanes: Array<Lane> = []

  get first(): Lane | undefined {
    return this.lanes[0]
  }

  push(lane: Lane): void {
    this.put(lane, this.lanes.length)
    this.rise(lane)
  }

  remove(lane: Lane): void {
    const last = this.lanes.pop()
    if (last === undefined || last === lane) return
    this.put(last, lane.place)
    this.rise(last)
    this.sink(last)
  }

  /** The lane's deadline has become later. */
  sink(lane: Lane): void {
    while (true) {
      const left = this.lanes[2 * lane.place + 1]
      const right = this.lanes[2 * lane.place + 2]
      const child = right !== undefined && left !== undefined && right.due < left.due ? right : left
      if (child === undefined || lane.due <= child.due) return
      this.swap(lane, child)
    }
  }

  private rise(lane: Lane): void {
    while (lane.place > 0) {
      const parent = this.lanes[(lane.place - 1) >> 1]
      if (parent === undefined || parent.due <= lane.due) return
      this.swap(lane, parent)
    }
  }

  private swap(a: Lane, b: Lane): void {
    const place = a.place
    this.put(a, b.place)
    this.put(b, place)
  }

  private put(lane: Lane, place: number): void {
    this.lanes[place] = lane
    lane.place = place
  }
}
