/** Ends from outside, and looking: where messages are, what is kept of them, and how many there are. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { type Delivery, type EndReply, revokeChannel, type Written } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { ack, ackWith, type Bench, bench, leaving, release, ttl, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"
import { listen } from "./listening.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** A message in each place: its id, and what `end` answers when any are meant, and when waiting ones are. */
const places: Record<string, readonly [bring: (at: Bench) => Step<string>, any: EndReply, waiting: EndReply]> = {
  waiting: [(at) => Effect.map(at.add(1), ([id]) => id!), "ended", "ended"],
  scheduled: [(at) => Effect.map(at.add([{ delay: 5000 }]), ([id]) => id!), "ended", "ended"],
  running: [
    (at) =>
      Effect.gen(function* () {
        const [id] = yield* at.add(1)
        yield* at.take(yield* at.consumer())
        return id!
      }),
    "ended",
    "spared"
  ],
  "waiting for another attempt": [
    (at) =>
      Effect.gen(function* () {
        const [id] = yield* at.add(1)
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner), { _tag: "Reschedule", delay: 5000, to: "tail", ran: true })
        return id!
      }),
    "ended",
    "ended"
  ],
  over: [
    (at) =>
      Effect.gen(function* () {
        const [id] = yield* at.add(1)
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner))
        return id!
      }),
    "absent",
    "absent"
  ],
  "ended before": [
    (at) =>
      Effect.gen(function* () {
        const [id] = yield* at.add(1)
        yield* at.end([id!])
        return id!
      }),
    "absent",
    "absent"
  ],
  unknown: [(at) => Effect.map(at.ids(1), ([id]) => id!), "absent", "absent"]
}

/** What a consumer with a revoked message in its hands may do; the message never comes back. */
const laters: Record<
  string,
  (at: Bench, held: ReadonlyArray<Delivery>, owner: Parameters<Bench["settle"]>[0], leave: Step<void>) => Step<unknown>
> = {
  "gives it back": (at, held, owner) => at.refuses(owner, held, release),
  leaves: (_at, _held, _owner, leave) => leave,
  "is lost": (at, _held, owner) => Effect.flatMap(at.consumer(), (peer) => at.crash(owner, peer)),
  reconciles: (_at, held, owner) => owner.reconcile(held)
}

/** How a message ends whose record is kept for 5 seconds. */
const endings: Record<string, (at: Bench, id: string) => Step<unknown>> = {
  "was acknowledged": (at) =>
    Effect.flatMap(at.consumer(), (owner) =>
      Effect.flatMap(at.take(owner), (held) =>
        at.settle(owner, held, { _tag: "Ack", record: { value: "value", ttl: 5000 } })
      )
    ),
  "was ended while it waited": (at, id) =>
    at.broker.end([{ id, queue: at.queue, record: { value: "value", ttl: 5000 } }], "waiting"),
  "was ended while it was held": (at, id) =>
    Effect.andThen(
      Effect.flatMap(at.consumer(), (owner) => at.take(owner)),
      at.broker.end([{ id, queue: at.queue, record: { value: "value", ttl: 5000 } }], "any")
    )
}

/** How the message "own" ends with this record. */
const lasting: Record<string, (at: Bench, record: Written) => Step<unknown>> = {
  "of an ack": (at, record) =>
    Effect.flatMap(at.consumer(), (owner) =>
      Effect.flatMap(at.take(owner), (held) => at.settle(owner, held, { _tag: "Ack", record }))
    ),
  "of an end": (at, record) => at.broker.end([{ id: "own", queue: at.queue, record }], "any")
}

