/**
 * For programs that do not use Effect: the same definitions, promises at the door, typed endings as data.
 *
 * ```ts nocheck
 * await using client = PromiseClient.make(CeleriacRedis.layer({ url }))
 * const handle = await client.enqueue(SendMail, { to, template })
 * const ending = await handle.ending()
 * if (ending.status === "failed") console.error(ending.error.code)
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Client, EnqueueOptions } from "./Client.ts"
import type * as Task from "./Task.ts"
import { TaskEnded } from "./TaskEnded.ts"
import type * as TaskHandle from "./TaskHandle.ts"
import type { State } from "./TaskRecord.ts"

/**
 * How a message ended, as a value: a rejected promise has no type.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending<A, E> =
  | { readonly status: "succeeded"; readonly value: A }
  | { readonly status: "failed"; readonly error: E }
  | { readonly status: "ended"; readonly ended: TaskEnded }
  | { readonly status: "died"; readonly defect: unknown }

/**
 * Something that happened to a message, see `TaskHandle.Change`.
 *
 * @category models
 * @since 0.1.0
 */
export type Change<A, E, P> =
  | { readonly type: "state"; readonly state: State }
  | { readonly type: "progress"; readonly value: P }
  /** A failed attempt that is followed by another. */
  | { readonly type: "retrying"; readonly attempt: number; readonly ending: Ending<never, E> }
  /** The last one. */
  | { readonly type: "ended"; readonly ending: Ending<A, E> }

/**
 * @category models
 * @since 0.1.0
 */
export interface PromiseHandle<out A, out E, out P = never> {
  readonly id: string
  /** Rejects with the task's error, a `TaskEnded`, or the defect. Aborting stops the wait, not the message. */
  readonly result: (options?: { readonly signal?: AbortSignal | undefined }) => Promise<A>
  /** Never rejects because of the task. */
  readonly ending: (options?: { readonly signal?: AbortSignal | undefined }) => Promise<Ending<A, E>>
  /** `undefined` for an id that nobody knows. */
  readonly state: () => Promise<State | undefined>
  /** Follows the message to its end, for `for await`. Leaving the loop stops following. */
  readonly changes: () => AsyncIterable<Change<A, E, P>>
  readonly revoke: (options?: { readonly waitingOnly?: boolean | undefined }) => Promise<boolean>
  readonly forget: () => Promise<void>
}

/** A task that needs no services to encode or decode: the only kind that a plain program can send. */
type Plain<T extends Task.AnyWithProps> = [Task.ServicesClient<T>] extends [never]
  ? T
  : "this task's schemas need Effect services: send it from an Effect program"

type HandleOf<T extends Task.AnyWithProps> = PromiseHandle<Task.Success<T>, Task.Error<T>, T["progressSchema"]["Type"]>

/** A void payload may be left out: in a generic signature the compiler does not see that by itself. */
type Arguments<T extends Task.AnyWithProps, Options> = void extends T["payloadSchema"]["~type.make.in"]
  ? [payload?: T["payloadSchema"]["~type.make.in"], options?: Options]
  : [payload: T["payloadSchema"]["~type.make.in"], options?: Options]

/**
 * @category models
 * @since 0.1.0
 */
export interface PromiseClient extends AsyncDisposable {
  readonly enqueue: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    ...args: Arguments<T, EnqueueOptions>
  ) => Promise<HandleOf<T>>
  readonly enqueueAll: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    payloads: Iterable<T["payloadSchema"]["~type.make.in"]>,
    options?: Omit<EnqueueOptions, "id">
  ) => Promise<ReadonlyArray<HandleOf<T>>>
  /** `enqueue`, then `result`. Aborting revokes the message. */
  readonly execute: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    ...args: Arguments<T, EnqueueOptions & { readonly signal?: AbortSignal | undefined }>
  ) => Promise<Task.Success<T>>
  /** The handle of an id from elsewhere. */
  readonly handle: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    id: string,
    options?: { readonly queue?: string | undefined }
  ) => Promise<HandleOf<T>>
  /** Builds the layer now: connects, and starts the workers that the layer holds. Otherwise the first call does. */
  readonly ready: () => Promise<void>
  /** Closes connections (and workers, if the layer holds some). The same as leaving an `await using` block. */
  readonly close: () => Promise<void>
}

