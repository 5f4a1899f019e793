/**
 * Contract: push messages that may be lost.
 *
 * A push saves the wait for the next look; it never carries the only copy of anything. Whoever subscribes reads the state
 * itself after each push, after `onReset`, and now and then without any.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"

/**
 * @category models
 * @since 0.1.0
 */
export interface Subscriber {
  /** Called for each push, in order; must be quick and must not throw. */
  readonly onMessage: (message: string) => void
  /** The subscription stands (again): pushes before this moment may have been lost. */
  readonly onReset: () => void
}

/**
 * @category services
 * @since 0.1.0
 */
export class Notifier extends Context.Service<
  Notifier,
  {
    /** Subscribes for the life of the scope; `onReset` is called once it stands. Reconnects by itself. */
    readonly subscribe: (channel: string, subscriber: Subscriber) => Effect.Effect<void, never, Scope>
    /** Sends to whoever listens. A failure is not reported: the push is lost, which everybody must be able to bear. */
    readonly publish: (channel: string, message: string) => Effect.Effect<void>
  }
>()("celeriac/Notifier") {}