export const ending: ReadonlyArray<Case<BrokerServices>> = [
  ...rules<BrokerServices, (typeof places)[string]>(
    (title) => `end: a message that is ${title}`,
    places,
    ([bring, any, waiting]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const first = yield* bring(at)
        const before = yield* at.place(first)
        yield* equal(yield* at.end([first], { meant: "waiting" }), [waiting], "the reply for waiting ones only")
        yield* equal(yield* at.place(first), waiting === "ended" ? undefined : before, "where it is then")
        const second = yield* bring(at)
        yield* equal(yield* at.end([second]), [any], "the reply")
        yield* equal(yield* at.place(second), undefined, "where it is then")
        yield* equal(yield* at.end([second]), ["absent"], "the reply to another end")
      })
  ),

  rule("end: one reply an address, in their order, also of many queues", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      const [held, waiting] = yield* at.add(2)
      yield* at.take(yield* at.consumer())
      const [there] = yield* at.add([{ queue: other }])
      const [unknown] = yield* at.ids(1)
      const replies = yield* at.broker.end(
        [
          { id: unknown!, queue: at.queue },
          { id: there!, queue: other },
          { id: held!, queue: at.queue },
          { id: waiting!, queue: at.queue },
          { id: waiting!, queue: other }
        ],
        "waiting"
      )
      yield* equal(replies, ["absent", "ended", "spared", "ended", "absent"], "the replies")
    })
  ),

  rule("end: the owner of a running message is told which one", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const owner = yield* at.consumer()
      const other = yield* at.consumer()
      const ears = [yield* listen(revokeChannel(owner.id)), yield* listen(revokeChannel(other.id))]
      const [delivery] = yield* at.take(owner)
      yield* at.end([delivery!.id])
      yield* ears[0]!.hears([JSON.stringify([delivery!.id, at.queue])], "what the owner is told")
      yield* ears[1]!.hears([], "what another consumer is told")
    })
  ),

  rule("end: a revoked message is reported to its owner until that lets go of it, and its settle is refused", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const owner = yield* at.consumer()
      const [revoked, other] = yield* at.take(owner, 2)
      yield* at.end([revoked!.id])
      yield* at.hasCounts({ active: 1 }, "the messages")
      const reported = Effect.map(owner.renew, (renewal) => renewal.revoked)
      yield* equal(yield* reported, [{ id: revoked!.id, queue: at.queue }], "what is reported")
      yield* equal(yield* reported, [{ id: revoked!.id, queue: at.queue }], "what is reported again")
      yield* equal(yield* at.settle(owner, [revoked!, other!]), ["refused", "settled"], "the replies")
      yield* equal(yield* reported, [], "what is reported then")
      yield* equal((yield* owner.renew).doubt, false, "doubt")
    })
  ),

  ...rules<BrokerServices, (typeof laters)[string]>(
    (title) => `end: a revoked message does not come back when its owner ${title}`,
    laters,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* bench
        yield* at.add([{ id: "own", checked: true }])
        const { leave, within } = yield* leaving
        const owner = yield* within(at.consumer())
        const held = yield* at.take(owner)
        yield* at.end(["own"])
        yield* bring(at, held, owner, leave)
        yield* at.hasCounts({}, "the messages")
        yield* equal(yield* at.takeAll(yield* at.consumer()), [], "what is given")
        yield* equal(yield* at.isFree("own"), true, "whether its id is free, as it left no record")
      })
  ),

  rule("end: what its owner does with a revoked message does not touch another message of the same id", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ id: "own", checked: true }])
      const owner = yield* at.consumer()
      const held = yield* at.take(owner)
      yield* at.end(["own"])
      // a driver may refuse the id until the owner has let go of it
      if (!(yield* at.isFree("own"))) {
        yield* at.refuses(owner, held)
        yield* equal(yield* at.isFree("own"), true, "whether the id is free when it has let go")
      }
      const next = yield* at.take(owner)
      yield* at.refuses(owner, held)
      yield* at.hasCounts({ active: 1 }, "the messages")
      yield* equal(yield* at.settle(owner, next), ["settled"], "the reply to the settle of the other message")
      const { doubt, revoked } = yield* owner.renew
      yield* equal({ doubt, revoked }, { doubt: false, revoked: [] }, "the renewal after it")
    })
  ),

  rule("end: with a record, the id is refused as long as that lives", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ id: "own", checked: true }])
      yield* at.end(["own"], { record: "revoked" })
      yield* at.advance(ttl - 1)
      yield* equal(yield* at.isFree("own"), false, "whether the id is free while the record lives")
      yield* at.advance(1)
      yield* equal(yield* at.isFree("own"), true, "whether the id is free after it")
    })
  ),

  rule("end: each message gets a record of its own", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(3)
      yield* at.take(yield* at.consumer())
      const replies = yield* at.broker.end(
        ids.map((id, index) => ({
          id,
          queue: at.queue,
          record: index === 1 ? undefined : { value: `record ${index}`, ttl }
        })),
        "any"
      )
      yield* equal(replies, ["ended", "ended", "ended"], "the replies")
      const kept = yield* Effect.forEach(ids, at.locate)
      yield* equal(
        kept.map((found) => (found?.place === "ended" ? found.record : found)),
        ["record 0", undefined, "record 2"],
        "what is kept"
      )
    })
  ),

  ...rules<BrokerServices, (typeof endings)[string]>(
    (title) => `locate: tells what is kept of a message that ${title}, and for how long`,
    endings,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* bench
        const [id] = yield* at.add(1)
        yield* bring(at, id!)
        const kept = (record: string, ttl: number) => ({
          id: id!,
          queue: at.queue,
          place: "ended" as const,
          record,
          ttl
        })
        yield* equal(yield* at.locate(id!), kept("value", 5000), "at first")
        yield* at.advance(4999)
        yield* equal(yield* at.locate(id!), kept("value", 1), "a moment before its time is over")
        yield* at.advance(1)
        yield* equal(yield* at.locate(id!), undefined, "when its time is over")
      })
  ),

  rule("locate: of a message that was given back there is a place, of one that ended without a record nothing", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), release)
      yield* equal(yield* at.place(id!), "queued", "where it is")
      yield* at.settle(owner, yield* at.take(owner))
      yield* equal(yield* at.locate(id!), undefined, "what is kept")
    })
  ),

  ...rules<BrokerServices, (typeof lasting)[string]>(
    (title) => `tombstone: takes the place of a record whose time is over: ${title}`,
    lasting,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* bench
        yield* at.add([{ id: "own", checked: true }])
        yield* bring(at, { value: "value", ttl: 5000, tombstone: { value: "tombstone", ttl: 60_000 } })
        const kept = Effect.map(at.locate("own"), (found) =>
          found?.place === "ended" ? [found.record, found.ttl] : undefined
        )
        yield* at.advance(4999)
        yield* equal(yield* kept, ["value", 55_001], "a moment before the record's end")
        yield* at.advance(1)
        yield* equal(yield* kept, ["tombstone", 55_000], "after it")
        yield* equal(yield* at.isFree("own"), false, "whether the id is free then")
        yield* at.advance(54_999)
        yield* equal(yield* at.isFree("own"), false, "whether the id is free a moment before the tombstone's end")
        yield* at.advance(1)
        yield* equal(yield* kept, undefined, "what is kept after it")
        yield* equal(yield* at.isFree("own"), true, "whether the id is free after it")
      })
  ),

  rule("forget: what is kept is replaced by the tombstone, or removed, and the id is free when nothing is left", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([
        { id: "one", checked: true },
        { id: "two", checked: true }
      ])
      yield* at.end(["one", "two"], { record: "revoked" })
      const tombstone = { value: "tombstone", ttl: 5000 }
      for (const turn of ["once", "twice"]) {
        yield* at.broker.forget([{ id: "one", queue: at.queue }], tombstone)
        yield* at.broker.forget([{ id: "two", queue: at.queue }], undefined)
        const one = yield* at.locate("one")
        yield* equal(one?.place === "ended" ? one.record : one, "tombstone", `what is kept, forgotten ${turn}`)
        yield* equal(yield* at.locate("two"), undefined, `what is kept of the other, forgotten ${turn}`)
      }
      yield* equal(yield* at.isFree("two"), true, "whether the id is free without a tombstone")
      yield* at.advance(4999)
      yield* equal(yield* at.isFree("one"), false, "whether the id is free while the tombstone lives")
      yield* at.advance(1)
      yield* equal(yield* at.isFree("one"), true, "whether the id is free after it")
    })
  ),

  rule("forget: a message that has not ended stays as it is", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [waiting, held] = yield* at.add(2)
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* at.broker.forget(
        [waiting!, held!].map((id) => ({ id, queue: at.queue })),
        { value: "tombstone", ttl }
      )
      yield* at.hasCounts({ queued: 1, active: 1 }, "the messages")
      yield* equal(yield* at.settle(owner, deliveries, ackWith("over")), ["settled"], "the reply")
    })
  ),

  rule("locate: tells the place, the text, and the due time, also of many queues", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const now = yield* at.now
      const texts = ["held", "waiting", "scheduled"].map((text) => wireOf(5, text))
      const [held, waiting, scheduled] = yield* at.add([
        { wire: texts[0]! },
        { wire: texts[1]! },
        { wire: texts[2]!, delay: 7000 }
      ])
      yield* at.take(yield* at.consumer())
      const other = yield* at.fresh("other")
      const [there] = yield* at.add([{ queue: other, wire: wireOf(5, "there") }])
      const located = yield* at.broker.locate([
        { id: held!, queue: at.queue },
        { id: held!, queue: other },
        { id: waiting!, queue: at.queue },
        { id: there!, queue: other },
        { id: scheduled!, queue: at.queue }
      ])
      const expected = [
        { id: held!, queue: at.queue, place: "active", wire: texts[0]!, dueAt: undefined },
        undefined,
        { id: waiting!, queue: at.queue, place: "queued", wire: texts[1]!, dueAt: undefined },
        { id: there!, queue: other, place: "queued", wire: wireOf(5, "there"), dueAt: undefined },
        { id: scheduled!, queue: at.queue, place: "scheduled", wire: texts[2]!, dueAt: now + 7000 }
      ] as const
      yield* equal(located, expected, "what is told, in the order of the addresses")
      yield* equal(yield* at.broker.locate([]), [], "what is told of nothing")
      yield* equal(yield* at.broker.locate([{ id: held!, queue: `${at.queue}-not` }]), [undefined], "on another queue")
    })
  ),

  rule("counts: each message in its place, and nothing of other queues", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.hasCounts({}, "of a queue that nobody knows")
      yield* at.add([{}, {}, {}, {}, { delay: 1000 }, { delay: 1000 }, { queue: yield* at.fresh("other") }])
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), { ...ack, dead: "x" })
      yield* at.take(owner, 2)
      yield* at.hasCounts({ queued: 1, active: 2, scheduled: 2, dead: 1 }, "the messages")
    })
  ),

  rule("queues: lists a queue from its first consumer on", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* equal((yield* at.broker.queues).includes(at.queue), false, "before")
      yield* at.consumer()
      yield* equal((yield* at.broker.queues).includes(at.queue), true, "after")
    })
  )
]
