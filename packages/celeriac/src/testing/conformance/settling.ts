/** Settles: how deliveries end, and whose settles are refused. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Consumer, Delivery, Disposition } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { ack, ackWith, type Bench, bench, idsOf, leaving, release, requeue, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** How a consumer comes to hold a delivery that is no longer its own. Answers the two, and where the message is then. */
const losses: Record<
  string,
  (at: Bench) => Step<{ readonly consumer: Consumer; readonly delivery: Delivery; readonly place: string | undefined }>
> = {
  "that it settled before": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.settle(consumer, [delivery!])
      return { consumer, delivery: delivery!, place: undefined }
    }),
  "that it gave back": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.settle(consumer, [delivery!], release)
      return { consumer, delivery: delivery!, place: "queued" }
    }),
  "that it gave back and claimed again": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.settle(consumer, [delivery!], release)
      yield* at.take(consumer)
      return { consumer, delivery: delivery!, place: "active" }
    }),
  "that it gave back and another one claimed": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.settle(consumer, [delivery!], release)
      yield* at.take(yield* at.consumer())
      return { consumer, delivery: delivery!, place: "active" }
    }),
  "that it put off": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.settle(consumer, [delivery!], { _tag: "Reschedule", delay: 5000, to: "tail", ran: true })
      return { consumer, delivery: delivery!, place: "scheduled" }
    }),
  "of another consumer": (at) =>
    Effect.gen(function* () {
      const [delivery] = yield* at.take(yield* at.consumer())
      return { consumer: yield* at.consumer(), delivery: delivery!, place: "active" }
    }),
  "that was given back when its lease ended": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.crash(consumer, yield* at.consumer())
      return { consumer, delivery: delivery!, place: "queued" }
    }),
  "that was given to another one when its lease ended": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      const peer = yield* at.consumer()
      yield* at.crash(consumer, peer)
      yield* at.take(peer)
      return { consumer, delivery: delivery!, place: "active" }
    }),
  "from before it was lost and registered anew": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.crash(consumer, yield* at.consumer())
      yield* consumer.reconcile([delivery!])
      yield* at.take(consumer)
      return { consumer, delivery: delivery!, place: "active" }
    }),
  "that was revoked": (at) =>
    Effect.gen(function* () {
      const consumer = yield* at.consumer()
      const [delivery] = yield* at.take(consumer)
      yield* at.end([delivery!.id])
      return { consumer, delivery: delivery!, place: undefined }
    }),
  "when it has left": (at) =>
    Effect.gen(function* () {
      const { leave, within } = yield* leaving
      const consumer = yield* within(at.consumer())
      const [delivery] = yield* at.take(consumer)
      yield* leave
      return { consumer, delivery: delivery!, place: "queued" }
    })
}

const dispositions: Readonly<Record<string, Disposition>> = {
  ack: { _tag: "Ack", record: { value: "late", ttl: 60_000 }, dead: "late" },
  release,
  retry: {
    _tag: "Reschedule",
    delay: 5000,
    to: "tail",
    ran: true,
    wire: wireOf(9, "late"),
    note: { value: "late", ttl: 1000 }
  }
}

const refusals = Object.entries(losses).flatMap(([loss, bring]) =>
  Object.entries(dispositions).map(([kind, disposition]) =>
    rule<BrokerServices>(`settle: refused is the ${kind} of a delivery ${loss}`, () =>
      Effect.gen(function* () {
        const at = yield* bench
        const [id] = yield* at.add(1)
        const { consumer, delivery, place } = yield* bring(at)
        const before = yield* at.locate(id!)
        yield* at.refuses(consumer, [delivery], disposition)
        yield* equal(yield* at.place(id!), place, "where the message is")
        yield* equal(yield* at.locate(id!), before, "the message")
        yield* equal((yield* at.broker.counts(at.queue)).dead, 0, "dead letters")
      })
    )
  )
)

