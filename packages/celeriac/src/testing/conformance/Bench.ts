/** A queue of its own for each case, and the few words in which the cases are written. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import {
  Broker,
  type BrokerError,
  type Claim,
  type Consumer,
  type Delivery,
  type Demand,
  type Disposition,
  type EndReply,
  type Kept,
  type Meant,
  type Publication,
  type Receipt,
  type Settlement,
  type SettleReply,
  type Suspect,
  wakeChannel,
  type Whereabouts
} from "../../Broker.ts"
import * as TaskId from "../../TaskId.ts"
import { equal } from "../internal/expect.ts"
import { type BrokerServices, ConformanceTime } from "./Case.ts"
import { type Ear, listen } from "./listening.ts"

/** Of every consumer, unless it says otherwise. */
export const lease = Duration.seconds(30)

/** How long records live. Milliseconds. */
export const ttl = 60_000

export const ack = { _tag: "Ack" } as const satisfies Disposition

export const ackWith = (value: string) => ({ _tag: "Ack", record: { value, ttl } }) as const satisfies Disposition

export const release = { _tag: "Reschedule", delay: 0, to: "head", ran: false } as const satisfies Disposition

export const requeue = { _tag: "Reschedule", delay: 0, to: "tail", ran: true } as const satisfies Disposition

/** The wire form of a message of this priority, as far as a broker reads it. */
export const wireOf = (priority: number, text = ""): string => `1${priority}${text}`

export interface Bench {
  readonly broker: Broker["Service"]
  readonly queue: string
  readonly now: Effect.Effect<number>
  readonly advance: (millis: number) => Effect.Effect<void>
  /** A name that was not used before. */
  readonly fresh: (name: string) => Effect.Effect<string>
  /** Ids in the order in which generated ones grow. */
  readonly ids: (count: number) => Effect.Effect<ReadonlyArray<string>>
  /** Publishes so many messages, or these, and expects that all are accepted. Answers their ids. */
  readonly add: (
    messages: number | ReadonlyArray<Partial<Publication>>
  ) => Effect.Effect<ReadonlyArray<string>, BrokerError>
  /** One more publisher, whose numbers begin at 1. */
  readonly publisher: Effect.Effect<Publisher>
  /** Whether a caller's own id is accepted now. */
  readonly isFree: (id: string) => Effect.Effect<boolean, BrokerError>
  readonly consumer: (options?: {
    readonly worker?: string
    readonly queues?: ReadonlyArray<string>
    readonly lease?: Duration.Duration
  }) => Effect.Effect<Consumer, BrokerError, Scope.Scope>
  /** A consumer (a new one, if none is given) that waits for work: `free` slots were left by its last claim. */
  readonly idle: (free?: number, consumer?: Consumer) => Effect.Effect<Idle, BrokerError, Scope.Scope | BrokerServices>
  readonly claim: (consumer: Consumer, count?: number, demand?: Partial<Demand>) => Effect.Effect<Claim, BrokerError>
  readonly take: (consumer: Consumer, count?: number) => Effect.Effect<ReadonlyArray<Delivery>, BrokerError>
  /** Gives a queue's messages out until nothing is left: their ids in order. */
  readonly takeAll: (consumer: Consumer) => Effect.Effect<ReadonlyArray<string>, BrokerError>
  readonly settle: (
    consumer: Consumer,
    deliveries: ReadonlyArray<Delivery>,
    disposition?: Disposition,
    continuations?: Settlement["continuations"]
  ) => Effect.Effect<ReadonlyArray<SettleReply>, BrokerError>
  /** Expects that nothing of this is accepted: refused one by one, or because the consumer is lost. */
  readonly refuses: (
    consumer: Consumer,
    deliveries: ReadonlyArray<Delivery>,
    disposition?: Disposition
  ) => Effect.Effect<void, BrokerError>
  readonly end: (
    ids: ReadonlyArray<string>,
    options?: { readonly meant?: Meant; readonly record?: string }
  ) => Effect.Effect<ReadonlyArray<EndReply>, BrokerError>
  /** Lets the lease of a consumer end, and another one give its messages back. Answers how many. */
  readonly crash: (consumer: Consumer, peer: Consumer) => Effect.Effect<number, BrokerError>
  /** As a peer sees it when it renews. */
  readonly suspectOf: (consumer: Consumer, peer: Consumer) => Effect.Effect<Suspect, BrokerError>
  readonly locate: (id: string) => Effect.Effect<Whereabouts | Kept | undefined, BrokerError>
  /** Where the message is: `undefined` for nowhere. */
  readonly place: (id: string) => Effect.Effect<string | undefined, BrokerError>
  readonly hasCounts: (
    expected: {
      readonly queued?: number
      readonly scheduled?: number
      readonly active?: number
      readonly dead?: number
    },
    what: string
  ) => Effect.Effect<void, BrokerError>
}

export interface Publisher {
  readonly publish: (
    messages: ReadonlyArray<Partial<Publication>>,
    batch?: { readonly sequence?: number; readonly resend?: boolean }
  ) => Effect.Effect<ReadonlyArray<Receipt>, BrokerError>
}

export interface Idle {
  readonly consumer: Consumer
  readonly wakes: Ear
}

