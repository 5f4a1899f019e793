/**
 * A simulated process: its clock, its event loop, and the ways in which it can stand still or die.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type { Node } from "../../memory/DueHeap.ts"
import * as TaskId from "../../TaskId.ts"
import type { Action, World } from "./World.ts"

/** Something that reaches the event loop from outside. */
interface Arrival {
  readonly kind: "timer" | "io"
  readonly run: () => void
}

/**
 * @category models
 * @since 0.1.0
 */
export class Process {
  readonly world: World
  readonly name: string
  state: "running" | "stopped" | "dead" = "running"
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** When it last went on after it had stood still, milliseconds since 1970. */
  resumedAt = -Infinity
  /** What runs in it sees this context: clock, scheduler, random numbers, ids. */
  readonly context: Context.Context<never>
  private tasks: Array<() => void> = []
  private backlog: Array<Arrival> = []
  private waking: Node<Action> | undefined
  /** What stands before the backlog when a blocked process goes on. */
  private blocked: Array<() => void> = []

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.startedAt = world.now
    const random = world.dice(name, "random")
    const ids = world.dice(name, "ids")
    this.context = Context.empty().pipe(
      Context.add(Clock.Clock, this.clock()),
      Context.add(Scheduler.Scheduler, this.scheduler()),
      Context.add(Random.Random, {
        nextIntUnsafe: () => Math.floor((random.next() - 0.5) * 2 * Number.MAX_SAFE_INTEGER),
        nextDoubleUnsafe: () => random.next()
      }),
      Context.add(TaskId.Generator, {
        next: TaskId.makeGenerator((bytes) => {
          for (let at = 0; at < bytes.length; at++) bytes[at] = ids.between(0, 255)
        })
      })
    )
  }

  /** Starts a program in this process. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context)(effect)
  }

  /** A reply or a push arrives. */
  post(run: () => void): void {
    this.arrive({ kind: "io", run })
  }

  /** Nothing in it runs for so many milliseconds. */
  stop(millis: number): void {
    if (this.state !== "running") return
    this.state = "stopped"
    this.waking = this.world.after(millis, () => this.resume())
  }

  /** A handler keeps the event loop for itself, and goes on with `then`. */
  block(millis: number, then: () => void): void {
    // what was started together with it goes on with it
    this.blocked.push(then)
    this.stop(millis)
  }

  resume(): void {
    if (this.state !== "stopped") return
    if (this.waking !== undefined) this.world.cancel(this.waking)
    this.world.trace(() => `${this.name} goes on`)
    this.state = "running"
    this.resumedAt = this.world.now
    const { backlog, blocked } = this
    this.backlog = []
    this.blocked = []
    this.tasks.unshift(...blocked)
    // which of the two an event loop looks at first is a matter of chance
    const first = this.world.dice(this.name, "resume", this.world.elapsed).pick(["timer", "io"])
    for (const { kind, run } of backlog) if (kind === first) this.tasks.push(run)
    for (const { kind, run } of backlog) if (kind !== first) this.tasks.push(run)
  }

  die(): void {
    if (this.waking !== undefined) this.world.cancel(this.waking)
    this.state = "dead"
    this.tasks = []
    this.backlog = []
    this.blocked = []
  }

  /** Runs what can run, without waiting; answers whether there was anything. */
  runTasks(mayGoOn: (count: number) => boolean): boolean {
    if (this.state !== "running" || this.tasks.length === 0) return false
    // `state` changes under way: by a handler that blocks, or that kills its process
    for (let at = 0; this.isRunning(); at++) {
      const task = this.tasks[at]
      if (task === undefined || !mayGoOn(1)) {
        this.tasks = []
        break
      }
      try {
        task()
      } catch (error) {
        this.world.fail("G7", `an exception escaped in ${this.name}: ${String(error)}`)
      }
      if (!this.isRunning()) this.tasks = this.tasks.slice(at + 1)
    }
    return true
  }

  private isRunning(): boolean {
    return this.state === "running"
  }

  private arrive(arrival: Arrival): void {
    if (this.state === "dead") return
    if (this.state === "stopped") this.backlog.push(arrival)
    else this.tasks.push(arrival.run)
  }

  private scheduler(): Scheduler.Scheduler {
    const dispatcher = {
      scheduleTask: (task: () => void) => {
        if (this.state !== "dead") this.tasks.push(task)
      },
      flush: () => {}
    }
    return {
      executionMode: "async",
      shouldYield: (fiber) => fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
      makeDispatcher: () => dispatcher
    }
  }

  private clock(): Clock.Clock {
    const { world } = this
    const millis = () => world.now
    const nanos = () => BigInt(world.now) * 1_000_000n
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) => {
        const length = Math.ceil(Duration.toMillis(duration))
        if (length <= 0) return Effect.yieldNow
        if (length === Infinity) return Effect.never
        return Effect.callback<void>((resume) => {
          const timer = world.after(length, () => this.arrive({ kind: "timer", run: () => resume(Effect.void) }))
          return Effect.sync(() => world.cancel(timer))
        })
      }
    }
  }
}
