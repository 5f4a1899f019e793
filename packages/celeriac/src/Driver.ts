/**
 * For writers of drivers: what the client side of every broker does alike, so that a driver consists of its atomic steps.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { BrokerError, ConsumerLost } from "./Broker.ts"
import type {
  Address,
  BrokerReason,
  Claim,
  Consumer,
  Delivery,
  Demand,
  Reconciliation,
  Settlement,
  SettleReply,
  Suspect
} from "./Broker.ts"

/**
 * Sends items grouped by their queue, and puts the answers into the order of the items. Nearly always there is one queue.
 *
 * @category commands
 * @since 0.1.0
 */
export const byQueue = <A, B, E>(
  items: ReadonlyArray<A>,
  queueOf: (item: A) => string,
  send: (queue: string, items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): Effect.Effect<ReadonlyArray<B>, E> => {
  const first = items[0]
  if (first === undefined) return Effect.succeed([])
  const only = queueOf(first)
  if (items.every((item) => queueOf(item) === only)) return send(only, items)
  const groups = new Map<string, { readonly items: Array<A>; readonly places: Array<number> }>()
  for (const [place, item] of items.entries()) {
    const queue = queueOf(item)
    const group = groups.get(queue) ?? { items: [], places: [] }
    groups.set(queue, group)
    group.items.push(item)
    group.places.push(place)
  }
  return Effect.map(
    Effect.forEach(
      // not an iterator: whoever retries runs this once more
      Array.from(groups),
      ([queue, group]) => Effect.map(send(queue, group.items), (answers) => ({ answers, places: group.places })),
      // all of them before anything that is sent later: servers take a batch with a lower number for a late copy
      { concurrency: "unbounded" }
    ),
    (parts) => {
      const inOrder = Array.from<B>({ length: items.length })
      for (const { answers, places } of parts)
        for (const [index, place] of places.entries()) inOrder[place] = answers[index]!
      return inOrder
    }
  )
}

/**
 * The atomic steps of one consumer, each of them about one queue. An answer of `undefined` says that the queue does not
 * know the consumer any more.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConsumerSteps {
  /** Twice: the lease is extended. */
  readonly register: (queue: string) => Effect.Effect<void, BrokerReason>
  readonly claim: (demand: Demand) => Effect.Effect<Claim | undefined, BrokerReason>
  readonly settle: (
    queue: string,
    settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<ReadonlyArray<SettleReply> | undefined, BrokerReason>
  readonly renew: (queue: string) => Effect.Effect<Renewed | undefined, BrokerReason>
  /** Registers the consumer anew if the queue does not know it. */
  readonly reconcile: (queue: string, held: ReadonlyArray<Delivery>) => Effect.Effect<Reconciliation, BrokerReason>
  readonly recover: (suspect: Suspect) => Effect.Effect<Effect.Success<ReturnType<Consumer["recover"]>>, BrokerReason>
  /**
   * What the consumer holds goes back to the head, and it is taken off the books. `known`: deliveries that it knew of and
   * neither settled nor lost. They may have run, so that a crash is counted for them, as `recover` does it; what else it
   * holds (a claim whose reply was lost) has not, and counts none.
   */
  readonly close: (queue: string, known: ReadonlyArray<Delivery>) => Effect.Effect<void, BrokerReason>
}

/**
 * What one queue answers to a renewal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Renewed {
  /** How many messages the queue counts as held by the consumer. */
  readonly held: number
  readonly revoked: ReadonlyArray<Address>
  readonly suspects: ReadonlyArray<Suspect>
}

/** What a consumer should hold of one queue, by id. */
interface Ledger {
  held: Map<string, Delivery>
  /** For each reconciliation under way: what claims brought meanwhile, because its reply may call that unknown. */
  readonly arrivals: Set<Map<string, number>>
}

/** How long a server that does not answer is asked to take a consumer off its books. */
const closeLimit = Duration.seconds(1)

