/**
 * The `ResultBackend` contract on a memory store: the broker's, or one of its own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Address } from "../Broker.ts"
import { ResultBackend, ResultBackendError } from "../ResultBackend.ts"
import { MemoryStore } from "./MemoryStore.ts"
import * as Records from "./Records.ts"
import * as Store from "./Store.ts"
import { Transport } from "./Transport.ts"

/**
 * Records live in the given store. With the store of the broker, `settle` commits in the same step. For a second client, or
 * another store beside the broker's, use `Layer.fresh`: a layer that is provided twice is built once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResultBackend: Layer.Layer<ResultBackend, never, MemoryStore> = Layer.effect(
  ResultBackend,
  Effect.gen(function* () {
    const { location, now, store, ticket } = yield* MemoryStore
    const transport = yield* Transport
    const connection = `results-${ticket()}`
    const send = <A>(step: string, about: ReadonlyArray<Address>, run: () => A): Effect.Effect<A, ResultBackendError> =>
      Effect.mapError(
        transport.send({ step, connection, about: () => about }, run),
        (unavailable) => new ResultBackendError({ detail: unavailable.detail })
      )
    return {
      location,
      commit: (commits) => send("commit", commits, () => Records.commit(store.records, now(), commits)),
      note: (notes) => send("note", notes, () => Store.note(store, now(), notes)),
      read: (addresses) => send("read", addresses, () => Records.read(store.records, now(), addresses)),
      watch: (client, addresses, interest) =>
        send("watch", addresses, () => Records.watch(store.records, now(), client, addresses, interest)),
      unwatch: (client, addresses) =>
        send("unwatch", addresses, () => Records.unwatch(store.records, client, addresses)),
      forget: (addresses, tombstone) =>
        send("forget", addresses, () => Records.forget(store.records, now(), addresses, tombstone))
    }
  })
)
