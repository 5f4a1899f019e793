/**
 * The steps of a consumer on a memory store.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { BrokerError, Consumer, ConsumerOptions, Unavailable } from "../Broker.ts"
import { makeConsumer } from "../Driver.ts"
import * as Leases from "./Leases.ts"
import type { MemoryStore } from "./MemoryStore.ts"
import * as Store from "./Store.ts"
import { type Call, direct, type Transport } from "./Transport.ts"

/** How often idle consumers look by themselves where no push is lost, milliseconds. */
const patience = 60_000

/**
 * Registers a consumer with each of its queues; closing the scope gives back what it holds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const consume = (
  { now, store, ticket }: MemoryStore["Service"],
  transport: Transport,
  { lease, queues, worker }: ConsumerOptions
): Effect.Effect<Consumer, BrokerError, Scope> =>
  Effect.suspend(() => {
    const id = `${worker}-${ticket()}`
    const length = Duration.toMillis(lease)
    // no push is lost on the direct way, so that a test can move its clock by days in no time
    const lookIn = transport === direct ? patience : undefined
    const send = <A>(step: string, run: () => A, about?: Call["about"]): Effect.Effect<A, Unavailable> =>
      transport.send({ step, connection: id, about }, run)
    return makeConsumer({
      id,
      queues,
      steps: {
        register: (queue) => send("register", () => Leases.register(store, now(), queue, id, length)),
        claim: (demand) =>
          send("claim", () => {
            const claim = Store.claim(store, now(), id, demand)
            return claim && { ...claim, lookIn }
          }),
        settle: (queue, settlements) =>
          send(
            "settle",
            () => Store.settle(store, now(), queue, id, settlements),
            () => settlements.map(({ delivery }) => delivery)
          ),
        renew: (queue) => send("renew", () => Leases.renew(store, now(), queue, id)),
        reconcile: (queue, held) => send("reconcile", () => Leases.reconcile(store, now(), queue, id, length, held)),
        recover: (suspect) => send("recover", () => Leases.recover(store, now(), suspect)),
        close: (queue, known) =>
          send(
            "close",
            () => Leases.close(store, now(), queue, id, known),
            () => known
          )
      }
    })
  })
