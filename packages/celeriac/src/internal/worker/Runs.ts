/**
 * What a worker holds: claimed deliveries from the moment they arrive until the broker has confirmed their end.
 *
 * This is the hot path. A delivery is read, checked, started in the pool, and its outcome settled; with a handler that does
 * not wait, all of it happens in one go.
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import type { Address, Delivery } from "../../Broker.ts"
import type { Settings as Defaults } from "../../Defaults.ts"
import * as Message from "../../Message.ts"
import * as Outcome from "../../Outcome.ts"
import type { Runner, Running, Stop } from "../../Pool.ts"
import type { Registered } from "../../Task.ts"
import * as TaskId from "../../TaskId.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import * as TimeLimit from "../../TimeLimit.ts"
import { encodeDefect } from "../codecs.ts"
import { stopped } from "../conclude.ts"
import { type Deadlines, Entry } from "../Deadlines.ts"
import * as Telemetry from "../Telemetry.ts"
import { failureLog } from "./failureLog.ts"
import type { Settings } from "./options.ts"
import { Prefetch } from "./Prefetch.ts"
import type { Progress } from "./Progress.ts"
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

/** One held delivery; the entry is its time limit. */
class Held extends Entry {
  readonly runs: Runs
  readonly delivery: Delivery
  message: Message.Message | undefined
  limits: TimeLimit.Limits = noLimits
  startedAt = 0
  running: Running | undefined
  phase: "waiting" | "running" | "settling" = "waiting"
  /** Why it was stopped last. */
  stop: Stop | undefined
  /** The soft limit interrupted it, so that what comes next is the end of the grace. */
  interrupted = false
  /** The same message, lost and claimed again before this run of it has ended: it comes next. */
  following: Delivery | undefined

  constructor(runs: Runs, delivery: Delivery) {
    super()
    this.runs = runs
    this.delivery = delivery
  }

  override onExpire(): void {
    this.runs.limitCame(this)
  }
}

const noLimits: TimeLimit.Limits = { soft: undefined, hard: undefined }

export class Runs {
  private readonly dependencies: Dependencies
  private readonly fork: <A, E>(effect: Effect.Effect<A, E>) => unknown
  private readonly held = new Map<string, Map<string, Held>>()
  private readonly waiting: Array<Held> = []
  private waitingFrom = 0
  private readonly prefetch: Prefetch
  private running = 0
  private count = 0
  private bytes = 0
  private pumping = false
  private accepting = true
  private readonly limitsOf = new Map<string, TimeLimit.Limits>()
  private readonly meters = new Map<string, (seconds: number) => void>()
  /** Open while nothing is held. */
  readonly empty = Latch.makeUnsafe(true)
  /** Runs that did not end within the grace: they go on, nobody listens to them. */
  abandoned = 0

  constructor(dependencies: Dependencies) {
    this.dependencies = dependencies
    this.fork = Effect.runForkWith(dependencies.context)
    this.prefetch = new Prefetch(dependencies.settings.prefetch)
    for (const [name, { task }] of dependencies.handlers) {
      this.limitsOf.set(name, TimeLimit.resolve({ task: task.options, worker: dependencies.settings.limits }).limits)
    }
  }

  /** How many more deliveries the worker wants. */
  room(): number {
    const { concurrency, maxBytes } = this.dependencies.settings
    if (this.bytes >= maxBytes && this.count > 0) return 0
    const ready = this.prefetch.target(this.dependencies.clock.currentTimeMillisUnsafe())
    // in batches: not before half of what is held ready has been used up
    if (2 * this.backlog > ready) return 0
    const wanted = concurrency + ready
    // what waits for its settle counts only when the broker does not keep up
    const settling = Math.max(0, this.count - this.running - this.backlog - mostSettling)
    return this.accepting ? wanted - this.running - this.backlog - settling : 0
  }

  /** How many more bytes. */
  roomBytes(): number {
    return Math.max(1, this.dependencies.settings.maxBytes - this.bytes)
  }

  /** All that is held, for `reconcile`. */
  deliveries(): ReadonlyArray<Delivery> {
    return Array.from(this.all()).flatMap(({ delivery, following }) =>
      following === undefined ? [delivery] : [delivery, following]
    )
  }

