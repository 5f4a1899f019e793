/** Ends from outside, expiry, and looking: where messages are, and how many. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import { type Delivery, type EndReply, revokeChannel } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { ack, type Bench, bench, leaving, release, ttl, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"
import { listen } from "./listening.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** A message in each place: its id, and what `end` answers, without and with `waitingOnly`. */
const places: Record<string, readonly [bring: (at: Bench) => Step<string>, any: EndReply, waitingOnly: EndReply]> = {
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
    "active"
  ],
  "waiting for another attempt": [
    (at) =>
      Effect.gen(function* () {
        const [id] = yield* at.add(1)
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner), { _tag: "Reschedule", delay: 5000, to: "tail" })
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

const expired = (at: Bench): Step<ReadonlyArray<string>> =>
  Effect.map(at.broker.overdue(1000), (addresses) =>
    addresses
      .filter(({ queue }) => queue === at.queue)
      .map(({ id }) => id)
      .toSorted()
  )

export const ending: ReadonlyArray<Case<BrokerServices>> = [
  ...rules<BrokerServices, (typeof places)[string]>(
    (title) => `end: a message that is ${title}`,
    places,
    ([bring, any, waitingOnly]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const first = yield* bring(at)
        const before = yield* at.place(first)
        yield* equal(yield* at.end([first], { waitingOnly: true }), [waitingOnly], "the reply for waiting ones only")
        yield* equal(yield* at.place(first), waitingOnly === "ended" ? undefined : before, "where it is then")
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
        { waitingOnly: true }
      )
      yield* equal(replies, ["absent", "ended", "active", "ended", "absent"], "the replies")
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

  rule("locate: tells the place, the text, and the due time", () =>
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
      const located = yield* Effect.forEach([held!, waiting!, scheduled!], (id) =>
        at.broker.locate({ id, queue: at.queue })
      )
      const expected = [
        { id: held!, queue: at.queue, place: "active", wire: texts[0]!, dueAt: undefined },
        { id: waiting!, queue: at.queue, place: "queued", wire: texts[1]!, dueAt: undefined },
        { id: scheduled!, queue: at.queue, place: "scheduled", wire: texts[2]!, dueAt: now + 7000 }
      ] as const
      yield* equal(located, expected.map(Option.some), "what is told")
      yield* equal(yield* at.broker.locate({ id: held!, queue: `${at.queue}-not` }), Option.none(), "on another queue")
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
  ),

  rule("overdue: waiting and scheduled messages past their time, whoever consumes them", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const now = yield* at.now
      const [waiting, scheduled, later] = yield* at.add([
        { expiresAt: now + 1000 },
        { expiresAt: now + 1000, delay: 60_000 },
        { expiresAt: now + 2000 },
        {}
      ])
      yield* equal(yield* expired(at), [], "at first")
      yield* at.advance(999)
      yield* equal(yield* expired(at), [], "a moment before")
      yield* at.advance(1)
      yield* equal(yield* expired(at), [waiting!, scheduled!].toSorted(), "when the time has come")
      yield* at.advance(1000)
      yield* equal(yield* expired(at), [waiting!, scheduled!, later!].toSorted(), "a second later")
      yield* at.end([waiting!])
      yield* equal(yield* expired(at), [scheduled!, later!].toSorted(), "when one was ended")
      yield* equal((yield* at.broker.overdue(1)).length, 1, "how many when one is asked for")
    })
  ),

  rule("overdue: not what is held; again when it comes back unstarted; not once a run has started", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const now = yield* at.now
      const [id] = yield* at.add([{ expiresAt: now + 1000 }])
      const owner = yield* at.consumer()
      const first = yield* at.take(owner)
      yield* at.advance(1000)
      yield* equal(yield* expired(at), [], "while it is held")
      yield* at.settle(owner, first, release)
      yield* equal(yield* expired(at), [id!], "when it came back as it was")
      yield* at.settle(owner, yield* at.take(owner), { ...release, wire: wireOf(5, "started") })
      yield* equal(yield* expired(at), [], "when it came back changed")
    })
  )
]
