/**
 * Looks at all that the server holds after each command, and says which promise was broken.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Message from "../../Message.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import type { Coverage } from "./Coverage.ts"
import type { Command, ConsumerState, MessageState, Server, State } from "./Driver.ts"
import type { Ledger, Run } from "./Ledger.ts"
import type { Network, Witness } from "./Network.ts"
import type { Manner, Plan } from "./Plan.ts"
import type { Process } from "./Process.ts"
import { Suspects, travel } from "./Suspects.ts"
import type { World } from "./World.ts"

/** What is known of a message that the server has accepted. */
interface Life {
  readonly acceptedAt: number
  /** When its record came, milliseconds since 1970. */
  recordedAt: number | undefined
  record: string | undefined
  forgotten: boolean
  /** It ran when it was ended from outside. */
  endedInHand: boolean
  /** When each delivery was claimed, by its fence. */
  readonly claims: Map<number, number>
}

/** Steps that change nothing of messages, consumers and records. */
const reading: ReadonlySet<string> = new Set([
  "read",
  "watch",
  "unwatch",
  "locate",
  "overdue",
  "note",
  "queues",
  "counts"
])

/** How a run can end that counts as an attempt and is followed by another. */
const counted: ReadonlySet<Manner> = new Set(["fail", "die", "retry"])

/**
 * @category models
 * @since 0.1.0
 */
export class Oracle implements Witness {
  readonly lives = new Map<string, Life>()
  readonly suspects: Suspects
  state: State = { messages: new Map(), consumers: [], records: new Map(), kept: new Map() }
  private readonly world: World
  private readonly plan: Plan
  private readonly server: Server
  private readonly ledger: Ledger
  private readonly network: Network
  private readonly coverage: Coverage
  private readonly workers: () => Iterable<Process>
  private looksAt = 0
  private readonly overlaps = new Set<string>()

  constructor(parts: {
    readonly world: World
    readonly plan: Plan
    readonly server: Server
    readonly ledger: Ledger
    readonly network: Network
    readonly coverage: Coverage
    /** Processes of workers that live. */
    readonly workers: () => Iterable<Process>
  }) {
    this.world = parts.world
    this.plan = parts.plan
    this.server = parts.server
    this.ledger = parts.ledger
    this.network = parts.network
    this.coverage = parts.coverage
    this.workers = parts.workers
    this.suspects = new Suspects(parts)
  }

  // --- after each command ----------------------------------------------------------------------------------------------

  after(process: Process, command: Command, isLate: boolean): Effect.Effect<void> {
    if (reading.has(command.step)) return Effect.void
    return Effect.map(this.server.inspect, (state) => {
      const before = this.state
      this.state = state
      for (const message of state.messages.values()) this.checkMessage(before, message, process, command, isLate)
      for (const message of before.messages.values()) {
        if (!state.messages.get(message.id)?.live) this.checkEnd(before, message, command)
      }
      this.checkRecords(before, command)
    })
  }

  private checkMessage(
    before: State,
    message: MessageState,
    process: Process,
    command: Command,
    isLate: boolean
  ): void {
    const { fence, id, live, places, revoked } = message
    const previous = before.messages.get(id)
    if (places.length !== 1) this.fail("one place", `${id} stands in ${places.length} places: ${places.join(", ")}`)
    if (revoked ? live || places[0] !== "held" : !live)
      this.fail("one place", `${id} is ${places[0]} without a message`)
    if (previous === undefined || (!previous.live && live)) return this.accepted(message, command)
    if (
      previous.holder === message.holder &&
      previous.fence === fence &&
      previous.places[0] === places[0] &&
      previous.crashes === message.crashes
    ) {
      return
    }
    switch (command.step) {
      case "claim":
        return this.checkClaim(previous, message, isLate ? undefined : process, command)
      case "settle":
        return this.checkOwner(before, previous, command)
      case "close":
        if (previous.holder !== command.connection) this.fail("G3", `${id} was given back by who does not hold it`)
        return this.checkGoodbye(previous, message, command)
      case "recover":
      case "reconcile":
        return this.checkRecovery(before, previous, message, command)
      default:
        this.fail("one place", `${id} moved from ${previous.places[0]} to ${places[0]}`)
    }
  }