  accept(deliveries: ReadonlyArray<Delivery>): void {
    for (const delivery of deliveries) {
      let ofQueue = this.held.get(delivery.queue)
      if (ofQueue === undefined) this.held.set(delivery.queue, (ofQueue = new Map<string, Held>()))
      const known = ofQueue.get(delivery.id)
      if (known !== undefined) {
        // the same fence: a reconciliation found what a claim brought
        if (known.delivery.fence < delivery.fence) known.following = delivery
        continue
      }
      const held = new Held(this, delivery)
      ofQueue.set(delivery.id, held)
      this.count++
      this.bytes += delivery.wire.length
      if (this.accepting) this.waiting.push(held)
      else this.settle(held, { _tag: "Released" })
    }
    if (this.count > 0) this.empty.closeUnsafe()
    this.pump()
  }

  /** Stops one message, waiting or running. */
  revoke({ id, queue }: Address): void {
    const held = this.held.get(queue)?.get(id)
    if (held !== undefined) this.stop(held, "revoked")
  }

  /** The messages are no longer this worker's: whatever comes of them is not settled. */
  lose(deliveries: Iterable<Delivery>): void {
    for (const delivery of deliveries) {
      const held = this.held.get(delivery.queue)?.get(delivery.id)
      if (held?.delivery === delivery) this.stop(held, "released")
      else if (held?.following === delivery) held.following = undefined
    }
  }

  /** No new starts; what has not started goes back. */
  close(): void {
    this.accepting = false
    for (const held of this.takeWaiting()) this.settle(held, { _tag: "Released" })
    this.noticeRoom()
  }

  /** Interrupts what runs; it goes back when it has ended. */
  releaseRunning(): void {
    for (const held of Array.from(this.all())) if (held.phase === "running") this.stop(held, "released")
  }

  runningNow(): number {
    return this.running
  }

  // --- start -----------------------------------------------------------------------------------------------------------

