/**
 * The ways between processes and the server. Commands of one connection arrive in their order, and so do the replies.
 *
 * A command or a reply is never lost from a connection that lives on: the connection breaks with it, the callers of all its
 * open commands are told that they may have been carried out, and of those that had not arrived some may still do so, in
 * their order, at any later time. That is what a broken socket does.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Unavailable } from "../../Broker.ts"
import type { Node } from "../../memory/DueHeap.ts"
import type { Coverage, Harm } from "./Coverage.ts"
import type { Dice } from "./Dice.ts"
import type { Command } from "./Driver.ts"
import { briefLoss, type StepFault } from "./Plan.ts"
import type { Process } from "./Process.ts"
import { describe, preview } from "./Trace.ts"
import type { Action, World } from "./World.ts"

interface Connection {
  readonly process: Process
  /** Commands without a reply, in their order. */
  readonly open: Set<Sent>
  /** What is sent now arrives no sooner than this, and its reply no sooner than that; milliseconds since 1970. */
  arrivesAt: number
  repliesAt: number
  downUntil: number
}

interface Sent {
  readonly command: Command
  readonly execute: Effect.Effect<unknown>
  readonly connection: Connection
  readonly number: number
  readonly harm: StepFault | undefined
  readonly finish: (exit: Exit.Exit<unknown, Unavailable>) => void
  phase: "travels" | "executes" | "replies"
  /** The next thing that happens to it. */
  next: Node<Action> | undefined
  timeout: Node<Action> | undefined
}

/**
 * Who looks on at the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Witness {
  /** A command was carried out; late: when nobody waited for it any more. */
  readonly after: (process: Process, command: Command, isLate: boolean) => Effect.Effect<void>
  /** The reply of a command that was carried out will not reach its process. */
  readonly replyLost: (process: Process, command: Command) => void
}

/** How late the copies of commands of dead connections are at most, each after the one before, milliseconds. */
const latest = 6000

/** How many pushes are lost, of 1. */
const pushLoss = 0.05

/**
 * @category models
 * @since 0.1.0
 */
export class Network {
  /** Kills a process. */
  onCrash: (process: Process, why: string) => void = () => {}
  witness: Witness | undefined
  /** Waits until the server's pushes have come out. */
  quiet: Effect.Effect<void> = Effect.void
  /** Until when something went wrong for the process, or on its way to the server; milliseconds since 1970. */
  private readonly troubledUntil = new Map<Process, number>()
  /** Commands that are still on their way although nobody waits for them. */
  late = 0
  /** When one of them arrived last, milliseconds since the start. */
  lastLateAt = 0
  private readonly world: World
  private readonly coverage: Coverage
  private readonly faults: Array<StepFault>
  private readonly patience: number
  private readonly connections = new Map<string, Connection>()
  private readonly offlineUntil = new Map<Process, number>()
  private readonly deafUntil = new Map<Process, number>()
  private readonly resets = new Map<Process, Set<() => void>>()
  private readonly latencies = new Map<Process, Dice>()
  private isCalm = false
  private count = 0

  /** `patience`: how long a command waits for its reply before its connection is given up, milliseconds. */
  constructor(world: World, coverage: Coverage, faults: ReadonlyArray<StepFault>, patience: number) {
    this.world = world
    this.coverage = coverage
    this.faults = [...faults]
    this.patience = patience
  }

  /** No further harm to commands. */
  calm(): void {
    this.isCalm = true
    this.faults.length = 0
  }

  /** The way of the commands of one process. */
  send<A>(process: Process, command: Command, execute: Effect.Effect<A>): Effect.Effect<A, Unavailable> {
    return Effect.callback<A, Unavailable>((resume) => {
      // the reply of `execute` is what comes back
      const finish = (exit: Exit.Exit<unknown, Unavailable>) =>
        process.post(() => resume(exit as Exit.Exit<A, Unavailable>))
      const connection = this.connectionOf(process, command.connection)
      this.coverage.sent(command.step)
      if (this.isOffline(process) || connection.downUntil > this.world.now) {
        this.world.trace(() => `${process.name} cannot send ${describe(command)}`)
        this.world.after(this.dice(process).between(1, 20), () => finish(unavailable("no", "not connected")))
        return
      }
      const harm = this.takeFault(command.step)
      const number = ++this.count
      const sent: Sent = {
        command,
        execute,
        connection,
        number,
        harm,
        finish,
        phase: "travels",
        next: undefined,
        timeout: undefined
      }
      connection.open.add(sent)
      this.launch(sent)
    })
  }

