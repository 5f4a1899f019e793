/**
 * Handlers for programs that do not use Effect: an async function, whose throws mean what failures mean elsewhere.
 *
 * ```ts nocheck
 * export const ResizeLive = PromiseHandler.toLayer(Resize, async ({ url, width }, context) => {
 *   const response = await fetch(url, { signal: context.signal })
 *   if (response.status === 404) throw new ImageMissing({ url })
 *   if (response.status === 503) return context.retry({ after: "1 minute" })
 *   await context.progress({ loaded: 100 })
 *   return shrink(await response.bytes(), width)
 * })
 * ```
 *
 * - A thrown value that fits the task's error schema (an instance of its class) is the task's typed error. Any other is a
 *   defect.
 * - When the run is stopped (time limit, revoke, shutdown), `context.signal` aborts, and the worker waits for the function
 *   to settle; one that does not within the worker's `grace` is abandoned.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import * as Task from "./Task.ts"
import { type Info, SoftTimeLimitExceeded, TaskContext, TaskSignal, type Typed } from "./TaskContext.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type PromiseHandler<T extends Task.AnyWithProps> = (
  payload: T["payloadSchema"]["Type"],
  context: PromiseContext<T["progressSchema"]["Type"]>
) => Promise<T["successSchema"]["Type"]>

/**
 * What a running handler sees of its message, and what it can say about it. `P` is the type of the task's progress.
 *
 * The verdicts (`retry`, `snooze`, `reject`, `ignore`) throw; written after `return`, as in `return context.ignore()`, they
 * tell the compiler so. A `catch` that takes every error takes them too.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromiseContext<in P> extends Pick<
  Info,
  "id" | "task" | "queue" | "worker" | "attempt" | "deliveries" | "headers" | "parentId" | "rootId"
> {
  /** Where the run is known to the program's `PromiseClient`, see `PromiseClient.within`. */
  readonly "~lineage": Context.Context<never>
  readonly enqueuedAt: Date
  /** When the soft and the hard time limit of this run come, if it has any. */
  readonly softDeadline: Date | undefined
  readonly deadline: Date | undefined
  /** Aborts when the run is stopped: hand it to whatever takes one. What the function returns after that is dropped. */
  readonly signal: AbortSignal
  /**
   * Tells whoever follows the message how far it is. The latest value counts; values in between may be skipped. Does not
   * wait for the broker and never rejects.
   */
  readonly progress: (value: P) => Promise<void>
  /**
   * Runs a part whose `signal` aborts when the soft limit comes; once the part has settled, this rejects with
   * `SoftTimeLimitExceeded`: catch it, tidy up, return what there is.
   */
  readonly withSoftTimeLimit: <A>(part: (signal: AbortSignal) => Promise<A>) => Promise<A>
  /** Run again, after the policy's delay or the one given. Counts as an attempt. */
  readonly retry: (...args: Parameters<Info["retry"]>) => never
  /** Run again after a while; does not count as an attempt. */
  readonly snooze: (...args: Parameters<Info["snooze"]>) => never
  /** Never run again: the message fails and is kept among the dead letters. With `requeue`: somebody else shall run it. */
  readonly reject: (...args: Parameters<Info["reject"]>) => never
  /** Done, with nothing to say: the message ends as `ignored`. */
  readonly ignore: () => never
}

/**
 * The handler as an ordinary one, for a place that takes those: the table of a `TaskGroup`, a test.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <T extends Task.AnyWithProps>(task: T, handler: PromiseHandler<T>): Task.Handler<T, never> => {
  // the worker refuses what is no function
  if (typeof handler !== "function") return handler
  const isError = Schema.is(task.errorSchema)
  /** Total: looking at a thrown value may throw in turn, and that is a defect as well. */
  const thrown = (error: unknown): ReturnType<Task.Handler<T, never>> =>
    Effect.suspend(() =>
      error instanceof TaskSignal || error instanceof SoftTimeLimitExceeded || isError(error)
        ? Effect.fail(error)
        : Effect.die(error)
    )
  return (payload, context) =>
    Effect.contextWith((services) =>
      settled((signal) => handler(payload, contextOf(context, signal, services)), thrown)
    )
}

/**
 * A Layer for `Worker.layer`, as the task's own `toLayer` makes one.
 *
 * @category layers
 * @since 0.1.0
 */
export const toLayer = <T extends Task.AnyWithProps>(
  task: T,
  handler: PromiseHandler<T>
): Layer.Layer<T["~handler"] & {}, never, Task.ServicesWorker<T>> =>
  Layer.effectContext(
    Effect.map(Effect.context<never>(), (services) =>
      // the worker decodes payloads with this task's schemas, and says that it has no handler for what is no task
      Task.registered(Task.isTask(task) ? [{ task, run: make(task, handler) as Task.HandlerFunction, services }] : [])
    )
    // handlers lie in the context under their names; which are there, only the phantom type says
  ) as unknown as Layer.Layer<T["~handler"] & {}, never, Task.ServicesWorker<T>>

/** Runs an async function. Interrupting it aborts the signal and waits for the function to settle. */
const settled = <A, E>(
  run: (signal: AbortSignal) => Promise<A>,
  thrown: (error: unknown) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.callback<A, E>((resume, signal) => {
    // a function that throws before it has made a promise is a rejected one
    const done = new Promise<A>((resolve) => resolve(run(signal))).then(
      (value) => resume(Effect.succeed(value)),
      (error) => resume(thrown(error))
    )
    return Effect.promise(() => done)
  })

const contextOf = <P>(context: Typed<P>, signal: AbortSignal, services: Context.Context<never>): PromiseContext<P> => ({
  id: context.id,
  task: context.task,
  queue: context.queue,
  worker: context.worker,
  attempt: context.attempt,
  deliveries: context.deliveries,
  headers: context.headers,
  parentId: context.parentId,
  rootId: context.rootId,
  "~lineage": lineageOf(services),
  enqueuedAt: DateTime.toDateUtc(context.enqueuedAt),
  softDeadline: context.softDeadline && DateTime.toDateUtc(context.softDeadline),
  deadline: context.deadline && DateTime.toDateUtc(context.deadline),
  signal,
  progress: (value) => Effect.runPromiseWith(services)(context.progress(value)),
  withSoftTimeLimit: (part) =>
    Effect.runPromiseWith(services)(context.withSoftTimeLimit(settled(part, Effect.fail)), { signal }),
  retry: (options) => raise(context.retry(options)),
  snooze: (duration) => raise(context.snooze(duration)),
  reject: (options) => raise(context.reject(options)),
  ignore: () => raise(context.ignore)
})

/** What a message takes over from the run that sends it: the message of the run, and its span. */
const lineageOf = (services: Context.Context<never>): Context.Context<never> =>
  // a pick of what may be there
  Context.pick(
    TaskContext,
    Tracer.ParentSpan
  )(services as Context.Context<TaskContext | Tracer.ParentSpan>) as Context.Context<never>

const raise = (verdict: Effect.Effect<never, TaskSignal>): never => {
  throw Effect.runSync(Effect.flip(verdict))
}