  private get backlog(): number {
    return this.waiting.length - this.waitingFrom
  }

  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    while (this.running < this.dependencies.settings.concurrency && this.backlog > 0) {
      const held = this.waiting[this.waitingFrom++]!
      if (this.waitingFrom === this.waiting.length) {
        this.waiting.length = 0
        this.waitingFrom = 0
      }
      if (held.phase === "waiting") this.start(held)
    }
    this.pumping = false
    this.noticeRoom()
  }

  private start(held: Held): void {
    const { clock, defaults, handlers, recordOf, runner } = this.dependencies
    const { crashes, id, queue, wire } = held.delivery
    // a clock may count fractions, messages and records do not
    held.startedAt = Math.floor(clock.currentTimeMillisUnsafe())
    const decoded = Message.decode(held.delivery, wire)
    if (Result.isFailure(decoded)) {
      const { detail, newer } = decoded.failure
      return this.settle(
        held,
        newer ? { _tag: "Unknown", detail, since: TaskId.timeOf(id) } : { _tag: "Undecodable", detail }
      )
    }
    const message = decoded.success
    held.message = message
    if (hasExpired(message, held.startedAt)) return this.settle(held, { _tag: "Expired" })
    const handler = handlers.get(message.task)
    const lost = crashes + (message.requeues ?? 0)
    if (lost >= (handler?.task.options.maxDeliveries ?? defaults.maxDeliveries)) {
      return this.settle(held, { _tag: "TooManyDeliveries" })
    }
    if (handler === undefined) {
      return this.settle(held, {
        _tag: "Unknown",
        detail: `no worker of queue "${queue}" knows task "${message.task}"`
      })
    }
    if (crashes > 0 && this.runsOnce(held)) {
      return this.settle(held, { _tag: "WorkerLost", detail: "its worker died, and it may run at most once" })
    }
    held.phase = "running"
    this.running++
    if (crashes > 0 && recordOf !== undefined) return this.startUnlessRecorded(held, message, recordOf)
    this.run(held, message, runner)
  }

  private run(held: Held, message: Message.Message, runner: Runner): void {
    const { deadlines } = this.dependencies
    const limits = this.limitsFor(message)
    held.limits = limits
    const shortest = limits.soft ?? limits.hard
    if (shortest !== undefined) deadlines.setUnsafe(held, held.startedAt, shortest)
    try {
      const running = runner.start(
        { message, limits, startedAt: held.startedAt, deliveries: 1 + held.delivery.crashes + (message.requeues ?? 0) },
        {
          onEnd: (outcome) => this.end(held, outcome),
          onProgress: (value) => {
            // not of a run that is over or was abandoned
            if (held.phase === "running") this.dependencies.progress.report(held.delivery, value)
          }
        }
      )
      // it may have ended in `start`, or been stopped by its own handler
      if (held.phase === "running") held.running = running
    } catch (thrown) {
      // a pool must not throw; one that does loses its message, not the worker
      this.end(held, died(thrown))
    }
  }

  /** Its last worker committed a record and died before it settled the message: nothing is left to run. */
  private startUnlessRecorded(
    held: Held,
    message: Message.Message,
    recordOf: (address: Address) => Effect.Effect<string | undefined>
  ): void {
    const { clock, defaults, runner, settler } = this.dependencies
    this.fork(
      Effect.map(recordOf(held.delivery), (value) => {
        if (held.stop !== undefined) this.end(held, { _tag: held.stop === "revoked" ? "Revoked" : "Released" })
        else if (value === undefined) {
          // the look may have taken long
          held.startedAt = Math.floor(clock.currentTimeMillisUnsafe())
          if (hasExpired(message, held.startedAt)) this.end(held, { _tag: "Expired" })
          else this.run(held, message, runner)
        } else {
          this.ended(held)
          // it is there already; the broker makes its tombstone of it
          const record = { value, ttl: Duration.toMillis(defaults.dedupeWindow) }
          const state = TaskRecord.stateOf(value)
          const dead = state === "failed" || state === "dead" ? letterOfLost : undefined
          settler.settle({ delivery: held.delivery, disposition: { _tag: "Ack", record, dead } }, () => this.drop(held))
          this.pump()
        }
      })
    )
  }

  private limitsFor(message: Message.Message): TimeLimit.Limits {
    if (message.softTimeLimit === undefined && message.timeLimit === undefined) {
      return this.limitsOf.get(message.task) ?? noLimits
    }
    return TimeLimit.resolve({
      call: TimeLimit.decode(message),
      task: this.dependencies.handlers.get(message.task)?.task.options,
      worker: this.dependencies.settings.limits
    }).limits
  }

  // --- stop ------------------------------------------------------------------------------------------------------------

  private stop(held: Held, why: Stop): void {
    if (held.phase === "settling") return
    held.stop = why
    if (held.phase === "waiting") return this.settle(held, { _tag: why === "revoked" ? "Revoked" : "Released" })
    held.running?.stop(why)
    this.giveGrace(held)
  }

  /** The soft limit, then the hard one, then the end of the grace. */
  limitCame(held: Held): void {
    if (held.phase !== "running") return
    const { clock, deadlines } = this.dependencies
    const { hard, soft } = held.limits
    if (held.stop === undefined && soft !== undefined) {
      held.stop = "soft"
      held.interrupted = held.running?.stop("soft") ?? true
      const now = clock.currentTimeMillisUnsafe()
      if (isOver(held)) return
      if (held.interrupted) this.giveGrace(held)
      // it was only asked to end
      else if (hard !== undefined) deadlines.setUnsafe(held, now, held.startedAt + hard - now)
      return
    }
    if ((held.stop === undefined || held.stop === "soft") && hard !== undefined && !held.interrupted) {
      held.stop = "hard"
      this.giveGrace(held)
      held.running?.stop("hard")
      return
    }
    this.abandon(held)
  }

  private giveGrace(held: Held): void {
    const { clock, deadlines, settings } = this.dependencies
    deadlines.setUnsafe(held, clock.currentTimeMillisUnsafe(), settings.grace)
  }

  /** It does not end. Its slot is given to others, and its outcome is what it was stopped for. */
  private abandon(held: Held): void {
    const { handlers, settings } = this.dependencies
    const { delivery, limits, message, startedAt, stop } = held
    if (message === undefined || stop === undefined) return
    this.abandoned++
    const { task } = handlers.get(message.task)!
    this.fork(
      Effect.flatMap(stopped({ task, message, limits, startedAt }, stop), (outcome) => {
        this.end(held, outcome)
        return Effect.logError(
          `task "${message.task}" did not end within ${settings.grace} ms after it was interrupted: it goes on without a result and holds what it holds until this process ends`
        ).pipe(Effect.annotateLogs({ task: message.task, id: delivery.id, stop }))
      })
    )
  }

  // --- end -------------------------------------------------------------------------------------------------------------

  private end(held: Held, outcome: Outcome.Outcome): void {
    if (held.phase !== "running") return
    this.ended(held)
    this.settle(held, outcome._tag === "Released" && this.runsOnce(held) ? stoppedOnce : outcome)
    this.pump()
  }

  private runsOnce({ message }: Held): boolean {
    const policies = message === undefined ? undefined : this.dependencies.handlers.get(message.task)?.task.options
    return (message?.ack ?? policies?.ack) === "early"
  }

  private ended(held: Held): void {
    this.dependencies.deadlines.removeUnsafe(held)
    this.dependencies.progress.forget(held.delivery)
    held.phase = "settling"
    held.running = undefined
    this.running--
  }

  private settle(held: Held, outcome: Outcome.Outcome): void {
    const { clock, defaults, handlers, settings, settler } = this.dependencies
    held.phase = "settling"
    const { delivery, message } = held
    const endedAt = Math.floor(clock.currentTimeMillisUnsafe())
    const policies = message === undefined ? undefined : handlers.get(message.task)?.task.options
    const run: Outcome.Run = {
      message,
      // a message that is dead after too many deliveries is not delivered once more
      deliveries: (outcome._tag === "TooManyDeliveries" ? 0 : 1) + delivery.crashes + (message?.requeues ?? 0),
      maxDeliveries: policies?.maxDeliveries ?? defaults.maxDeliveries,
      worker: settings.name,
      startedAt: held.startedAt,
      endedAt,
      resultTtl: message?.resultTtl ?? millisOf(policies?.resultTtl) ?? Duration.toMillis(defaults.resultTtl),
      dedupeWindow: Duration.toMillis(defaults.dedupeWindow),
      ignoreResult: message?.ignoreResult ?? policies?.ignoreResult ?? false,
      unknownTaskWindow: settings.unknownTaskWindow
    }
    const { disposition } = consequenceOf(outcome, run)
    this.prefetch.ended()
    this.measure(held, outcome, endedAt)
    if (outcome._tag !== "Succeeded") {
      const subject = { task: message?.task ?? "unknown", id: delivery.id, attempt: (message?.attempts ?? 0) + 1 }
      const line = failureLog(outcome, disposition, subject)
      if (line !== undefined) this.fork(line)
    }
    settler.settle({ delivery, disposition }, () => this.drop(held))
  }

  private measure({ delivery, message, startedAt }: Held, outcome: Outcome.Outcome, endedAt: number): void {
    const key = `${delivery.queue} ${message?.task} ${outcome._tag}`
    let meter = this.meters.get(key)
    if (meter === undefined) {
      const { context } = this.dependencies
      meter = Telemetry.runMetrics(context, delivery.queue, message?.task ?? "unknown", outcome._tag)
      this.meters.set(key, meter)
    }
    meter(Math.max(0, endedAt - startedAt) / 1000)
  }

  private drop(held: Held): void {
    const ofQueue = this.held.get(held.delivery.queue)
    if (ofQueue?.get(held.delivery.id) !== held) return
    ofQueue.delete(held.delivery.id)
    this.count--
    this.bytes -= held.delivery.wire.length
    if (held.following !== undefined) this.accept([held.following])
    if (this.count === 0) this.empty.openUnsafe()
    this.noticeRoom()
  }

  private noticeRoom(): void {
    if (this.room() > 0) this.dependencies.onRoom()
  }

  private takeWaiting(): ReadonlyArray<Held> {
    const taken = this.waiting.slice(this.waitingFrom).filter(({ phase }) => phase === "waiting")
    this.waiting.length = 0
    this.waitingFrom = 0
    return taken
  }

  private *all(): Iterable<Held> {
    for (const ofQueue of this.held.values()) yield* ofQueue.values()
  }
}