/**
 * Registers a consumer with each of its queues; closing the scope gives back what it holds.
 *
 * It knows from the replies what it should hold, queue by queue, so that `renew` can say when the server counts otherwise:
 * a reply was lost.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeConsumer = (options: {
  readonly id: string
  readonly queues: ReadonlyArray<string>
  readonly steps: ConsumerSteps
}): Effect.Effect<Consumer, BrokerError, Scope> =>
  Effect.suspend(() => {
    const { id, queues, steps } = options
    const ledgers = new Map(queues.map((queue): [string, Ledger] => [queue, { held: new Map(), arrivals: new Set() }]))
    const ledgerOf = (queue: string): Ledger => ledgers.get(queue)!
    const failing = <A>(step: Effect.Effect<A, BrokerReason>): Effect.Effect<A, BrokerError> =>
      Effect.mapError(step, (reason) => new BrokerError({ reason }))
    const lost = Effect.fail(new BrokerError({ reason: new ConsumerLost({ consumer: id }) }))

    const enter = (queue: string, delivery: Delivery): boolean => {
      const ledger = ledgerOf(queue)
      // a reconciliation has found it before the reply of its claim came
      if (ledger.held.get(delivery.id)?.fence === delivery.fence) return false
      ledger.held.set(delivery.id, delivery)
      for (const arrived of ledger.arrivals) arrived.set(delivery.id, delivery.fence)
      return true
    }
    const leave = ({ fence, id, queue }: Delivery): void => {
      const { held } = ledgerOf(queue)
      if (held.get(id)?.fence === fence) held.delete(id)
    }

    const claim: Consumer["claim"] = (demand) =>
      Effect.flatMap(failing(steps.claim(demand)), (reply) => {
        if (reply === undefined) return lost
        const deliveries = reply.deliveries.filter((delivery) => enter(demand.queue, delivery))
        return Effect.succeed(deliveries.length === reply.deliveries.length ? reply : { ...reply, deliveries })
      })

    // a queue that lost the consumer refuses; only if all of them did, the call fails
    const settle: Consumer["settle"] = (settlements) =>
      Effect.suspend(() => {
        let known = settlements.length === 0
        const replies = byQueue(
          settlements,
          ({ delivery }) => delivery.queue,
          (queue, group) =>
            Effect.map(failing(steps.settle(queue, group)), (answer): ReadonlyArray<SettleReply> => {
              if (answer === undefined) return group.map(() => "refused")
              known = true
              for (const { delivery } of group) leave(delivery)
              return answer
            })
        )
        return Effect.flatMap(replies, (all) => (known ? Effect.succeed(all) : lost))
      })

    const renew: Consumer["renew"] = Effect.flatMap(
      Effect.forEach(queues, (queue) =>
        Effect.map(failing(steps.renew(queue)), (reply) => ({
          reply,
          doubt: reply?.held !== ledgerOf(queue).held.size
        }))
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
        return failing(steps.reconcile(queue, held)).pipe(
          Effect.map(({ found, lost }) => {
            const gone = new Set(lost)
            const owned = [...held.filter((delivery) => !gone.has(delivery)), ...found]
            ledger.held = new Map(owned.map((delivery) => [delivery.id, delivery]))
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

    const register = Effect.forEach(queues, (queue) => failing(steps.register(queue)), { discard: true })
    // when it cannot be told, the lease ends by itself: nobody waits for that
    const close = Effect.forEach(
      queues,
      (queue) =>
        Effect.suspend(() => steps.close(queue, Array.from(ledgerOf(queue).held.values()))).pipe(
          Effect.retry({ times: 3 }),
          Effect.ignore
        ),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.timeoutOption(closeLimit))
    const consumer: Consumer = {
      id,
      claim,
      settle,
      renew,
      recover: (suspect) => failing(steps.recover(suspect)),
      reconcile
    }
    return Effect.as(
      Effect.acquireRelease(register, () => close),
      consumer
    )
  })
