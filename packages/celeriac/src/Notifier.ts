/**
 * Contract: push messages that may be lost.
 *
 * A push saves the wait for the next look; it never carries the only copy of anything. Whoever subscribes reads the state
 * itself after each push, after `onReset`, and now and then without any.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

/**
 * Two stores, each of which pushes by itself: broker and results on different servers, or one of them in memory.
 *
 * ```ts nocheck
 * // messages on a server, results in the memory of this process
 * Notifier.layerBoth(CeleriacRedis.layerBroker("redis://localhost:6379"), CeleriacMemory.layerResultBackend)
 * ```
 *
 * Whoever subscribes listens to both; a subscription stands when both do. `publish` goes to the first. Each of the two is
 * built anew here, whatever else was built of the same layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBoth = <A, B, E1, E2, R1, R2>(
  one: Layer.Layer<A | Notifier, E1, R1>,
  other: Layer.Layer<B | Notifier, E2, R2>
): Layer.Layer<A | B | Notifier, E1 | E2, R1 | R2> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const left = yield* Layer.build(Layer.fresh(one))
      const right = yield* Layer.build(Layer.fresh(other))
      const [first, second] = [Context.get(left, Notifier), Context.get(right, Notifier)]
      return Context.merge(Context.merge(left, right), Context.make(Notifier, both(first, second)))
    })
  )

const both = (one: Notifier["Service"], other: Notifier["Service"]): Notifier["Service"] => ({
  subscribe: (channel, { onMessage, onReset }) =>
    Effect.suspend(() => {
      let standing = 0
      const subscriber: Subscriber = {
        onMessage,
        // it stands when both of them do
        onReset: () => {
          if (standing < 2) standing++
          if (standing === 2) onReset()
        }
      }
      return Effect.andThen(one.subscribe(channel, subscriber), other.subscribe(channel, subscriber))
    }),
  // whoever subscribes listens to both
  publish: one.publish
})