/** What the table says; an outcome that cannot be written (a bigint in an untyped value, a cycle) is a defect of the task. */
const consequenceOf = (outcome: Outcome.Outcome, run: Outcome.Run): Outcome.Consequence => {
  try {
    return Outcome.settle(outcome, run)
  } catch (thrown) {
    return Outcome.settle(died(new Error("the outcome of the run is no JSON", { cause: thrown })), run)
  }
}

const died = (thrown: unknown): Outcome.Outcome => ({
  _tag: "Died",
  defect: encodeDefect(thrown),
  retry: { _tag: "GiveUp", why: "defects" }
})

/** `expires` is about messages of which no run has ended; one that was cut off has left no trace. */
const hasExpired = ({ attempts = 0, expiresAt, requeues = 0, snoozes = 0 }: Message.Message, now: number): boolean =>
  expiresAt !== undefined && expiresAt <= now && attempts + requeues + snoozes === 0

/** Asked after something that may have ended it. */
const isOver = ({ phase }: Held): boolean => phase === "settling"

/** The letter that the last worker could not write any more. */
const letterOfLost = "it failed, as its record says; its worker died before it could say so here"

/** It has started, so that it cannot be given to others. */
const stoppedOnce: Outcome.Outcome = {
  _tag: "WorkerLost",
  detail: "its worker stopped while it ran, and it may run at most once"
}

/** So many ended messages may wait for their settle before they count against the room. */
const mostSettling = 1000

const millisOf = (input: Duration.Input | undefined): number | undefined =>
  input === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(input))
