/**
 * What the handlers did: every run of every message, whoever ran it.
 *
 * @since 0.1.0
 */
import type { Delivery } from "../../Broker.ts"
import type { Manner } from "./Plan.ts"
import type { Process } from "./Process.ts"
import type { World } from "./World.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Run {
  readonly id: string
  /** Names the run; it is what the handler returns or fails with. */
  readonly token: string
  readonly process: Process
  /** Of the delivery that it runs. */
  readonly fence: number
  readonly manner: Manner
  readonly startedAt: number
  readonly attempt: number
  /** `lost`: its process died. `interrupted`: it was stopped before it came to an end of its own. */
  end: "runs" | "done" | "interrupted" | "lost"
  /** Its worker has given it up, for it did not end when it was interrupted. */
  isAbandoned: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export class Ledger {
  readonly byToken = new Map<string, Run>()
  /** Runs that have not ended, by message. */
  readonly active = new Map<string, Set<Run>>()
  /** By message and fence: a delivery is run once at most. */
  private readonly byDelivery = new Map<string, Run>()
  /** What each process was given of each message last. */
  private readonly given = new Map<Process, Map<string, Delivery>>()
  /** Runs that came to an end of their own, by message: so many behaviours are used up. */
  private readonly finished = new Map<string, number>()
  private readonly lost = new Map<string, number>()
  private readonly received = new Map<string, number>()
  private readonly found = new Set<string>()
  private readonly started = new Map<string, number>()
  private readonly world: World

  constructor(world: World) {
    this.world = world
  }

  /** A claim brought the delivery. */
  receive(process: Process, delivery: Delivery): void {
    let ofProcess = this.given.get(process)
    if (ofProcess === undefined) this.given.set(process, (ofProcess = new Map<string, Delivery>()))
    const key = keyOf(process, delivery)
    if (!this.received.has(key)) this.received.set(key, this.world.now)
    const known = ofProcess.get(delivery.id)
    if (known === undefined || known.fence < delivery.fence) ofProcess.set(delivery.id, delivery)
  }

  /** A reconciliation brought the delivery: the worker had not asked for it, or had given it up. */
  find(process: Process, delivery: Delivery): void {
    this.found.add(keyOf(process, delivery))
    this.receive(process, delivery)
  }

  wasFound(process: Process, delivery: Numbered): boolean {
    return this.found.has(keyOf(process, delivery))
  }

  /** When the process was given this delivery, milliseconds since 1970; `Infinity`: not yet. */
  receivedAt(process: Process, delivery: Numbered): number {
    return this.received.get(keyOf(process, delivery)) ?? Infinity
  }

  deliveryOf(process: Process, id: string): Delivery | undefined {
    return this.given.get(process)?.get(id)
  }

  runOf(id: string, fence: number): Run | undefined {
    return this.byDelivery.get(`${id}~${fence}`)
  }

  /** How many runs were started. */
  runsOf(id: string): number {
    return this.started.get(id) ?? 0
  }

  finishedRuns(id: string): number {
    return this.finished.get(id) ?? 0
  }

  /** Runs whose process died. */
  lostRuns(id: string): number {
    return this.lost.get(id) ?? 0
  }

  start(run: Omit<Run, "token" | "startedAt" | "end" | "isAbandoned">): Run {
    const token = `${run.id}/${this.byToken.size + 1}`
    const started: Run = { ...run, token, startedAt: this.world.now, end: "runs", isAbandoned: false }
    this.byToken.set(token, started)
    const key = `${run.id}~${run.fence}`
    if (this.byDelivery.has(key)) this.world.fail("G4", `${key} is run a second time by ${run.process.name}`)
    this.byDelivery.set(key, started)
    this.started.set(run.id, this.runsOf(run.id) + 1)
    const active = this.active.get(run.id)
    if (active === undefined) this.active.set(run.id, new Set([started]))
    else active.add(started)
    return started
  }

  end(run: Run, how: Exclude<Run["end"], "runs">): void {
    if (run.end !== "runs") return
    run.end = how
    if (how === "lost") this.lost.set(run.id, this.lostRuns(run.id) + 1)
    if (how === "done") this.finished.set(run.id, this.finishedRuns(run.id) + 1)
    const active = this.active.get(run.id)
    active?.delete(run)
    if (active?.size === 0) this.active.delete(run.id)
  }

  /** The worker says that it has given up a run of the message. */
  abandon(process: Process, id: string): void {
    for (const run of this.active.get(id) ?? []) if (run.process === process) run.isAbandoned = true
  }

  /** Nothing comes of what this process ran. */
  lose(process: Process): void {
    for (const runs of this.active.values()) for (const run of runs) if (run.process === process) this.end(run, "lost")
  }
}

interface Numbered {
  readonly id: string
  readonly fence: number
}

const keyOf = ({ name }: Process, { fence, id }: Numbered): string => `${name} ${id}~${fence}`