/** The untyped half of a task: its methods, with the services that `Plain` refuses left out. */
interface Sendable {
  readonly enqueue: (payload: unknown, options?: EnqueueOptions) => Effect.Effect<AnyHandle, unknown, Client>
  readonly enqueueAll: (
    payloads: Iterable<unknown>,
    options?: EnqueueOptions
  ) => Effect.Effect<ReadonlyArray<AnyHandle>, unknown, Client>
  readonly execute: (payload: unknown, options?: EnqueueOptions) => Effect.Effect<unknown, unknown, Client>
  readonly handle: (
    id: string,
    options?: { readonly queue?: string | undefined }
  ) => Effect.Effect<AnyHandle, never, Client>
}

type AnyHandle = TaskHandle.TaskHandle<unknown, unknown, unknown>

type Options = EnqueueOptions & { readonly signal?: AbortSignal | undefined }

/**
 * A client on the given layer (`CeleriacRedis.layer(…)`, `CeleriacMemory.layer`). Connects at the first call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E>(layer: Layer.Layer<A | Client, E>): PromiseClient => {
  const runtime = ManagedRuntime.make(layer)
  const client = {
    enqueue: (task: Sendable, payload: unknown, options?: EnqueueOptions) =>
      runtime.runPromise(Effect.map(task.enqueue(payload, options), handleOf)),
    enqueueAll: (task: Sendable, payloads: Iterable<unknown>, options?: EnqueueOptions) =>
      runtime.runPromise(Effect.map(task.enqueueAll(payloads, options), (handles) => handles.map(handleOf))),
    execute: (task: Sendable, payload: unknown, options?: Options) =>
      runtime.runPromise(task.execute(payload, options), signalOf(options)),
    handle: (task: Sendable, id: string, options?: { readonly queue?: string | undefined }) =>
      runtime.runPromise(Effect.map(task.handle(id, options), handleOf)),
    ready: () => runtime.runPromise(Effect.void),
    close: () => runtime.dispose(),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
  const handleOf = (handle: AnyHandle) => ({
    id: handle.id,
    result: (options?: Options) => runtime.runPromise(handle.await, signalOf(options)),
    ending: (options?: Options) =>
      runtime.runPromise(Effect.map(Effect.exit(handle.await), endingOf), signalOf(options)),
    state: () => runtime.runPromise(Effect.map(handle.state, Option.getOrUndefined)),
    async *changes() {
      yield* await runtime.runPromise(Stream.toAsyncIterableEffect(Stream.map(handle.changes, changeOf)))
    },
    revoke: (options?: { readonly waitingOnly?: boolean | undefined }) => runtime.runPromise(handle.revoke(options)),
    forget: () => runtime.runPromise(handle.forget)
  })
  // the types of the results are those of the task's schemas
  return client as unknown as PromiseClient
}

const signalOf = (options: Options | undefined) => (options?.signal === undefined ? {} : { signal: options.signal })

const endingOf = (exit: Exit.Exit<unknown, unknown>): Ending<unknown, unknown> => {
  if (Exit.isSuccess(exit)) return { status: "succeeded", value: exit.value }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error === undefined) return { status: "died", defect: Cause.squash(exit.cause) }
  return error instanceof TaskEnded ? { status: "ended", ended: error } : { status: "failed", error }
}

const changeOf = (change: TaskHandle.Change<unknown, unknown, unknown>): Change<unknown, unknown, unknown> => {
  switch (change._tag) {
    case "State":
      return { type: "state", state: change.state }
    case "Progress":
      return { type: "progress", value: change.value }
    case "Retrying":
      // a failed attempt has no value
      return { type: "retrying", attempt: change.attempt, ending: endingOf(change.exit) as Ending<never, unknown> }
    case "Ended":
      return { type: "ended", ending: endingOf(change.exit) }
  }
}
