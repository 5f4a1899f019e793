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
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Client, EnqueueOptions } from "./Client.ts"
import { EnqueueError, InvalidTask } from "./EnqueueError.ts"
import { shown } from "./internal/misuse.ts"
import type { PromiseContext } from "./PromiseHandler.ts"
import * as Task from "./Task.ts"
import { TaskEnded } from "./TaskEnded.ts"
import type * as TaskHandle from "./TaskHandle.ts"
import type { State } from "./TaskRecord.ts"

/**
 * The client was closed: before the call, or while it waited. Of a call that was on its way it is not known whether its
 * message was accepted.
 *
 * @category errors
 * @since 0.1.0
 */
export class ClientClosed extends Schema.TaggedError<ClientClosed>()("ClientClosed", {}) {
  override get message(): string {
    return "the client was closed"
  }
}

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
  /**
   * Rejects with the task's error, a `TaskEnded`, or the defect. Aborting stops the wait, not the message, and rejects with
   * the signal's reason (an `AbortError` if it has no other).
   */
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
  /**
   * The same client for calls of a running handler: they get its message as their parent (`parentId`, `rootId`) and its
   * span, as calls of an Effect handler do by themselves.
   */
  readonly within: (context: PromiseContext<never>) => PromiseClient
  readonly enqueue: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    ...args: Arguments<T, EnqueueOptions>
  ) => Promise<HandleOf<T>>
  readonly enqueueAll: <T extends Task.AnyWithProps>(
    task: T & Plain<T>,
    payloads: Iterable<T["payloadSchema"]["~type.make.in"]>,
    options?: Omit<EnqueueOptions, "id">
  ) => Promise<ReadonlyArray<HandleOf<T>>>
  /** `enqueue`, then `result`. Aborting revokes the message and rejects with the signal's reason. */
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
  /**
   * Closes connections (and workers, if the layer holds some). The same as leaving an `await using` block. Calls and waits
   * that are open, and all later ones, reject with a `ClientClosed`. Messages go on, but for those of an open `execute`,
   * which are revoked as if it were aborted.
   */
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

type Waiting = { readonly signal?: AbortSignal | undefined }

/** Runs an effect of the client: rejects with the signal's reason, or `ClientClosed`, or what the effect failed with. */
type Run = <A, E>(effect: Effect.Effect<A, E, Client>, signal?: AbortSignal) => Promise<A>

/**
 * A client on the given layer (`CeleriacRedis.layer(…)`, `CeleriacMemory.layer`). Connects at the first call.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E>(layer: Layer.Layer<A | Client, E>): PromiseClient => {
  const runtime = ManagedRuntime.make(layer)
  const closing = Deferred.makeUnsafe<never, ClientClosed>()
  const isClosed = () => Deferred.isDoneUnsafe(closing)
  const close = () => {
    Deferred.doneUnsafe(closing, Exit.fail(new ClientClosed()))
    return runtime.dispose()
  }
  const run: Run = async (effect, signal) => {
    signal?.throwIfAborted()
    if (isClosed()) throw new ClientClosed()
    const exit = await runtime.runPromiseExit(effect, signal === undefined ? {} : { signal })
    if (Exit.isSuccess(exit)) return exit.value
    // interrupted from outside; what the effect says by itself says more
    if (Cause.hasInterruptsOnly(exit.cause)) {
      signal?.throwIfAborted()
      if (isClosed()) throw new ClientClosed()
    }
    throw Cause.squash(exit.cause)
  }
  /** Ends where the client is closed: streams are read by fibers that are not the runtime's. */
  const untilClosed = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.interruptWhen(stream, Deferred.await(closing))
  return clientOn(run, untilClosed, close)
}

const clientOn = (
  run: Run,
  untilClosed: <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.Stream<A, E | ClientClosed, R>,
  close: () => Promise<void>
): PromiseClient => {
  const client = {
    within: (context: PromiseContext<never>) =>
      clientOn((effect, signal) => run(Effect.provideContext(effect, context["~lineage"]), signal), untilClosed, close),
    enqueue: (task: Sendable, payload: unknown, options?: EnqueueOptions) =>
      run(
        Effect.map(
          sent(task, () => task.enqueue(payload, options)),
          handleOf
        )
      ),
    enqueueAll: (task: Sendable, payloads: Iterable<unknown>, options?: EnqueueOptions) =>
      run(
        Effect.map(
          sent(task, () => task.enqueueAll(payloads, options)),
          (handles) => handles.map(handleOf)
        )
      ),
    execute: (task: Sendable, payload: unknown, options?: EnqueueOptions & Waiting) => {
      const [signal, others] = withoutSignal(options)
      return run(
        sent(task, () => task.execute(payload, others)),
        signal
      )
    },
    handle: (task: Sendable, id: string, options?: { readonly queue?: string | undefined }) =>
      run(
        Effect.map(
          sent(task, () => task.handle(id, options)),
          handleOf
        )
      ),
    ready: () => run(Effect.void),
    close,
    [Symbol.asyncDispose]: close
  }
  const handleOf = (handle: AnyHandle) => ({
    id: handle.id,
    result: (options?: Waiting) => run(handle.await, options?.signal),
    ending: (options?: Waiting) => run(Effect.map(Effect.exit(handle.await), endingOf), options?.signal),
    state: () => run(Effect.map(handle.state, Option.getOrUndefined)),
    async *changes() {
      yield* await run(Stream.toAsyncIterableEffect(untilClosed(Stream.map(handle.changes, changeOf))))
    },
    revoke: (options?: { readonly waitingOnly?: boolean | undefined }) => run(handle.revoke(options)),
    forget: () => run(handle.forget)
  })
  // the types of the results are those of the task's schemas
  return client as unknown as PromiseClient
}

/** What is no task has no such method. */
const sent = <A, E>(
  task: unknown,
  call: () => Effect.Effect<A, E, Client>
): Effect.Effect<A, E | EnqueueError, Client> =>
  Task.isTask(task)
    ? Effect.suspend(call)
    : Effect.fail(
        new EnqueueError({
          reason: new InvalidTask({ task: shown(task), problems: ["it is no task: give what Task.make made"] }),
          ids: []
        })
      )

/** The signal is the client's, the others are those of the call. */
const withoutSignal = (options: (EnqueueOptions & Waiting) | undefined) => {
  // what are no options is told by the call
  if (typeof options !== "object" || options === null) return [undefined, options] as const
  const { signal, ...others } = options
  return [signal, others] as const
}

const endingOf = (exit: Exit.Exit<unknown, unknown>): Ending<unknown, unknown> => {
  if (Exit.isSuccess(exit)) return { status: "succeeded", value: exit.value }
  const found = Cause.findErrorOption(exit.cause)
  // the error itself may be `undefined`
  if (Option.isNone(found)) return { status: "died", defect: Cause.squash(exit.cause) }
  return found.value instanceof TaskEnded
    ? { status: "ended", ended: found.value }
    : { status: "failed", error: found.value }
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
