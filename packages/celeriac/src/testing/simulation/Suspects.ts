/**
 * The rule about messages that crashed their workers: each is claimed by a worker that has nothing else in its hands, and
 * nothing is claimed beside it, as far as the worker can know and nobody waits for ever because of it.
 *
 * @since 0.1.0
 */
import type { Demand } from "../../Broker.ts"
import type { Coverage } from "./Coverage.ts"
import type { MessageState, State } from "./Driver.ts"
import type { Ledger } from "./Ledger.ts"
import type { Plan } from "./Plan.ts"
import type { Process } from "./Process.ts"
import type { World } from "./World.ts"

/**
 * How late something may be beyond the time that is promised: the way of the commands, milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const travel = 60

/** A message with so many crashed deliveries is a suspect. */
const suspectCrashes = 2

/** So many leases a suspect has its worker for itself. */
const aloneFor = 10

/**
 * @category models
 * @since 0.1.0
 */
export class Suspects {
  private readonly world: World
  private readonly plan: Plan
  private readonly ledger: Ledger
  private readonly coverage: Coverage
  /** When each worker sent its last two claims, milliseconds since 1970. */
  private readonly claimsOf = new Map<Process, { readonly previous: number; readonly latest: number }>()
  /** Queues of which a worker has left a suspect to others. */
  private readonly passedOn = new Map<Process, Set<string>>()
  /** Deliveries of suspects that run beside others, because nobody was empty in time. */
  private readonly beside = new Set<string>()

  constructor(parts: {
    readonly world: World
    readonly plan: Plan
    readonly ledger: Ledger
    readonly coverage: Coverage
  }) {
    this.world = parts.world
    this.plan = parts.plan
    this.ledger = parts.ledger
    this.coverage = parts.coverage
  }

  /** A worker sends a claim. */
  claims(process: Process, { alone, count, queue }: Demand): void {
    const { latest = -Infinity } = this.claimsOf.get(process) ?? {}
    this.claimsOf.set(process, { previous: latest, latest: this.world.now })
    if (alone !== true || count > 0) return
    this.coverage.happened("suspect passed on")
    this.passedOn.set(process, (this.passedOn.get(process) ?? new Set()).add(queue))
  }

  /** The message was claimed; `state` is that after the claim. */
  check(process: Process, message: MessageState, state: State): void {
    const isSuspect = message.crashes >= suspectCrashes
    if (isSuspect) this.coverage.happened("claimed alone")
    for (const other of state.messages.values()) {
      if (!other.live || other.holder !== message.holder || other.id === message.id) continue
      // what it has just found, or not found yet, is not waited for
      if (this.world.now - this.ledger.receivedAt(process, other) <= travel) continue
      if (isSuspect && !this.hasWaited(process, message.queue)) {
        this.fail(`${message.id} has crashed ${message.crashes} workers and was claimed beside ${other.id}`)
      } else if (isSuspect) {
        this.coverage.happened("claimed beside others")
        this.beside.add(`${message.id}~${message.fence}`)
      } else if (other.crashes >= suspectCrashes && this.isAlone(process, other)) {
        this.fail(`${message.id} was claimed beside ${other.id}, which has crashed ${other.crashes} workers`)
      }
    }
  }

  /** Whether it has left a suspect to others before, and had not claimed for a lease: what it runs is not to end soon. */
  private hasWaited(process: Process, queue: string): boolean {
    const times = this.claimsOf.get(process)
    const hasPassed = this.passedOn.get(process)?.has(queue) === true
    return hasPassed && times !== undefined && times.latest - times.previous >= this.plan.lease
  }

  /** Whether it claimed the suspect by itself, to run it alone, and a while ago at most. */
  private isAlone(process: Process, suspect: MessageState): boolean {
    if (this.ledger.wasFound(process, suspect) || this.beside.has(`${suspect.id}~${suspect.fence}`)) return false
    return this.world.now - this.ledger.receivedAt(process, suspect) < aloneFor * this.plan.lease
  }

  private fail(detail: string): void {
    this.world.fail("poison", detail)
  }
}