  /** What was known may have run, and counts as a crash; what was not known has not. */
  private checkGoodbye({ crashes, fence }: MessageState, after: MessageState, { about }: Command): void {
    const counted = about.some((one) => one.id === after.id && one.fence === fence) ? 1 : 0
    if (after.crashes !== crashes + counted)
      this.fail(
        "deliveries",
        `${after.id}: its holder left, which counts ${counted} crashes, not ${after.crashes - crashes}`
      )
  }

  private accepted({ crashes, id }: MessageState, command: Command): void {
    if (command.step !== "publish") this.fail("G1", `${id} came from nowhere`)
    if (this.lives.has(id)) this.fail("G1", `${id} was accepted a second time`)
    if (crashes !== 0) this.fail("deliveries", `${id} is new and has crashed`)
    this.lives.set(id, {
      acceptedAt: this.world.now,
      recordedAt: undefined,
      record: undefined,
      forgotten: false,
      endedInHand: false,
      claims: new Map()
    })
  }

  private checkClaim(
    previous: MessageState,
    message: MessageState,
    process: Process | undefined,
    command: Command
  ): void {
    const { crashes, fence, holder, id, places } = message
    if (places[0] !== "held") {
      // a claim makes ready what has fallen due
      if (previous.places[0] === "scheduled" && previous.dueAt! <= this.world.serverNow) return
      return this.fail("one place", `${id} moved from ${previous.places[0]} to ${places[0]}`)
    }
    if (holder !== command.connection) this.fail("one place", `${id} was claimed for another consumer`)
    if (previous.holder !== undefined) this.fail("G3", `${id} was claimed out of the hands of ${previous.holder}`)
    if (fence <= previous.fence) this.fail("fence", `${id}: fence ${fence} after ${previous.fence}`)
    if (crashes !== previous.crashes) this.fail("deliveries", `${id}: crashes changed at a claim`)
    if (previous.places[0] === "scheduled" && previous.dueAt! > this.world.serverNow) {
      this.fail("G8", `${id} was claimed ${previous.dueAt! - this.world.serverNow} ms too early`)
    }
    const consumer = this.consumer(this.state, holder!, message.queue)
    if (consumer === undefined || consumer.leaseEnd < 0) this.fail("G3", `${id} was claimed by a lost consumer`)
    if (process !== undefined) this.suspects.check(process, message, this.state)
    this.lives.get(id)?.claims.set(fence, this.world.now)
    if (process === undefined) this.coverage.happened("claimed late")
  }

  private checkOwner(before: State, previous: MessageState, command: Command): void {
    const { fence, holder, id, queue } = previous
    if (holder !== command.connection) {
      return this.fail("G3", `${id} was settled by ${command.connection}, but ${holder ?? "nobody"} held it`)
    }
    const named = command.about.find((one) => one.id === id)
    if (named?.fence !== fence) {
      return this.fail("G3", `${id}~${fence} was settled by a command about ${id}~${named?.fence}`)
    }
    const consumer = this.consumer(before, holder, queue)
    if (consumer === undefined || consumer.leaseEnd < 0) this.fail("G3", `${id} was settled by a lost consumer`)
    const message = this.state.messages.get(id)
    if (message !== undefined) this.checkAttempts(previous, message)
  }

  private checkAttempts(previous: MessageState, message: MessageState): void {
    const { id } = message
    if (message.crashes !== previous.crashes) this.fail("deliveries", `${id}: crashes changed at a settle`)
    const was = read(previous)
    const is = read(message)
    if (was === undefined || is === undefined) return this.fail("wire", `${id} cannot be read`)
    const run = this.ledger.runOf(id, previous.fence)
    const attempts = (is.attempts ?? 0) - (was.attempts ?? 0)
    const requeues = (is.requeues ?? 0) - (was.requeues ?? 0)
    const manner = run?.end === "done" ? run.manner : undefined
    // a hard limit interrupts
    const expected = manner === undefined ? (run?.manner === "hang" ? attempts : 0) : counted.has(manner) ? 1 : 0
    const limited = is.task === "simulation.limited" && run !== undefined
    if (attempts !== expected && !(limited && attempts === 1)) {
      this.fail("attempts", `${id}: a run that ended with "${manner}" counted ${attempts} attempts`)
    }
    if (requeues !== (manner === "requeue" ? 1 : 0)) {
      this.fail("deliveries", `${id}: a run that ended with "${manner}" counted ${requeues} requeues`)
    }
  }