/** Where the messages a, b (held) and c, d (waiting) stand after a and b went back. */
const returns: Record<string, readonly [disposition: Disposition, order: ReadonlyArray<number>]> = {
  "releases go to the head, one after the other": [release, [1, 0, 2, 3]],
  "a requeue goes to the tail": [requeue, [2, 3, 0, 1]],
  "releases with another text go to the head, one after the other": [
    { ...release, wire: wireOf(5, "again") },
    [1, 0, 2, 3]
  ],
  "a requeue with a higher priority overtakes": [{ ...requeue, wire: wireOf(8) }, [0, 1, 2, 3]],
  "releases with a lower priority come last": [{ ...release, wire: wireOf(2) }, [2, 3, 1, 0]]
}

export const settling: ReadonlyArray<Case<BrokerServices>> = [
  rule("settle: an acknowledged message is over", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      yield* equal(yield* at.settle(owner, yield* at.take(owner)), ["settled"], "the reply")
      yield* at.hasCounts({}, "the messages")
      yield* equal(yield* at.place(id!), undefined, "where the message is")
    })
  ),

  rule("settle: nothing gets no replies", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* equal(yield* (yield* at.consumer()).settle([]), [], "the replies")
    })
  ),

  rule("settle: one reply a settlement, in their order", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(4)
      const owner = yield* at.consumer()
      const [a, b, c, d] = yield* at.take(owner, 4)
      yield* at.settle(owner, [b!])
      yield* at.end([d!.id])
      const replies = yield* owner.settle([
        { delivery: a!, disposition: ack },
        { delivery: b!, disposition: ack },
        { delivery: c!, disposition: release },
        { delivery: d!, disposition: ack }
      ])
      yield* equal(replies, ["settled", "refused", "settled", "refused"], "the replies")
      yield* at.hasCounts({ queued: 1 }, "the messages")
    })
  ),

  rule("settle: one delivery twice in a call is settled once", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(1)
      const owner = yield* at.consumer()
      const [delivery] = yield* at.take(owner)
      yield* equal(yield* at.settle(owner, [delivery!, delivery!]), ["settled", "refused"], "the replies")
    })
  ),

  rule("settle: deliveries of many queues in one call", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      const owner = yield* at.consumer({ queues: [at.queue, other] })
      yield* at.add([{}, { queue: other }, {}, { queue: other }])
      const [a, c] = yield* at.take(owner, 9)
      const { deliveries } = yield* at.claim(owner, 9, { queue: other })
      const [b, d] = deliveries
      yield* at.settle(owner, [d!])
      yield* equal(
        yield* at.settle(owner, [a!, b!, c!, d!]),
        ["settled", "settled", "settled", "refused"],
        "the replies"
      )
    })
  ),

  ...refusals,

  rule("settle: continuations of a refused settlement are not published", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(1)
      const owner = yield* at.consumer()
      const [delivery] = yield* at.take(owner)
      yield* at.settle(owner, [delivery!])
      const [next] = yield* at.ids(1)
      yield* at.settle(owner, [delivery!], ack, [{ id: next!, queue: at.queue, wire: wireOf(5) }])
      yield* at.hasCounts({}, "the messages")
    })
  ),

  ...rules<BrokerServices, (typeof returns)[string]>(
    (title) => `order: ${title}`,
    returns,
    ([disposition, order]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const ids = yield* at.add(4)
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner, 2), disposition)
        yield* equal(
          yield* at.takeAll(owner),
          order.map((index) => ids[index]!),
          "ids in the order of the claims"
        )
      })
  ),

  rule("reschedule: a message that is put off waits for its time", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), { _tag: "Reschedule", delay: 2000, to: "tail", ran: true })
      yield* equal(yield* at.place(id!), "scheduled", "where it is")
      yield* at.advance(1999)
      yield* equal(yield* at.takeAll(owner), [], "a claim before its time")
      yield* at.advance(1)
      yield* equal(yield* at.takeAll(owner), [id!], "a claim when its time has come")
    })
  ),

  rule("reschedule: the message comes back as it was given back, or as it was", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ wire: wireOf(5, "first") }])
      const owner = yield* at.consumer()
      const seen: Array<string> = []
      for (const disposition of [release, { ...release, wire: wireOf(6, "second") }, requeue, ack]) {
        const deliveries = yield* at.take(owner)
        seen.push(...deliveries.map(({ wire }) => wire))
        yield* at.settle(owner, deliveries, disposition)
      }
      yield* equal(
        seen,
        [wireOf(5, "first"), wireOf(5, "first"), wireOf(6, "second"), wireOf(6, "second")],
        "the texts"
      )
    })
  ),

  rule("ack: with a record, the id is refused as long as that lives", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ id: "own", checked: true }])
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), { _tag: "Ack", record: { value: "r", ttl: 5000 } })
      yield* at.advance(4999)
      yield* equal(yield* at.isFree("own"), false, "whether the id is free while the record lives")
      yield* at.advance(1)
      yield* equal(yield* at.isFree("own"), true, "whether the id is free after it")
    })
  ),

  rule("ack: a dead message is kept with its reason, the latest first", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const wires = ["a", "b", "c"].map((text) => wireOf(5, text))
      const ids = yield* at.add(wires.map((wire) => ({ wire })))
      const owner = yield* at.consumer()
      const times: Array<number> = []
      for (const reason of ["one", "two", "three"]) {
        yield* at.advance(1000)
        times.push(yield* at.now)
        const reply = yield* at.settle(owner, yield* at.take(owner), { ...ackWith("r"), dead: reason })
        yield* equal(reply, ["settled"], "the reply")
      }
      const expected = [2, 1, 0].map((index) => ({
        id: ids[index]!,
        queue: at.queue,
        wire: wires[index]!,
        reason: ["one", "two", "three"][index]!,
        diedAt: times[index]!
      }))
      yield* equal(yield* at.broker.deadLetters(at.queue, { limit: 10 }), expected, "the dead letters")
      yield* equal(yield* at.broker.deadLetters(at.queue, { limit: 2 }), expected.slice(0, 2), "two of them")
      yield* at.hasCounts({ dead: 3 }, "the messages")
      yield* equal(yield* at.broker.deadLetters(yield* at.fresh("other"), { limit: 10 }), [], "those of another queue")
    })
  ),

  rule("continuations: are published with the settlement, once however often they come", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      yield* at.add(3)
      const owner = yield* at.consumer({ queues: [at.queue, other] })
      const deliveries = yield* at.take(owner, 3)
      const [next] = yield* at.ids(1)
      const continuation = { id: next!, queue: other, wire: wireOf(7, "next") }
      yield* at.settle(owner, deliveries.slice(0, 1), ack, [continuation])
      yield* at.settle(owner, deliveries.slice(1, 2), ack, [continuation])
      const given = (yield* at.claim(owner, 9, { queue: other })).deliveries
      yield* equal(
        given.map(({ id, wire }) => [id, wire]),
        [[next!, wireOf(7, "next")]],
        "what was published"
      )
      yield* at.settle(owner, given, ackWith("over"))
      yield* at.settle(owner, deliveries.slice(2), ack, [continuation])
      yield* equal((yield* at.claim(owner, 9, { queue: other })).deliveries, [], "what is published after its end")
    })
  ),

  rule("continuations: may have a delay, and follow a message that goes on", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [first] = yield* at.add(1)
      const owner = yield* at.consumer()
      const [next] = yield* at.ids(1)
      yield* at.settle(owner, yield* at.take(owner), release, [
        { id: next!, queue: at.queue, wire: wireOf(5), delay: 1000 }
      ])
      yield* at.hasCounts({ queued: 1, scheduled: 1 }, "the messages")
      yield* at.advance(1000)
      yield* equal(yield* at.takeAll(owner), [first!, next!], "what is given")
    })
  ),

  rule("settle: what is held by others stays theirs", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const [first, second] = [yield* at.consumer(), yield* at.consumer()]
      const mine = yield* at.take(first)
      const theirs = yield* at.take(second)
      yield* at.settle(first, mine)
      yield* equal(yield* at.settle(second, theirs), ["settled"], "the reply to the other one")
      yield* equal(idsOf(mine).length, 1, "what the first held")
    })
  )
]
