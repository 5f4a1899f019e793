/**
 * One memory store: the "server" that the memory layers of a program share. It ends with its layer.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryHub } from "./MemoryHub.ts"
import * as Store from "./Store.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class MemoryStore extends Context.Service<
  MemoryStore,
  {
    /** Unique in this process: see `Broker.location`. */
    readonly location: string
    readonly store: Store.Store
    /** The time of this server: that of the `Clock` with which the layer was built, in milliseconds since 1970. */
    readonly now: () => number
    /** A number that was not given before. */
    readonly ticket: () => number
  }
>()("celeriac/memory/MemoryStore") {}

let made = 0

/**
 * A store of its own each time that the layer is built. Use `Layer.fresh` for a second one, such as a store for results
 * that is not the broker's.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MemoryStore, never, MemoryHub> = Layer.effect(
  MemoryStore,
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const hub = yield* MemoryHub
    let tickets = 0
    return {
      location: `memory:${++made}`,
      store: Store.make(hub.push),
      now: () => clock.currentTimeMillisUnsafe(),
      ticket: () => ++tickets
    }
  })
)