  /** A push reaches the process, unless it does not. */
  push(process: Process, run: () => void): void {
    const isDeaf = (this.deafUntil.get(process) ?? 0) > this.world.now
    if (this.isOffline(process) || isDeaf || (!this.isCalm && this.dice(process).chance(pushLoss))) {
      return this.coverage.happened("push lost")
    }
    this.world.after(this.dice(process).between(0, 3), () => process.post(run))
  }

  /** To be told when the process is connected again. Answers how to leave. */
  onReset(process: Process, reset: () => void): () => void {
    const resets = this.resets.get(process) ?? new Set()
    this.resets.set(process, resets.add(reset))
    return () => resets.delete(reset)
  }

  /** All connections of the process break, and it has none for a while. */
  disconnect(process: Process, millis: number): void {
    this.trouble(process, millis)
    this.offlineUntil.set(process, Math.max(this.offlineUntil.get(process) ?? 0, this.world.now + millis))
    this.breakAll(process)
    this.world.after(millis, () => this.tellReset(process))
  }

  /** Pushes do not reach it for a while, and nobody notices. */
  deafen(process: Process, millis: number): void {
    this.deafUntil.set(process, this.world.now + millis)
    this.world.after(millis, () => this.tellReset(process))
  }

  /** The process is no more; some of its commands are still under way. */
  abandon(process: Process): void {
    this.breakAll(process)
    this.resets.delete(process)
  }

  /** Something goes wrong for the process, for so many milliseconds. */
  trouble(process: Process, millis = 0): void {
    this.troubledUntil.set(process, Math.max(this.troubledUntil.get(process) ?? 0, this.world.now + millis))
  }

  /** Whether anything went wrong for it after that time, milliseconds since 1970. */
  wasTroubled(process: Process, since: number): boolean {
    return (this.troubledUntil.get(process) ?? 0) > since
  }

  private isOffline(process: Process): boolean {
    return (this.offlineUntil.get(process) ?? 0) > this.world.now
  }

  private tellReset(process: Process): void {
    if (this.isOffline(process)) return
    for (const reset of this.resets.get(process) ?? []) process.post(reset)
  }

  private takeFault(step: string): StepFault | undefined {
    const index = this.faults.findIndex((fault) => fault.step === step && fault.from <= this.world.elapsed)
    return index < 0 ? undefined : this.faults.splice(index, 1)[0]
  }

  /** Whether the planned harm of this kind is done here. */
  private isHarmed(sent: Sent, harm: Harm, span: "any" | "even" | "odd" = "any"): boolean {
    if (sent.harm?.harm !== harm || (span !== "any" && (sent.harm.span % 2 === 0) !== (span === "even"))) return false
    this.trouble(sent.connection.process, harm === "delay" ? sent.harm.span : 0)
    this.coverage.bitten(sent.command.step, harm)
    return true
  }

  private launch(sent: Sent): void {
    const { command, connection, harm, number } = sent
    const { process } = connection
    this.world.trace(() => `${process.name} → #${number} ${describe(command)}${harm ? ` [${harm.harm}]` : ""}`)
    let delay = this.dice(process).between(0, 3)
    if (this.isHarmed(sent, "delay", "even")) delay += sent.harm!.span
    connection.arrivesAt = Math.max(connection.arrivesAt, this.world.now + delay)
    sent.next = this.world.after(connection.arrivesAt - this.world.now, () => this.arrive(sent))
    sent.timeout = this.world.after(this.patience, () => {
      this.world.trace(() => `#${number} of ${process.name} had no reply in time`)
      this.break(connection)
    })
  }

  private arrive(sent: Sent): Effect.Effect<unknown> | void {
    const { connection, number } = sent
    sent.phase = "executes"
    if (this.isHarmed(sent, "command lost")) return this.lose(sent)
    if (this.isHarmed(sent, "crash before")) {
      sent.connection.open.delete(sent)
      return this.onCrash(connection.process, `before #${number} arrived`)
    }
    if (this.isHarmed(sent, "copy", "even")) {
      this.arriveLate(sent, sent.harm!.span)
      return this.break(connection)
    }
    if (this.isHarmed(sent, "copy", "odd")) {
      return Effect.flatMap(this.carryOut(sent), () => {
        this.witness?.replyLost(connection.process, sent.command)
        return this.carryOutAndReply(sent)
      })
    }
    return this.carryOutAndReply(sent)
  }

