/** The default pool: each message in a fiber of this process. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import type { Outcome } from "../Outcome.ts"
import type { Listener, Pool, PoolOptions, Running, Stop, Work } from "../Pool.ts"
import type { HandlerFunction, Registered } from "../Task.ts"
import { TaskContext } from "../TaskContext.ts"
import type { TaskMiddleware } from "../TaskMiddleware.ts"
import { conclude } from "./conclude.ts"
import { immediate } from "./immediate.ts"
import { payloadFailure, payloadOf } from "./payload.ts"
import { RunContext } from "./RunContext.ts"
import { reasonThatCounts } from "./stops.ts"
import * as Telemetry from "./Telemetry.ts"

export const fiberPool: Pool["Service"] = {
  make: (options: PoolOptions) =>
    Effect.map(Effect.context<never>(), (context) => {
      const fork = Effect.runForkWith(context)
      const traced = Telemetry.processing(context, options.worker)
      const prepared = new Map(
        Array.from(options.handlers, ([name, handler]) => [
          name,
          {
            ...handler,
            run: around(handler),
            // the worker's own services (clock, logger, tracer) under those that the handler was given
            services: Context.merge(context, handler.services)
          }
        ])
      )
      return {
        start: (work, listener) => {
          // the worker starts what it has a handler for
          const handler = prepared.get(work.message.task)!
          const run = new FiberRun(handler, work, listener, fork, options)
          run.start(traced)
          return run
        }
      }
    })
}

/** The handler with its middlewares around it, the one added last outside. */
const around = ({ run, services, task }: Registered): HandlerFunction =>
  task.middlewares.reduce<HandlerFunction>((inner, middleware) => {
    // what it provides, it provides to the handler; its error is encoded with the task's
    const service = Context.get(services as Context.Context<unknown>, middleware) as TaskMiddleware<never, unknown>
    return (payload, context) =>
      service(
        inner(payload, context) as Effect.Effect<never, unknown>,
        // the context's members are getters of its class
        Object.create(context, { payload: { value: payload, enumerable: true } }) as typeof context & {
          payload: unknown
        }
      )
  }, run)

type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

class FiberRun implements Running {
  private readonly handler: Registered
  private readonly work: Work
  private readonly listener: Listener
  private readonly fork: Fork
  private readonly context: RunContext
  private readonly scope = Scope.makeUnsafe()
  private fiber: Fiber.Fiber<unknown, unknown> | undefined
  private stopped: Stop | undefined
  private readonly grace: number
  /** Of the handler, while its scope closes. */
  private exit: Exit.Exit<unknown, unknown> | undefined

  constructor(handler: Registered, work: Work, listener: Listener, fork: Fork, { grace, worker }: PoolOptions) {
    this.handler = handler
    this.work = work
    this.listener = listener
    this.fork = fork
    this.grace = grace
    this.context = new RunContext(work, handler.task, listener, worker)
  }

  start(traced: ReturnType<typeof Telemetry.processing>): void {
    const payload = payloadOf(this.handler.task, this.work.message)
    this.whenDone(payload, (exit) =>
      Exit.isSuccess(exit) ? this.run(exit.value, traced) : this.end(payloadFailure(exit.cause))
    )
  }

  private run(payload: unknown, traced: ReturnType<typeof Telemetry.processing>): void {
    const { message } = this.work
    // stopped while its payload was decoded
    if (this.stopped !== undefined) return this.conclude(Exit.interrupt())
    const effect = Effect.suspend(() => this.handler.run(payload, this.context))
    const services = this.handler.services.pipe(
      Context.add(TaskContext, this.context),
      Context.add(Scope.Scope, this.scope),
      Context.add(References.CurrentLogAnnotations, {
        ...Context.get(this.handler.services, References.CurrentLogAnnotations),
        task: message.task,
        id: message.id,
        attempt: this.context.attempt
      })
    )
    const whole = traced === undefined ? effect : traced(effect, message, this.work.deliveries, () => this.stopped)
    const fiber = Effect.runForkWith(services)(whole)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.close(exit)
    this.fiber = fiber
    fiber.addObserver((exit) => this.close(exit))
  }

  stop(why: Stop): boolean {
    // a limit that a region takes is no reason to end
    if (why === "soft" && this.stopped === undefined && this.context.endRegions()) return false
    this.stopped = reasonThatCounts(this.stopped, why)
    this.fiber?.interruptUnsafe()
    return true
  }

  /** What the handler put into its scope is released before the outcome is told. */
  private close(exit: Exit.Exit<unknown, unknown>): void {
    const closing = Scope.closeUnsafe(this.scope, exit)
    if (closing === undefined) return this.conclude(exit)
    this.exit = exit
    this.fork(
      Effect.catchCause(closing, (cause) =>
        Effect.logWarning("a finalizer of the handler failed; the outcome of the run stands", cause)
      )
    ).addObserver(() => this.conclude(exit))
  }

  concluded(): Effect.Effect<Outcome> | undefined {
    return this.exit && Effect.provideContext(this.outcomeOf(this.exit), this.handler.services)
  }

  private outcomeOf(exit: Exit.Exit<unknown, unknown>): Effect.Effect<Outcome> {
    const { limits, message, startedAt } = this.work
    const { grace, handler, stopped } = this
    return conclude({ task: handler.task, message, limits, startedAt, grace }, exit, stopped)
  }

  private conclude(exit: Exit.Exit<unknown, unknown>): void {
    this.whenDone(this.outcomeOf(exit), (concluded) =>
      this.end(
        Exit.isSuccess(concluded)
          ? concluded.value
          : { _tag: "WorkerLost", detail: "its outcome could not be concluded" }
      )
    )
  }

  /** With the handler's services, and a fiber only if there is something to wait for. */
  private whenDone<A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void): void {
    const exit = immediate(effect)
    if (exit !== undefined) then(exit)
    else this.fork(Effect.provideContext(effect, this.handler.services)).addObserver(then)
  }

  private end(outcome: Outcome): void {
    this.listener.onEnd(outcome)
  }
}
