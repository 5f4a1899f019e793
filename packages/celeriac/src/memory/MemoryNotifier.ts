/**
 * The `Notifier` contract within one process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Notifier } from "../Notifier.ts"
import { MemoryHub } from "./MemoryHub.ts"

/**
 * @category layers
 * @since 0.1.0
 */
export const layerNotifier: Layer.Layer<Notifier, never, MemoryHub> = Layer.effect(
  Notifier,
  Effect.map(MemoryHub, (hub) => ({
    subscribe: (channel, subscriber) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => hub.subscribe(channel, subscriber)),
          (leave) => Effect.sync(leave)
        )
      ),
    publish: (channel, message) =>
      Effect.sync(() => {
        hub.push(channel, message)
      })
  }))
)
