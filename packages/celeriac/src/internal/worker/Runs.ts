/**
 * What becomes of claimed messages, from the moment they arrive until the broker has confirmed their end.
 *
 *   accept → (waits for a slot) → admission → Run → Ends → settle → drop
 *
 * `Holdings` knows what is held and how much room there is, `admission` whether a message may run, `Run` how one run goes,
 * `Ends` what follows from its outcome. This is the hot path: with a handler that does not wait, all of it happens in one go.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Address, Delivery } from "../../Broker.ts"
import type { Settings as Defaults } from "../../Defaults.ts"
import type { Message } from "../../Message.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Runner } from "../../Pool.ts"
import type { Registered } from "../../Task.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import type { Deadlines } from "../Deadlines.ts"
import * as Telemetry from "../Telemetry.ts"
import { admit } from "./admission.ts"
import { Ends } from "./Ends.ts"
import { type Held, Holdings } from "./Holdings.ts"
import type { Settings } from "./options.ts"
import { type Policies, policiesOf } from "./policies.ts"
import type { Progress } from "./Progress.ts"
import { Run, type Surroundings } from "./Run.ts"
import type { Settler } from "./Settler.ts"

export interface Dependencies {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly settings: Settings
  readonly defaults: Defaults
  readonly handlers: ReadonlyMap<string, Registered>
  readonly runner: Runner
  readonly deadlines: Deadlines
  readonly settler: Settler
  readonly progress: Progress
  /** Called when there may be room for more deliveries. */
  readonly onRoom: () => void
  /** The record of a message that its last worker may have finished; `undefined` where settling is one step. */
  readonly recordOf: ((address: Address) => Effect.Effect<string | undefined>) | undefined
}

type RecordOf = NonNullable<Dependencies["recordOf"]>

/** What a worker has in hand. */
export interface Tally {
  readonly running: number
  /** Ended or given back, and not confirmed by the broker. */
  readonly settling: number
  /** Runs that did not end within the grace: they go on, and nobody listens to them. */
  readonly abandoned: number
}

export class Runs {
  private readonly dependencies: Dependencies
  private readonly fork: <A, E>(effect: Effect.Effect<A, E>) => unknown
  private readonly holdings: Holdings
  private readonly ends: Ends
  private readonly tasks: ReadonlyMap<string, Policies>
  private readonly surroundings: Surroundings
  private accepting = true
  private pumping = false
  private abandoned = 0
  /** Open when the worker has stopped accepting and nothing runs any more. */
  readonly quiet = Latch.makeUnsafe(false)

  constructor(dependencies: Dependencies) {
    const { clock, context, deadlines, defaults, handlers, progress, runner, settings } = dependencies
    this.dependencies = dependencies
    this.fork = Effect.runForkWith(context)
    this.holdings = new Holdings(settings)
    this.ends = new Ends({ context, fork: this.fork, settings, defaults })
    this.tasks = policiesOf(handlers, settings, defaults)
    this.surroundings = {
      clock,
      deadlines,
      fork: this.fork,
      grace: settings.grace,
      progress,
      runner,
      onEnd: (held, outcome) => this.ended(held, outcome),
      onAbandoned: (message) => this.noteAbandoned(message)
    }
  }

  /** Open while nothing is held. */
  get empty(): Latch.Latch {
    return this.holdings.empty
  }

  /** How many more deliveries the worker wants. */
  room(): number {
    return this.accepting ? this.holdings.room(this.dependencies.clock.currentTimeMillisUnsafe()) : 0
  }

  /** How many more bytes. */
  roomBytes(): number {
    return this.holdings.roomBytes()
  }

  /** All that is held, for `reconcile`. */
  deliveries(): ReadonlyArray<Delivery> {
    return Array.from(this.holdings.all()).flatMap(({ delivery, following }) =>
      following === undefined ? [delivery] : [delivery, following]
    )
  }

  tally(): Tally {
    const { abandoned, holdings } = this
    return { running: holdings.running, settling: holdings.count - holdings.running, abandoned }
  }

  /** Holds them, and starts as many as there are slots. */
  accept(deliveries: ReadonlyArray<Delivery>): void {
    this.hold(deliveries)
    this.pump()
    this.noticeRoom()
  }

  /** Holds them; `pump` starts them. */
  hold(deliveries: ReadonlyArray<Delivery>): void {
    const late: Array<Held> = []
    for (const delivery of deliveries) {
      const known = this.holdings.get(delivery)
      if (known !== undefined) {
        // the same fence: a reconciliation found what a claim brought
        if (known.delivery.fence < delivery.fence) known.following = delivery
        continue
      }
      const held = this.holdings.add(delivery)
      if (this.accepting) this.holdings.enqueue(held)
      else late.push(held)
    }
    this.release(late)
  }

  /** Stops one message, waiting or running. */
  revoke(address: Address): void {
    const held = this.holdings.get(address)
    if (held?.phase === "waiting") this.settle(held, { _tag: "Revoked" })
    else held?.run?.stop("revoked")
  }

