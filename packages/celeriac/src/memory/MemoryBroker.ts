/**
 * The `Broker` contract on a memory store.
 *
 * A queue is the unit that a server can place, so a call that concerns several queues is sent as one command for each, as
 * other drivers must do it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broker, BrokerError } from "../Broker.ts"
import { byQueue } from "../Driver.ts"
import { consume } from "./MemoryConsumer.ts"
import { MemoryStore } from "./MemoryStore.ts"
import * as Records from "./Records.ts"
import * as Store from "./Store.ts"
import { type Call, Transport } from "./Transport.ts"

/**
 * One client of the store. Several clients of one store (with a `Transport` for each, say) are built with `Layer.fresh`: a
 * layer that is provided twice is built once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBroker: Layer.Layer<Broker, never, MemoryStore> = Layer.effect(
  Broker,
  Effect.gen(function* () {
    const server = yield* MemoryStore
    const transport = yield* Transport
    const { location, now, store, ticket } = server
    const connection = `client-${ticket()}`
    const send = <A>(step: string, run: () => A, about?: Call["about"]): Effect.Effect<A, BrokerError> =>
      Effect.mapError(transport.send({ step, connection, about }, run), (reason) => new BrokerError({ reason }))
    return {
      location,
      publish: (batch) =>
        byQueue(
          batch.messages,
          (message) => message.queue,
          (queue, messages) =>
            send(
              "publish",
              () => Store.publish(store, now(), queue, { ...batch, messages }),
              () => messages
            )
        ),
      consume: (options) => consume(server, transport, options),
      end: (terminations, meant) =>
        byQueue(
          terminations,
          ({ queue }) => queue,
          (_, some) =>
            send(
              "end",
              () => Store.end(store, now(), some, meant),
              () => some
            )
        ),
      locate: (addresses) =>
        byQueue(
          addresses,
          ({ queue }) => queue,
          (_, some) =>
            send(
              "locate",
              () => some.map((address) => Store.locate(store, now(), address)),
              () => some
            )
        ),
      forget: (addresses, tombstone) =>
        send(
          "forget",
          () => Records.forget(store.records, now(), addresses, tombstone),
          () => addresses
        ),
      overdue: (limits) => send("overdue", () => Store.overdue(store, now(), limits)),
      deadLetters: (queue, { limit }) => send("deadLetters", () => Store.deadLetters(store, queue, limit)),
      queues: send("queues", () => Array.from(store.queues.keys())),
      counts: (queue) => send("counts", () => Store.counts(store, queue))
    }
  })
)
