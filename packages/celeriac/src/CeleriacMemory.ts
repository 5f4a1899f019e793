/**
 * Everything in the memory of one process: for tests, demos, and programs that need no other.
 *
 * It keeps the promises of the contracts (leases, fences, ownership, encoding at the boundary), on the `Clock`: under
 * `TestClock`, moving the time moves retries, ETAs, leases and expiry. Nothing survives the process.
 *
 * Each build of a layer is a server of its own: provide it once, to producers and workers together.
 *
 * @since 0.1.0
 */
import * as Layer from "effect/Layer"
import type { Broker } from "./Broker.ts"
import * as Client from "./Client.ts"
import { layerBroker as brokerOfStore } from "./memory/MemoryBroker.ts"
import { layer as hub } from "./memory/MemoryHub.ts"
import { layerNotifier } from "./memory/MemoryNotifier.ts"
import { layerResultBackend as resultsOfStore } from "./memory/MemoryResultBackend.ts"
import { layer as store } from "./memory/MemoryStore.ts"
import type { Notifier } from "./Notifier.ts"
import type { ResultBackend } from "./ResultBackend.ts"

/** Shares nothing with other layers of this module; who provides the result twice still gets one server. */
const apart = <A>(layer: Layer.Layer<A>): Layer.Layer<A> => Layer.effectContext(Layer.build(Layer.fresh(layer)))

/**
 * The broker alone, with its pushes, on a store of its own. For results elsewhere:
 *
 * ```ts nocheck
 * Notifier.layerBoth(CeleriacMemory.layerBroker, CeleriacRedis.layerResultBackend("redis://localhost:6379"))
 * ```
 *
 * Messages end with the process; it serves the producers and workers of this process only.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBroker: Layer.Layer<Broker | Notifier> = apart(
  Layer.merge(brokerOfStore, layerNotifier).pipe(Layer.provide(store), Layer.provide(hub))
)

/**
 * The result backend alone, with its pushes, on a store of its own. For messages elsewhere:
 *
 * ```ts nocheck
 * Notifier.layerBoth(CeleriacRedis.layerBroker("redis://localhost:6379"), CeleriacMemory.layerResultBackend)
 * ```
 *
 * Results end with the process, and only its own clients see them: they and the workers must be in one process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResultBackend: Layer.Layer<ResultBackend | Notifier> = apart(
  Layer.merge(resultsOfStore, layerNotifier).pipe(Layer.provide(store), Layer.provide(hub))
)

/**
 * Broker, result backend and notifier on one store, without a client.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer: Layer.Layer<Broker | ResultBackend | Notifier> = Layer.mergeAll(
  brokerOfStore,
  resultsOfStore,
  layerNotifier
).pipe(Layer.provide(store), Layer.provide(hub))

/**
 * The same with results in a store of their own: a worker then commits and settles in two steps, as on two servers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServers: Layer.Layer<Broker | ResultBackend | Notifier> = Layer.mergeAll(
  // fresh: a layer that is built already would be the one of the same store
  Layer.provide(Layer.fresh(brokerOfStore), Layer.fresh(store)),
  Layer.provide(Layer.fresh(resultsOfStore), Layer.fresh(store)),
  layerNotifier
).pipe(Layer.provide(hub))

/**
 * All that producers and workers need.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Client.Client | Broker | ResultBackend | Notifier> = Layer.provideMerge(
  Client.layer,
  layerServer
)

/**
 * The same with results in a store of their own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTwoStores: Layer.Layer<Client.Client | Broker | ResultBackend | Notifier> = Layer.provideMerge(
  Client.layer,
  layerServers
)
