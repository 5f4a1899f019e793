/**
 * The workers of the simulation: the real `Worker.layer`, each in a process of its own, and somebody who starts another one
 * when one has ended.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Worker from "../../Worker.ts"
import { tidyingOf } from "./Oracle.ts"
import type { PlannedMessage } from "./Plan.ts"
import type { Process } from "./Process.ts"
import { contracts, kill, launch, type Stage } from "./Stage.ts"
import { handlers, Limited, mostAttempts, Plain } from "./Workload.ts"

interface Member {
  readonly slot: number
  readonly generation: number
  readonly process: Process
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** It was asked to stop. */
  draining: boolean
}

/** Milliseconds. */
const drainLimit = 2000
const grace = 1000

/**
 * @category models
 * @since 0.1.0
 */
export class Workers {
  private readonly stage: Stage
  private readonly members = new Set<Member>()
  private closed = false

  constructor(stage: Stage) {
    this.stage = stage
  }

  get processes(): ReadonlyArray<Process> {
    return Array.from(this.members, ({ process }) => process)
  }

  start(slot: number, generation = 0): void {
    if (this.closed) return
    const { stage } = this
    const { plan, world } = stage
    const process = world.process(`w${slot}.${generation}`)
    const worker = Worker.layer({
      name: process.name,
      tasks: [Plain, Limited],
      queues: plan.queues,
      concurrency: plan.concurrency,
      prefetch: plan.prefetch,
      visibilityTimeout: plan.lease,
      drainLimit,
      grace
    }).pipe(Layer.provide(this.handlers(process)), Layer.provide(contracts(stage, process)))
    const fiber = launch(stage, process, Layer.launch(worker))
    const member: Member = { slot, generation, process, fiber, draining: false }
    this.members.add(member)
    fiber.addObserver((exit) => this.ended(member, exit))
  }

  /** Kills it; another one takes its place after a while. */
  crash(process: Process, why: string): void {
    const member = Array.from(this.members).find((one) => one.process === process)
    if (member === undefined) return
    this.stage.coverage.happened("worker crash")
    kill(this.stage, process, why)
    this.replace(member)
  }

  /** Asks it to stop. */
  drain(process: Process): void {
    const member = Array.from(this.members).find((one) => one.process === process)
    if (member === undefined || member.draining) return
    member.draining = true
    this.stage.coverage.happened("worker drain")
    this.stage.world.trace(() => `${process.name} is asked to stop`)
    process.post(() => member.fiber.interruptUnsafe())
    this.stage.oracle.expectRelease(process)
  }

  /** Asks all of them to stop, and starts no other. */
  close(): void {
    this.closed = true
    for (const { process } of this.members) this.drain(process)
  }

  private ended(member: Member, exit: Exit.Exit<unknown, unknown>): void {
    const { process } = member
    const { world } = this.stage
    world.trace(() => `${process.name} has ended`)
    const expected =
      member.draining ||
      // nobody could be reached when it started
      (Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Worker.WorkerError)
    if (!expected) world.fail("G7", `${process.name} ended: ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""}`)
    const runs = Array.from(this.stage.ledger.active.values()).flatMap((all) => Array.from(all))
    if (runs.some((run) => run.process === process && run.manner !== "stubborn")) {
      world.fail("G11", `${process.name} ended while a handler ran`)
    }
    kill(this.stage, process, "by itself")
    this.replace(member)
  }

  private replace(member: Member): void {
    const { slot, generation, process } = member
    this.members.delete(member)
    const pause = this.stage.world.dice(process.name, "replaced").between(50, 1500)
    this.stage.world.after(pause, () => this.start(slot, generation + 1))
  }

  private handlers(process: Process) {
    const { ledger, oracle, plan } = this.stage
    return handlers({
      start: (index, context) => {
        const message: PlannedMessage = plan.messages.find((one) => one.index === index)!
        const fence = oracle.checkStart(process, context.id, context, {
          attempts: mostAttempts[message.task],
          early: message.early
        })
        const behaviour = message.behaviours[ledger.finishedRuns(context.id) + ledger.lostRuns(context.id)] ?? {
          manner: "succeed",
          millis: 20
        }
        const { manner } = behaviour
        const run = ledger.start({ id: context.id, process, fence, manner, attempt: context.attempt })
        this.stage.world.trace(() => `${process.name} runs ${run.token} (${manner} ${behaviour.millis} ms)`)
        return { run, behaviour }
      },
      end: (run, how) => {
        this.stage.world.trace(() => `${process.name} ran ${run.token}: ${how}`)
        ledger.end(run, how)
      },
      tidying: tidyingOf(plan),
      block: (millis, then) => {
        this.stage.network.trouble(process, millis)
        this.stage.coverage.happened("blocked")
        process.block(millis, then)
      },
      crash: () => this.crash(process, "by its handler")
    })
  }
}