  private checkRecovery(before: State, previous: MessageState, message: MessageState, command: Command): void {
    const { crashes, id, places, queue } = message
    const holder = previous.holder
    if (holder === undefined) return this.fail("one place", `${id} moved from ${previous.places[0]} to ${places[0]}`)
    const consumer = this.consumer(before, holder, queue)
    if (consumer !== undefined && consumer.leaseEnd > this.world.serverNow) {
      this.fail(
        "G5",
        `${id} was taken from ${holder}, whose lease goes on for ${consumer.leaseEnd - this.world.serverNow} ms`
      )
    }
    if (command.step === "reconcile" && (consumer?.leaseEnd ?? 0) >= 0) {
      this.fail("G3", `${id} was given back by a reconciliation`)
    }
    const owner = Array.from(this.workers()).find(({ name }) => holder.startsWith(`${name}-`))
    if (owner !== undefined && this.isWell(owner, this.world.now - this.plan.lease)) {
      this.fail("G5", `${id} was taken from ${holder}, which is well`)
    }
    if (crashes !== previous.crashes + 1)
      this.fail("deliveries", `${id}: a crash counted ${crashes - previous.crashes}`)
    this.coverage.happened("recovered")
  }

  /** A message of the state before has ended, or its holder let go of it. */
  private checkEnd(before: State, previous: MessageState, command: Command): void {
    if (!previous.live) return
    const { id } = previous
    if (command.step === "end") {
      this.lives.get(id)!.endedInHand = previous.holder !== undefined
      this.expectStop(previous)
    } else {
      if (command.step !== "settle") return this.fail("G1", `${id} is gone`)
      this.checkOwner(before, previous, command)
    }
    if (this.recordOf(id) === undefined) this.fail("G1", `${id} ended without a record`)
  }

  /** A running message was ended from outside: its worker is told, or finds out with its next renewal. */
  private expectStop({ fence, id }: MessageState): void {
    const endedAt = this.world.now
    const run = this.ledger.runOf(id, fence)
    if (run === undefined || run.manner === "stubborn") return
    this.world.after(Math.ceil(this.plan.lease / 3) + 2 * travel + tidyingOf(this.plan), () => {
      if (run.end !== "runs" || !this.isWell(run.process, endedAt)) return
      this.fail("revoke", `${run.token} goes on in ${run.process.name} ${this.world.now - endedAt} ms after its end`)
    })
  }

  /** The record of an ended message. On two stores the broker may have it first, until somebody looks. */
  recordOf(id: string): string | undefined {
    return this.lives.get(id)?.record ?? this.state.records.get(id) ?? this.state.kept.get(id)
  }

  private checkRecords(before: State, command: Command): void {
    for (const [id, value] of this.state.records) {
      const life = this.lives.get(id)
      if (life === undefined) {
        // the record of a message that has gone: a commit that nobody waits for
        this.fail("G1", `${id} has a record and was never accepted`)
      } else if (life.record === undefined) {
        life.record = value
        life.recordedAt = this.world.now
        this.checkAuthor(before, id, value, command)
      } else if (life.record !== value) {
        const named = command.step === "forget" && command.about.some((one) => one.id === id)
        if (!named) this.fail("G2", `the record of ${id} changed from ${life.record} to ${value}`)
        life.record = value
        life.forgotten = true
      }
    }
    if (this.state.records.size >= before.records.size) return
    for (const id of before.records.keys()) {
      if (!this.state.records.has(id)) this.fail("G2", `the record of ${id} is gone`)
    }
  }

