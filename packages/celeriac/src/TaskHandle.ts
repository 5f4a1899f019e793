/**
 * What the caller of a task holds: the way to its result from anywhere.
 *
 * Decoding services were captured when the handle was made, so nothing here asks for any. Losses of connection are waited
 * out. An id that no queue and no record knows is an answer of its own: `state` says `None`, `await` fails with
 * `ResultGone`; it is never reported as pending.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { TaskEnded } from "./TaskEnded.ts"
import type { State, TerminalState } from "./TaskRecord.ts"

/**
 * Something that happened to a message. `state` is the one that it was seen in; states that it went through quickly may be
 * skipped, the end never is.
 *
 * @category models
 * @since 0.1.0
 */
export type Change<A, E, P> =
  | { readonly _tag: "State"; readonly state: State }
  | { readonly _tag: "Progress"; readonly value: P }
  /** A failed attempt that is followed by another. */
  | { readonly _tag: "Retrying"; readonly attempt: number; readonly exit: Exit.Exit<never, E | TaskEnded> }
  /** The last one. `state` is `undefined` when nothing is known of the message (any more). */
  | { readonly _tag: "Ended"; readonly state: TerminalState | undefined; readonly exit: Exit.Exit<A, E | TaskEnded> }

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskHandle<out A, out E = never, out P = never> {
  readonly id: string
  /** Name of the task. */
  readonly task: string
  readonly queue: string
  /**
   * Waits for the end. A typed error of the task fails as an instance of its class, any other ending as `TaskEnded`, and a
   * remote defect is a defect here. When the client closes, who still waits is interrupted.
   */
  readonly await: Effect.Effect<A, E | TaskEnded>
  /** `None` while the message has not ended. */
  readonly poll: Effect.Effect<Option.Option<Exit.Exit<A, E | TaskEnded>>>
  /** `None` for an id that nobody knows. */
  readonly state: Effect.Effect<Option.Option<State>>
  /** Follows the message to its end. */
  readonly changes: Stream.Stream<Change<A, E, P>>
  /**
   * Ends the message if it has not ended. A running handler is interrupted, unless `waitingOnly` is set: then a running
   * message goes on, and the answer is `false`. `true`: it is revoked now.
   */
  readonly revoke: (options?: { readonly waitingOnly?: boolean | undefined }) => Effect.Effect<boolean>
  /** Drops the result. The id stays refused as a duplicate for the rest of the `dedupeWindow`. */
  readonly forget: Effect.Effect<void>
}