  private carryOut({ command, connection, execute, number }: Sent, isLate = false): Effect.Effect<unknown> {
    const { process } = connection
    const { witness } = this
    return Effect.tap(execute, (reply) => {
      this.world.trace(() => `server: #${number} ${describe(command)} = ${preview(reply)}`)
      return witness === undefined ? this.quiet : Effect.andThen(this.quiet, witness.after(process, command, isLate))
    })
  }

  private carryOutAndReply(sent: Sent): Effect.Effect<void> {
    const { command, connection, number } = sent
    const { process } = connection
    return Effect.map(this.carryOut(sent), (reply) => {
      if (this.isHarmed(sent, "reply lost")) {
        this.witness?.replyLost(process, command)
        return this.lose(sent)
      }
      if (this.isHarmed(sent, "crash after")) {
        connection.open.delete(sent)
        return this.onCrash(process, `after #${number} was carried out`)
      }
      let delay = this.dice(process).between(0, 3)
      if (this.isHarmed(sent, "delay", "odd")) delay += sent.harm!.span
      sent.phase = "replies"
      connection.repliesAt = Math.max(connection.repliesAt, this.world.now + delay)
      sent.next = this.world.after(connection.repliesAt - this.world.now, () => {
        this.close(sent)
        sent.finish(Exit.succeed(reply))
      })
      return undefined
    })
  }

  private close(sent: Sent): void {
    if (sent.timeout !== undefined) this.world.cancel(sent.timeout)
    if (sent.next !== undefined) this.world.cancel(sent.next)
    sent.connection.open.delete(sent)
  }

  /** The command comes through when nobody waits for it any more. */
  private arriveLate(sent: Sent, delay: number): void {
    this.late++
    this.world.after(delay, () => {
      this.late--
      this.lastLateAt = this.world.elapsed
      this.coverage.happened("late command")
      this.world.trace(() => `late: #${sent.number} of ${sent.connection.process.name}`)
      return Effect.asVoid(this.carryOut(sent, true))
    })
  }

  /** The connection breaks, and possibly all others of the process for a while. */
  private lose({ connection, harm }: Sent): void {
    const millis = harm!.span - briefLoss
    if (millis > 0) this.disconnect(connection.process, millis)
    else this.break(connection)
  }

  private breakAll(process: Process): void {
    for (const connection of this.connections.values()) if (connection.process === process) this.break(connection)
  }

  private break(connection: Connection): void {
    const { process } = connection
    const dice = this.dice(process)
    const open = Array.from(connection.open)
    connection.arrivesAt = 0
    connection.repliesAt = 0
    if (process.state !== "dead") {
      this.trouble(process)
      connection.downUntil = this.world.now + dice.between(1, 300)
    }
    let kept = dice.between(0, open.filter(({ phase }) => phase === "travels").length)
    let delay = 0
    for (const sent of open) {
      this.close(sent)
      if (sent.phase === "replies") this.witness?.replyLost(process, sent.command)
      if (sent.phase === "travels" && kept-- > 0) this.arriveLate(sent, (delay += dice.between(0, latest)))
      this.world.after(dice.between(0, 5), () => sent.finish(unavailable("maybe", "the connection broke")))
    }
  }

  private connectionOf(process: Process, name: string): Connection {
    const key = `${process.name} ${name}`
    let connection = this.connections.get(key)
    if (connection === undefined) {
      connection = { process, open: new Set(), arrivesAt: 0, repliesAt: 0, downUntil: 0 }
      this.connections.set(key, connection)
    }
    return connection
  }

  private dice(process: Process): Dice {
    let dice = this.latencies.get(process)
    if (dice === undefined) this.latencies.set(process, (dice = this.world.dice(process.name, "network")))
    return dice
  }
}

const unavailable = (accepted: "no" | "maybe", detail: string) => Exit.fail(new Unavailable({ accepted, detail }))