  /** A result is that of a run of this message, and, where the server can know, of the one that owned it. */
  private checkAuthor(before: State, id: string, value: string, command: Command): void {
    const decoded = TaskRecord.decode(value)
    if (Result.isFailure(decoded)) return this.fail("G1", `the record of ${id} cannot be read: ${value}`)
    const { attempts, ending, state } = decoded.success
    const token = tokenOf(ending)
    if (token === undefined) return
    const run = this.ledger.byToken.get(token)
    if (run === undefined || run.id !== id) return this.fail("G1", `${id} has the result of ${token}`)
    if (run.end !== "done") {
      return this.fail("G1", `${id} has the result of ${token}, which was ${run.end}`)
    }
    if (state === "succeeded" && attempts !== run.attempt) {
      this.fail("attempts", `${id} succeeded in attempt ${run.attempt}, its record says ${attempts}`)
    }
    const held = before.messages.get(id)
    if (command.step === "settle" && run.fence !== held?.fence) {
      this.fail("G3", `${id}~${held?.fence} ended with the result of ${token}, which ran ${id}~${run.fence}`)
    }
  }

  // --- replies that are lost -------------------------------------------------------------------------------------------

  /** What a claim brought whose reply was lost is found by its own worker within two renewals. */
  replyLost(process: Process, command: Command): void {
    if (command.step !== "claim" || process.state === "dead" || this.plan.jumps) return
    const lostAt = this.world.now
    const orphans = Array.from(this.state.messages.values()).filter(
      ({ fence, holder, id, live }) =>
        live && holder === command.connection && (this.ledger.deliveryOf(process, id)?.fence ?? 0) < fence
    )
    if (orphans.length === 0) return
    this.coverage.happened("claim reply lost")
    this.world.after(Math.ceil((2 * this.plan.lease) / 3) + 2 * travel + 320, () => {
      // what happens to the process meanwhile begins another story
      if (process.state !== "running" || this.network.wasTroubled(process, lostAt)) return
      for (const { fence, holder, id } of orphans) {
        const now = this.state.messages.get(id)
        const found = (this.ledger.deliveryOf(process, id)?.fence ?? 0) >= fence
        if (!found && now?.live === true && now.holder === holder && now.fence === fence) {
          this.fail("G6", `${id}~${fence} was not found by its own worker ${process.name}`)
        }
        this.coverage.happened("orphan found")
      }
    })
  }

  /** A worker was asked to stop: what it has not started goes back within a second. */
  expectRelease(process: Process): void {
    const askedAt = this.world.now
    this.world.after(1000 + 2 * travel, () => {
      if (!this.isWell(process, askedAt) || this.plan.jumps) return
      for (const { fence, holder, id, live } of this.state.messages.values()) {
        if (!live || !holder?.startsWith(`${process.name}-`) || this.ledger.runOf(id, fence) !== undefined) continue
        this.fail(
          "G11",
          `${id} is still in the hands of ${process.name}, which was asked to stop and has not started it`
        )
      }
    })
  }

  // --- at each moment --------------------------------------------------------------------------------------------------

  /** All that could happen at this moment has happened. */
  moment(): void {
    for (const runs of this.ledger.active.values()) if (runs.size > 1) this.checkOverlap(runs)
    if (this.looksAt > this.world.now || this.plan.jumps) return
    this.looksAt = this.world.now + 20
    for (const consumer of this.state.consumers) this.checkRecovered(consumer)
  }

  private checkOverlap(runs: ReadonlySet<Run>): void {
    const running = Array.from(runs)
    // one worker waits for the end of the earlier run, unless it has given that up
    const excused = ({ isAbandoned, manner, process }: Run): boolean =>
      isAbandoned ||
      (manner === "stubborn" && running.filter((other) => other.process === process).length === 1) ||
      process.state !== "running" ||
      // it counts its lease by another clock
      (this.plan.jumps && !this.isWell(process, this.world.now - this.plan.lease)) ||
      this.world.now - process.resumedAt <= tidyingOf(this.plan) + travel
    const names = Array.from(runs, ({ process, token }) => `${token} in ${process.name}`).join(" and ")
    if (running.filter((run) => !excused(run)).length > 1) this.fail("G4", `${names} run at the same time`)
    const key = Array.from(runs, ({ token }) => token).join(" ")
    if (!this.overlaps.has(key)) this.coverage.happened("overlap excused")
    this.overlaps.add(key)
  }