  /** The messages are no longer this worker's: whatever comes of them is not settled. */
  lose(deliveries: Iterable<Delivery>): void {
    const stopped: Array<Held> = []
    for (const delivery of deliveries) {
      const held = this.holdings.get(delivery)
      if (held?.delivery === delivery) {
        held.lost = true
        stopped.push(held)
      } else if (held?.following === delivery) held.following = undefined
    }
    this.release(stopped)
  }

  /** No new starts; what has not started goes back. */
  close(): void {
    this.accepting = false
    this.release(this.holdings.dequeueAll())
    if (this.holdings.running === 0) this.quiet.openUnsafe()
  }

  /** Interrupts what runs; it goes back when it has ended. */
  releaseRunning(): void {
    this.release(Array.from(this.holdings.all()).filter(({ phase }) => phase !== "waiting"))
  }

  /** From the last to the first: each goes to the head of its priority, so that they come out in their order. */
  private release(all: ReadonlyArray<Held>): void {
    for (const held of all.toReversed()) {
      if (held.phase === "waiting") this.settle(held, { _tag: "Released" })
      else held.run?.stop("released")
    }
  }

  /** Starts what waits, as far as there are slots. */
  pump(): void {
    if (this.pumping) return
    this.pumping = true
    for (let held = this.holdings.dequeue(); held !== undefined; held = this.holdings.dequeue()) {
      if (held.phase === "waiting") this.start(held)
    }
    this.pumping = false
  }

  private start(held: Held): void {
    const { clock, defaults, recordOf } = this.dependencies
    // a clock may count fractions, messages and records do not
    held.startedAt = Math.floor(clock.currentTimeMillisUnsafe())
    const { maxDeliveries } = defaults
    const admission = admit(held.delivery, this.tasks, { now: held.startedAt, maxDeliveries })
    held.message = admission.message
    held.policies = admission.policies
    if (admission._tag === "Refused") return this.settle(held, admission.outcome)
    held.phase = "running"
    this.holdings.running++
    const run = new Run(this.surroundings, held, admission.message, admission.policies)
    held.run = run
    if (held.delivery.crashes > 0 && recordOf !== undefined) this.startUnlessRecorded(held, run, recordOf)
    else run.start()
  }

  /** Its last worker may have committed a record and died before it settled the message: then nothing is left to run. */
  private startUnlessRecorded(held: Held, run: Run, recordOf: RecordOf): void {
    this.fork(
      Effect.map(recordOf(held.delivery), (value) => {
        if (value === undefined) return run.start(true)
        // stopped for so long that it was given up
        if (held.phase !== "running") return
        run.cancel()
        this.leave(held)
        this.settleRecorded(held, value)
        this.pump()
        this.noticeRoom()
      })
    )
  }

  private ended(held: Held, outcome: Outcome): void {
    this.leave(held)
    this.settle(held, outcome)
    this.pump()
    this.noticeRoom()
  }

  /** Its slot is free. */
  private leave(held: Held): void {
    held.phase = "settling"
    if (--this.holdings.running === 0 && !this.accepting) this.quiet.openUnsafe()
  }

  private noteAbandoned({ queue, task }: Message): void {
    this.abandoned++
    Telemetry.countAbandoned(this.dependencies.context, queue, task)
  }

  private settle(held: Held, outcome: Outcome): void {
    const { clock, settler } = this.dependencies
    held.phase = "settling"
    const endedAt = Math.floor(clock.currentTimeMillisUnsafe())
    const disposition = this.ends.settlementOf(held, outcome, endedAt)
    this.holdings.ended()
    held.run = undefined
    settler.settle({ delivery: held.delivery, message: held.message, disposition }, () => this.drop(held))
  }

  /** The record is there already; the broker makes its tombstone of it. */
  private settleRecorded(held: Held, value: string): void {
    const { defaults, settler } = this.dependencies
    const { delivery, message, policies } = held
    // as long as the record may live: of an id of the caller's, the tombstone does
    const ttl = Math.max(Duration.toMillis(defaults.dedupeWindow), message?.resultTtl ?? policies?.kept.resultTtl ?? 0)
    const record = { value, ttl }
    const state = TaskRecord.stateOf(value)
    const dead = state === "failed" || state === "dead" ? letterOfLost : undefined
    settler.settle({ delivery, message, disposition: { _tag: "Ack", record, dead } }, () => this.drop(held))
  }

  private drop(held: Held): void {
    if (!this.holdings.remove(held)) return
    if (held.following !== undefined) this.accept([held.following])
    this.noticeRoom()
  }

  private noticeRoom(): void {
    if (this.room() > 0) this.dependencies.onRoom()
  }
}

/** The letter that the last worker could not write any more. */
const letterOfLost = "it failed, as its record says; its worker died before it could say so here"
