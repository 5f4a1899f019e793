/**
 * For tests of programs that use tasks: run one task in place, see what was enqueued, work off what waits, and travel in
 * time.
 *
 * `layer` stands where the program's server would: everything in memory, on the test's clock. Nothing is mocked: payloads,
 * results and errors go through their schemas, retries and time limits are the real ones.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Task } from "celeriac"
 * import { TaskTest } from "celeriac/testing"
 * import { Effect, Schema } from "effect"
 *
 * class Welcome extends Task.make("mail.welcome", { payload: { to: Schema.String }, success: Schema.String }) {}
 *
 * const WelcomeLive = Welcome.toLayer(({ to }) => Effect.succeed(`sent to ${to}`))
 *
 * const signUp = (email: string) => Welcome.enqueue({ to: email }, { delay: "1 hour" })
 *
 * it.effect("a new user is welcomed an hour later", () =>
 *   Effect.gen(function* () {
 *     yield* signUp("ada@example.org")
 *     yield* TaskTest.assertEnqueued(Welcome, { payload: { to: "ada@example.org" }, delay: "1 hour" })
 *     const { succeeded } = yield* TaskTest.drain({ tasks: [Welcome], withScheduled: true })
 *     assert.strictEqual(succeeded, 1)
 *   }).pipe(Effect.provide(WelcomeLive), Effect.provide(TaskTest.layer))
 * )
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Broker } from "../Broker.ts"
import * as Client from "../Client.ts"
import type { EnqueueError } from "../EnqueueError.ts"
import type { Notifier } from "../Notifier.ts"
import type { ResultBackend } from "../ResultBackend.ts"
import type * as Task from "../Task.ts"
import type { TaskEnded } from "../TaskEnded.ts"
import type * as TaskRecord from "../TaskRecord.ts"
import * as Faults from "./Faults.ts"
import * as Idempotence from "./internal/idempotence.ts"
import * as Recorder from "./internal/Recorder.ts"
import * as Run from "./internal/run.ts"
import * as Settle from "./internal/settle.ts"

export {
  assertEnqueued,
  capture,
  type Enqueued,
  enqueued,
  ExpectationFailed,
  forgetEnqueued,
  refuteEnqueued
} from "./internal/assertions.ts"
export { drain, type Drained, DrainFailed, type DrainOptions, type Failure } from "./internal/drain.ts"
export { NotIdempotent } from "./internal/idempotence.ts"
export type { Expected } from "./internal/matching.ts"
export type { Recorder } from "./internal/Recorder.ts"

/**
 * Everything in memory, on the test's clock, with a record of what was enqueued, and with `Faults` that do no harm until
 * they are asked to. It stands where `CeleriacMemory.layer` or the layer of a real server would.
 *
 * A worker that stops waits for its running handlers up to its `drainLimit`, on the clock. Where a test ends while handlers
 * run, nobody moves the clock for them: give such a worker `drainLimit: 0`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Recorder.Recorder | Faults.Faults | Client.Client | Broker | ResultBackend | Notifier> =
  Faults.assembled(
    Layer.mergeAll(Layer.provide(Recorder.layerClient, Client.layer), Recorder.layerPool).pipe(
      Layer.provideMerge(Recorder.layerBroker),
      Layer.provideMerge(Recorder.layer),
      Layer.provideMerge(Faults.layerServer)
    )
  )

/**
 * Moves the `TestClock` and lets workers and clients do what they can do then.
 *
 * It waits for what happens inside of the program, not for anything outside of it (files, sockets, live timers): where a
 * handler waits for such, await its `TaskHandle` instead.
 *
 * @category time
 * @since 0.1.0
 */
export const advance: (duration: Duration.Input) => Effect.Effect<void> = Settle.advance

/**
 * Lets workers and clients do what they can do at this moment: `advance` without moving the time.
 *
 * @category time
 * @since 0.1.0
 */
export const settle: Effect.Effect<void> = Settle.settle

/**
 * @category models
 * @since 0.1.0
 */
export interface RunOptions extends Omit<Client.EnqueueOptions, "delay" | "at"> {
  /** The number of this attempt. Default 1. */
  readonly attempt?: number | undefined
  /** Deliveries so far, this one included. Default 1. */
  readonly deliveries?: number | undefined
  /** The message is revoked when this succeeds. */
  readonly revokeWhen?: Effect.Effect<unknown> | undefined
}

/**
 * How one run ended, and what would follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ran<A, E, P> {
  /**
   * What whoever awaits the message would get if this were its last run. `undefined` when the run gave no verdict: it was
   * snoozed, requeued or released.
   */
  readonly exit: Exit.Exit<A, E | TaskEnded> | undefined
  /** The message's state after it: `"retrying"` when another attempt follows. */
  readonly state: TaskRecord.State
  /** Milliseconds until it would run again; `undefined` when it is over. */
  readonly delay: number | undefined
  /** Everything that the handler reported. */
  readonly progress: ReadonlyArray<P>
  /** Why the message would be kept among the dead letters; `undefined` when it would not be. */
  readonly deadLetter: string | undefined
}

/**
 * Runs the handler of a task in place, once, with all that a message goes through except for the broker: the payload is
 * checked and encoded as `enqueue` does it, written, read and decoded as a worker does it; time limits are kept on the
 * `Clock`; the result or error is encoded and decoded again; the policies say what would follow.
 *
 * Needs the handler's Layer and nothing else. A handler that enqueues needs a `Client`, for which `layer` is there.
 *
 * ```ts nocheck
 * const { delay, exit, state } = yield* TaskTest.run(SendMail, { to: "ada@example.org" }, { attempt: 2 })
 * assert.deepStrictEqual(exit, Exit.fail(new SmtpError({ code: 421 })))
 * assert.deepStrictEqual([state, delay], ["retrying", 2000])
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <T extends Task.AnyWithProps>(
  task: T,
  payload: T["payloadSchema"]["~type.make.in"],
  options?: RunOptions
): Effect.Effect<
  Ran<Task.Success<T>, Task.Error<T>, T["progressSchema"]["Type"]>,
  EnqueueError,
  T["~handler"] | Task.ServicesClient<T>
> =>
  // decoded with the task's schemas; the handler is looked up by the task's name
  Run.run(task, payload, options)

/**
 * A message may be delivered twice: its worker died after the work was done and before that was known. This runs the handler
 * twice for one message (one id, the second time as a redelivery) and fails with `NotIdempotent` unless both runs end
 * alike, and leave behind what `observe` finds alike after each.
 *
 * ```ts nocheck
 * yield* TaskTest.checkIdempotent(Charge, { order: "4711" }, { observe: Payments.pipe(Effect.flatMap((p) => p.all)) })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const checkIdempotent = <T extends Task.AnyWithProps, S = void, E = never, R = never>(
  task: T,
  payload: T["payloadSchema"]["~type.make.in"],
  options?: RunOptions & {
    /** What the handler changes: rows of a table, mails in an outbox. Compared by structure. */
    readonly observe?: Effect.Effect<S, E, R> | undefined
  }
): Effect.Effect<
  Ran<Task.Success<T>, Task.Error<T>, T["progressSchema"]["Type"]>,
  Idempotence.NotIdempotent | EnqueueError | E,
  T["~handler"] | Task.ServicesClient<T> | R
> =>
  // see `run`
  Idempotence.check(task, payload, options)
