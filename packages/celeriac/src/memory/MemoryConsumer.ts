/**
 * The client side of a consumer. It knows from the replies what it should hold, queue by queue, so that `renew` can say
 * when the server counts otherwise: a reply was lost.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { BrokerError, ConsumerLost } from "../Broker.ts"
import type { Consumer, ConsumerOptions, Delivery, SettleReply } from "../Broker.ts"
import { byQueue } from "./byQueue.ts"
import * as Leases from "./Leases.ts"
import type { MemoryStore } from "./MemoryStore.ts"
import * as Store from "./Store.ts"
import { type Call, direct, type Transport } from "./Transport.ts"

/** What a consumer should hold of one queue: fences by id. */
interface Ledger {
  fences: Map<string, number>
  /** For each reconciliation under way: what claims brought meanwhile, because its reply may call that unknown. */
  readonly arrivals: Set<Map<string, number>>
}

/** How often idle consumers look by themselves where no push is lost, milliseconds. */
const patience = 60_000

/** How long a server that does not answer is asked to take a consumer off its books. */
const closeLimit = Duration.seconds(1)

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
    const ledgers = new Map(
      queues.map((queue): [string, Ledger] => [queue, { fences: new Map(), arrivals: new Set() }])
    )
    // no push is lost on the direct way, so that a test can move its clock by days in no time
    const lookIn = transport === direct ? patience : undefined
    const ledgerOf = (queue: string): Ledger => ledgers.get(queue)!
    const send = <A>(step: string, run: () => A, about?: Call["about"]): Effect.Effect<A, BrokerError> =>
      Effect.mapError(transport.send({ step, connection: id, about }, run), (reason) => new BrokerError({ reason }))
    const lost = Effect.fail(new BrokerError({ reason: new ConsumerLost({ consumer: id }) }))

    const enter = (queue: string, delivery: Delivery): boolean => {
      const ledger = ledgerOf(queue)
      // a reconciliation has found it before the reply of its claim came
      if (ledger.fences.get(delivery.id) === delivery.fence) return false
      ledger.fences.set(delivery.id, delivery.fence)
      for (const arrived of ledger.arrivals) arrived.set(delivery.id, delivery.fence)
      return true
    }
    const leave = ({ fence, id, queue }: Delivery): void => {
      const { fences } = ledgerOf(queue)
      if (fences.get(id) === fence) fences.delete(id)
    }

    const claim: Consumer["claim"] = (demand) =>
      Effect.flatMap(
        send("claim", () => Store.claim(store, now(), id, demand)),
        (reply) => {
          if (reply === undefined) return lost
          const deliveries = reply.deliveries.filter((delivery) => enter(demand.queue, delivery))
          return Effect.succeed({ ...reply, deliveries, lookIn })
        }
      )

    // a queue that lost the consumer refuses; only if all of them did, the call fails
    const settle: Consumer["settle"] = (settlements) =>
      Effect.suspend(() => {
        let known = settlements.length === 0
        const replies = byQueue(
          settlements,
          ({ delivery }) => delivery.queue,
          (queue, group) =>
            Effect.map(
              send(
                "settle",
                () => Store.settle(store, now(), queue, id, group),
                () => group.map(({ delivery }) => delivery)
              ),
              (answer): ReadonlyArray<SettleReply> => {
                if (answer === undefined) return group.map(() => "refused")
                known = true
                for (const { delivery } of group) leave(delivery)
                return answer
              }
            )
        )
        return Effect.flatMap(replies, (all) => (known ? Effect.succeed(all) : lost))
      })

    const renew: Consumer["renew"] = Effect.flatMap(
      Effect.forEach(queues, (queue) =>
        Effect.map(
          send("renew", () => Leases.renew(store, now(), queue, id)),
          (reply) => ({ reply, doubt: reply?.held !== ledgerOf(queue).fences.size })
        )
      ),
      (renewals) => {
        if (renewals.some(({ reply }) => reply === undefined)) return lost
        return Effect.succeed({
          doubt: renewals.some(({ doubt }) => doubt),
          revoked: renewals.flatMap(({ reply }) => reply?.revoked ?? []),
          suspects: renewals.flatMap(({ reply }) => reply?.suspects ?? [])
        })
      }
    )

    const reconcileQueue = (queue: string, held: ReadonlyArray<Delivery>) =>
      Effect.suspend(() => {
        const ledger = ledgerOf(queue)
        const arrived = new Map<string, number>()
        ledger.arrivals.add(arrived)
        return send("reconcile", () => Leases.reconcile(store, now(), queue, id, length, held)).pipe(
          Effect.map(({ found, lost }) => {
            const gone = new Set(lost)
            const owned = [...held.filter((delivery) => !gone.has(delivery)), ...found]
            ledger.fences = new Map(owned.map(({ fence, id }) => [id, fence]))
            return { lost, found: found.filter(({ fence, id }) => arrived.get(id) !== fence) }
          }),
          Effect.ensuring(Effect.sync(() => ledger.arrivals.delete(arrived)))
        )
      })

    const reconcile: Consumer["reconcile"] = (held) =>
      Effect.map(
        Effect.forEach(queues, (queue) =>
          reconcileQueue(
            queue,
            held.filter((delivery) => delivery.queue === queue)
          )
        ),
        (parts) => ({ lost: parts.flatMap(({ lost }) => lost), found: parts.flatMap(({ found }) => found) })
      )

    const register = Effect.forEach(
      queues,
      (queue) => send("register", () => Leases.register(store, now(), queue, id, length)),
      { discard: true }
    )
    // when it cannot be told, the lease ends by itself: nobody waits for that
    const close = Effect.forEach(
      queues,
      (queue) =>
        send("close", () => Leases.close(store, now(), queue, id)).pipe(Effect.retry({ times: 3 }), Effect.ignore),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.timeoutOption(closeLimit))
    const consumer: Consumer = {
      id,
      claim,
      settle,
      renew,
      recover: (suspect) => send("recover", () => Leases.recover(store, now(), suspect)),
      reconcile
    }
    return Effect.as(
      Effect.acquireRelease(register, () => close),
      consumer
    )
  })