  private checkRecovered({ id, leaseEnd, queue }: ConsumerState): void {
    const { now } = this.world
    if (leaseEnd < 0 || leaseEnd + 1000 + travel >= now) return
    const left = Array.from(this.state.messages.values()).filter((message) => message.live && message.holder === id)
    if (left.length === 0) return
    // somebody must have been there and well all the time
    const since = leaseEnd - this.plan.lease
    for (const process of this.workers()) {
      if (!this.isWell(process, since)) continue
      const peer = this.state.consumers.find((one) => one.queue === queue && one.id.startsWith(`${process.name}-`))
      if (peer === undefined || peer.id === id || peer.leaseEnd < now) continue
      const ids = left.map((message) => message.id).join(" ")
      return this.fail("G5", `${ids} of ${id}, whose lease ended ${now - leaseEnd} ms ago, and ${process.name} is well`)
    }
  }

  /** Whether nothing has gone wrong for the process since that time. */
  private isWell(process: Process, since: number): boolean {
    const { resumedAt, startedAt, state } = process
    return (
      state === "running" && startedAt < since && resumedAt < since && !this.network.wasTroubled(process, since - 1)
    )
  }

  // --- at the start of a run -------------------------------------------------------------------------------------------

  /** What a handler is told of its message when it starts. */
  checkStart(
    process: Process,
    id: string,
    context: { readonly attempt: number; readonly deliveries: number },
    limits: { readonly attempts: number; readonly early: boolean }
  ): number {
    const delivery = this.ledger.deliveryOf(process, id)
    if (delivery === undefined) {
      this.fail("G3", `${process.name} runs ${id}, which it was never given`)
      return 0
    }
    const message = Result.getOrUndefined(Message.decode(delivery, delivery.wire))
    const attempt = 1 + (message?.attempts ?? 0)
    const deliveries = 1 + delivery.crashes + (message?.requeues ?? 0)
    if (context.attempt !== attempt) this.fail("attempts", `${id} is told attempt ${context.attempt}, it is ${attempt}`)
    if (context.deliveries !== deliveries) {
      this.fail("deliveries", `${id} is told delivery ${context.deliveries}, it is ${deliveries}`)
    }
    if (attempt > limits.attempts) this.fail("attempts", `${id} runs for the ${attempt}th time`)
    if (deliveries > mostDeliveries) this.fail("poison", `${id} is delivered for the ${deliveries}th time`)
    if (limits.early && delivery.crashes > 0) this.fail("early", `${id} runs again, and may run at most once`)
    const { claims, record = "", recordedAt = Infinity } = this.lives.get(id) ?? {}
    if (recordedAt < (claims?.get(delivery.fence) ?? 0)) {
      // on two stores a client that revokes writes the record first, and may be slow with the rest
      const outside = this.plan.stores === "two" && TaskRecord.stateOf(record) === "revoked"
      if (!outside) this.fail("G2", `${id} runs, although its record was there when it was claimed`)
      this.coverage.happened("ran after it was revoked")
    }
    if (message?.expiresAt !== undefined && message.expiresAt <= this.world.now && this.ledger.runsOf(id) === 0) {
      this.fail("expiry", `${id} starts ${this.world.now - message.expiresAt} ms after it expired`)
    }
    return delivery.fence
  }

  private consumer(state: State, id: string, queue: string): ConsumerState | undefined {
    return state.consumers.find((one) => one.id === id && one.queue === queue)
  }

  private fail(rule: string, detail: string): void {
    this.world.fail(rule, detail)
  }
}

/** As `Defaults.maxDeliveries`. */
const mostDeliveries = 5

/**
 * How long finalizers take: less than the margin of a lease.
 *
 * @category constants
 * @since 0.1.0
 */
export const tidyingOf = ({ lease }: Plan): number => Math.floor(lease / 6)

const read = ({ id, queue, wire }: MessageState): Message.Message | undefined =>
  Result.getOrUndefined(Message.decode({ id, queue }, wire))

/**
 * The run whose result it is, if it is the result of a run.
 *
 * @category getters
 * @since 0.1.0
 */
export const tokenOf = (ending: TaskRecord.Ending): string | undefined => {
  const value =
    ending._tag === "Success"
      ? ending.value
      : ending._tag === "Error"
        ? ending.error
        : ending._tag === "Defect"
          ? ending.defect
          : undefined
  if (typeof value !== "object" || value === null) return undefined
  if ("run" in value && typeof value.run === "string") return value.run
  return "message" in value && typeof value.message === "string" ? value.message : undefined
}
