/**
 * One run of a message, from its start in the pool to its one outcome.
 *
 * It is stopped when a limit comes, or when somebody asks. The first stop that interrupts it starts the grace; further ones
 * may change the reason, and give no more time. A run that has not ended when the grace is over is abandoned: its outcome
 * is what it was stopped for, and what the pool says of it later is not heard.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Message from "../../Message.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Runner, Running, Stop } from "../../Pool.ts"
import type * as TimeLimit from "../../TimeLimit.ts"
import { encodeDefect } from "../codecs.ts"
import { stopped } from "../conclude.ts"
import { type Deadlines, Entry } from "../Deadlines.ts"
import { printed } from "../payload.ts"
import { reasonThatCounts } from "../stops.ts"
import { hasExpired } from "./admission.ts"
import type { Held } from "./Holdings.ts"
import { limitsOf, type Policies } from "./policies.ts"
import type { Progress } from "./Progress.ts"
import { spanOf } from "./words.ts"

export interface Surroundings {
  readonly clock: Clock.Clock
  readonly deadlines: Deadlines
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => unknown
  /** Milliseconds. */
  readonly grace: number
  readonly progress: Progress
  readonly runner: Runner
  /** Called once for each run. */
  readonly onEnd: (held: Held, outcome: Outcome) => void
  /** Called before `onEnd` for a run that does not give in. */
  readonly onAbandoned: (message: Message.Message) => void
}

/** It is its own deadline: of a limit, then of the grace. */
export class Run extends Entry {
  private readonly surroundings: Surroundings
  private readonly held: Held
  private readonly message: Message.Message
  private readonly policies: Policies
  private readonly limits: TimeLimit.Limits
  private running: Running | undefined
  /** Why it is to end. A soft limit that the handler took, and may go on after, is no reason. */
  private reason: Stop | undefined
  private softLimitCame = false
  private over = false

  constructor(surroundings: Surroundings, held: Held, message: Message.Message, policies: Policies) {
    super()
    this.surroundings = surroundings
    this.held = held
    this.message = message
    this.policies = policies
    this.limits = limitsOf(message, policies)
  }

  /** `later`: time has passed since the message was admitted. */
  start(later = false): void {
    if (this.over) return
    const { clock, deadlines, progress, runner } = this.surroundings
    const { held, limits, message } = this
    // never started, so that it was not cut off either
    if (this.reason !== undefined) return this.end({ _tag: this.reason === "revoked" ? "Revoked" : "Released" })
    if (later) {
      held.startedAt = Math.floor(clock.currentTimeMillisUnsafe())
      if (hasExpired(message, held.startedAt)) return this.end({ _tag: "Expired" })
    }
    const { startedAt } = held
    const shortest = limits.soft ?? limits.hard
    if (shortest !== undefined) deadlines.setUnsafe(this, startedAt, shortest)
    const deliveries = 1 + held.delivery.crashes + (message.requeues ?? 0)
    try {
      const running = runner.start(
        { message, limits, startedAt, deliveries },
        {
          onEnd: (outcome) => this.end(outcome),
          onProgress: (value) => {
            if (!this.over) progress.report(held.delivery, value)
          }
        }
      )
      if (isOver(this)) return
      this.running = running
      // its own handler asked for it, before there was something to stop
      if (this.reason !== undefined) this.tell(this.reason)
    } catch (thrown) {
      // a pool must not throw; one that does loses its message, not the worker
      this.end(died(thrown))
    }
  }

  stop(why: Stop): void {
    if (this.over) return
    const { reason } = this
    this.reason = reasonThatCounts(reason, why)
    if (this.reason === reason) return
    if (reason === undefined) this.giveGrace()
    this.tell(this.reason)
  }

  /** A limit, or the end of the grace. */
  override onExpire(): void {
    if (this.over) return
    const { clock, deadlines } = this.surroundings
    const { hard, soft } = this.limits
    if (this.reason !== undefined) return this.abandon(this.reason)
    if (soft === undefined || this.softLimitCame) return this.stop("hard")
    this.softLimitCame = true
    const interrupted = this.tell("soft")
    if (isOver(this)) return
    if (interrupted) {
      this.reason = "soft"
      this.giveGrace()
    } else if (hard !== undefined) {
      // it was only asked to end. Counted from now, and not from the start: the wall clock may have been set meanwhile
      deadlines.setUnsafe(this, clock.currentTimeMillisUnsafe(), hard - soft)
    }
  }

  /** `false`: the run may go on. */
  private tell(why: Stop): boolean {
    try {
      // nothing to tell: the pool does not have it yet
      return this.running?.stop(why) ?? true
    } catch (thrown) {
      const { message, surroundings } = this
      surroundings.fork(
        Effect.annotateLogs(
          Effect.logError(`the pool failed to stop task "${message.task}": ${printed(thrown)}`),
          subjectOf(message)
        )
      )
      return true
    }
  }

  private giveGrace(): void {
    const { clock, deadlines, grace } = this.surroundings
    deadlines.setUnsafe(this, clock.currentTimeMillisUnsafe(), grace)
  }

  /** Its slot is given to others. */
  private abandon(reason: Stop): void {
    const { held, limits, message, policies, surroundings } = this
    const { grace } = surroundings
    // the handler has come to its end, and only what it left in its scope does not
    const concluded = this.running?.concluded?.()
    surroundings.fork(
      Effect.flatMap(
        concluded ?? stopped({ task: policies.task, message, limits, startedAt: held.startedAt, grace }, reason),
        (outcome) => {
          // it may have ended meanwhile; or the pool never had it, and nothing goes on
          if (this.over || this.running === undefined) return Effect.sync(() => this.end(outcome))
          surroundings.onAbandoned(message)
          this.end(outcome)
          const line = (concluded === undefined ? abandonedLine : unfinalizedLine)(message.task, grace)
          return Effect.annotateLogs(Effect.logError(line), {
            ...subjectOf(message),
            stop: reason
          })
        }
      )
    )
  }

  /** There is nothing to run after all. Not for a run that has started. */
  cancel(): void {
    this.over = true
    this.surroundings.deadlines.removeUnsafe(this)
  }

  private end(outcome: Outcome): void {
    if (this.over) return
    this.over = true
    const { deadlines, onEnd, progress } = this.surroundings
    deadlines.removeUnsafe(this)
    progress.forget(this.held.delivery)
    this.running = undefined
    // whatever it says: the message has its end
    onEnd(this.held, this.reason === "revoked" ? { _tag: "Revoked" } : outcome)
  }

  get isOver(): boolean {
    return this.over
  }
}

/** Asked after something that may have ended it. */
const isOver = (run: Run): boolean => run.isOver

const abandonedLine = (task: string, grace: number): string =>
  `task "${task}" did not end within ${spanOf(grace)} after it was interrupted: it goes on without a result and holds what it holds until this process ends`

const unfinalizedLine = (task: string, grace: number): string =>
  `task "${task}" has ended, but a finalizer in its scope did not within ${spanOf(grace)}: the outcome of the handler counts; the finalizer goes on and holds what it holds until this process ends`

const subjectOf = ({ attempts = 0, id, task }: Message.Message) => ({ task, id, attempt: attempts + 1 })

export const died = (thrown: unknown): Outcome => ({
  _tag: "Died",
  defect: encodeDefect(thrown),
  retry: { _tag: "GiveUp", why: "defects" }
})