export const bench: Effect.Effect<Bench, never, BrokerServices> = Effect.gen(function* () {
  const broker = yield* Broker
  const time = yield* ConformanceTime
  // a name that no other run of the suite on the same server has
  const fresh = (name: string) =>
    // a queue's name has letters, digits and `_ . : -`
    Effect.map(TaskId.make, (id) => `conformance-${name}-${id.replaceAll("~", ".")}`)
  const queue = yield* fresh("queue")

  const ids = (count: number) => Effect.forEach(Array.from({ length: count }), () => TaskId.make)

  const publisher = Effect.map(fresh("publisher"), (name): Publisher => {
    let last = 0
    return {
      publish: (messages, { resend = false, sequence = ++last } = {}) =>
        Effect.flatMap(
          Effect.forEach(messages, (message) =>
            Effect.map(message.id === undefined ? TaskId.make : Effect.succeed(message.id), (id) => ({
              queue,
              wire: wireOf(5),
              ...message,
              id
            }))
          ),
          (messages) => broker.publish({ publisher: name, sequence, resend, messages })
        )
    }
  })
  const main = yield* publisher

  const add: Bench["add"] = Effect.fnUntraced(function* (messages) {
    const wanted = typeof messages === "number" ? Array.from({ length: messages }, () => ({})) : messages
    const given = yield* Effect.forEach(wanted, (message: Partial<Publication>) =>
      Effect.map(TaskId.make, (id) => ({ id, ...message }))
    )
    const receipts = yield* main.publish(given)
    yield* equal(
      receipts,
      given.map((): Receipt => "accepted"),
      "receipts of new messages"
    )
    return given.map(({ id }) => id)
  })

  const consumer: Bench["consumer"] = (options = {}) =>
    broker.consume({ worker: "conformance", queues: [queue], lease, ...options })

  const claim: Bench["claim"] = (consumer, count = 1, demand = {}) =>
    consumer.claim({ queue, count, bytes: 1_000_000_000, ...demand })

  const take: Bench["take"] = (consumer, count) => Effect.map(claim(consumer, count), ({ deliveries }) => deliveries)

  const settle: Bench["settle"] = (consumer, deliveries, disposition = ack, continuations) =>
    consumer.settle(deliveries.map((delivery) => ({ delivery, disposition, continuations })))

  const locate: Bench["locate"] = (id) => Effect.map(broker.locate([{ id, queue }]), ([found]) => found)

  const suspectOf: Bench["suspectOf"] = Effect.fnUntraced(function* (consumer, peer) {
    const { suspects } = yield* peer.renew
    const suspect = suspects.find((suspect) => suspect.consumer === consumer.id)
    return (
      suspect ??
      (yield* Effect.die(
        new Error(`a consumer that does not renew is reported to its peers; only ${suspects.length} others are`)
      ))
    )
  })

  return {
    broker,
    queue,
    now: time.now,
    advance: (millis) => time.advance(Duration.millis(millis)),
    fresh,
    ids,
    add,
    publisher,
    isFree: (id) => Effect.map(main.publish([{ id, checked: true }]), ([receipt]) => receipt === "accepted"),
    consumer,
    idle: Effect.fnUntraced(function* (free = 1, given) {
      const waiting = given ?? (yield* consumer())
      const wakes = yield* listen(wakeChannel(waiting.id))
      yield* claim(waiting, free)
      return { consumer: waiting, wakes }
    }),
    claim,
    take,
    takeAll: Effect.fnUntraced(function* (consumer) {
      const all: Array<string> = []
      for (;;) {
        const deliveries = yield* take(consumer, 100)
        if (deliveries.length === 0) return all
        for (const { id } of deliveries) all.push(id)
      }
    }),
    settle,
    refuses: (consumer, deliveries, disposition) =>
      settle(consumer, deliveries, disposition).pipe(
        Effect.catchReason("BrokerError", "ConsumerLost", () =>
          Effect.succeed(deliveries.map((): SettleReply => "refused"))
        ),
        Effect.flatMap((replies) =>
          equal(
            replies,
            deliveries.map((): SettleReply => "refused"),
            "replies to a settle"
          )
        )
      ),
    end: (ids, { meant = "any", record } = {}) =>
      broker.end(
        ids.map((id) => ({ id, queue, record: record === undefined ? undefined : { value: record, ttl } })),
        meant
      ),
    crash: Effect.fnUntraced(function* (consumer, peer) {
      // long enough that it is silent, the peer never is
      yield* time.advance(Duration.seconds(20))
      const suspect = yield* suspectOf(consumer, peer)
      yield* time.advance(Duration.millis(suspect.endsIn))
      return yield* recoverAll(peer, suspect)
    }),
    suspectOf,
    locate,
    place: (id) => Effect.map(locate(id), (found) => found?.place),
    hasCounts: (expected, what) =>
      Effect.flatMap(broker.counts(queue), ({ active, dead, queued, scheduled }) =>
        equal({ active, dead, queued, scheduled }, { active: 0, dead: 0, queued: 0, scheduled: 0, ...expected }, what)
      )
  } satisfies Bench
})

/** Gives everything back that the suspect holds, in as many steps as it takes. */
export const recoverAll = Effect.fnUntraced(function* (peer: Consumer, suspect: Suspect) {
  let moved = 0
  for (;;) {
    const part = yield* peer.recover(suspect)
    moved += part.moved
    if (!part.more) return moved
  }
})

export const idsOf = (deliveries: ReadonlyArray<Delivery>): ReadonlyArray<string> => deliveries.map(({ id }) => id)

/** A scope within that of the case, which is left before the case ends. */
export const leaving = Effect.map(
  Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope)),
  (scope) => ({
    within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Scope.provide(effect, scope),
    leave: Scope.close(scope, Exit.void)
  })
)
