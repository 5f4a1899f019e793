/** Results that live with the broker: what is one step there. */
import * as Effect from "effect/Effect"
import type { Consumer, Delivery } from "../../Broker.ts"
import { type Note, replyChannel, type Stored } from "../../ResultBackend.ts"
import { equal } from "../internal/expect.ts"
import { ack, ackWith, leaving, release, ttl } from "./Bench.ts"
import { type Case, type ResultServices, rule, rules } from "./Case.ts"
import { desk, type Desk, pushOf, type Step } from "./Desk.ts"
import { listen } from "./listening.ts"

/** How a consumer comes to write about a message that it does not own. Answers who writes, and what it claims to hold. */
const strangers: Record<string, (at: Desk, owner: Consumer, delivery: Delivery) => Step<readonly [string, Delivery]>> =
  {
    "another consumer": (at, _owner, delivery) => Effect.map(at.consumer(), (other) => [other.id, delivery] as const),
    "its owner after the settle": (at, owner, delivery) =>
      Effect.as(at.settle(owner, [delivery]), [owner.id, delivery] as const),
    "its owner after giving it back": (at, owner, delivery) =>
      Effect.as(at.settle(owner, [delivery], release), [owner.id, delivery] as const),
    "its owner with the fence of an earlier delivery": (at, owner, delivery) =>
      Effect.gen(function* () {
        yield* at.settle(owner, [delivery], release)
        yield* at.take(owner)
        return [owner.id, delivery] as const
      }),
    "its owner after it was revoked": (at, owner, delivery) =>
      Effect.as(at.end([delivery.id]), [owner.id, delivery] as const),
    "its owner after its lease ended": (at, owner, delivery) =>
      Effect.gen(function* () {
        yield* at.crash(owner, yield* at.consumer())
        return [owner.id, delivery] as const
      })
  }

const kinds: ReadonlyArray<Note["kind"]> = ["progress", "attempt"]

/** What happens to a message that somebody follows. */
const changes: Record<string, (at: Desk, owner: Consumer) => Step<unknown>> = {
  "a delivery": (at, owner) => at.take(owner),
  "a retry, with its note": (at, owner) =>
    Effect.flatMap(at.take(owner), (deliveries) =>
      at.settle(owner, deliveries, {
        _tag: "Reschedule",
        delay: 5000,
        to: "tail",
        ran: true,
        note: { value: "note", ttl }
      })
    ),
  "a release": (at, owner) => Effect.flatMap(at.take(owner), (deliveries) => at.settle(owner, deliveries, release))
}

const looks: Record<string, (at: Desk, client: string, ids: ReadonlyArray<string>) => Step<ReadonlyArray<Stored>>> = {
  read: (at, _client, ids) => at.results.read(ids.map(at.address)),
  watch: (at, client, ids) => at.results.watch(client, ids.map(at.address), "end")
}

export const together: ReadonlyArray<Case<ResultServices>> = [
  rule("together: broker and result backend name the same location", () =>
    Effect.gen(function* () {
      const at = yield* desk
      yield* equal(at.broker.location, at.results.location, "the location of the broker")
    })
  ),

  rule("together: the record of an ack is stored with it, and who waits is told", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const client = yield* at.fresh("client")
      const ear = yield* listen(replyChannel(client))
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* at.results.watch(client, [at.address(id!)], "end")
      yield* at.settle(owner, deliveries, ackWith("over"))
      yield* equal(yield* at.record(id!), "over", "the record")
      yield* ear.hears([pushOf(at, id!)], "what is told")
    })
  ),

  rule("together: a refused ack stores no record", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* at.settle(owner, deliveries, release)
      yield* at.settle(owner, deliveries, ackWith("late"))
      yield* equal(yield* at.record(id!), undefined, "the record")
    })
  ),

  rule("together: the first record stays, whoever wrote it", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* at.commit(id!, "first")
      yield* equal(yield* at.settle(owner, deliveries, ackWith("second")), ["settled"], "the reply")
      yield* equal(yield* at.record(id!), "first", "the record")
    })
  ),

  rule("together: the record of an end is stored with it, and who waits is told", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const client = yield* at.fresh("client")
      const ear = yield* listen(replyChannel(client))
      const [waiting, held] = yield* at.add(2)
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* at.results.watch(client, [at.address(waiting!), at.address(held!)], "end")
      yield* at.end([waiting!, held!], { record: "revoked" })
      yield* at.settle(owner, deliveries, ackWith("late"))
      yield* equal([yield* at.record(waiting!), yield* at.record(held!)], ["revoked", "revoked"], "the records")
      const expected = [waiting!, held!].map((id) => pushOf(at, id))
      yield* equal((yield* ear.heard).toSorted(), expected.toSorted(), "what is told")
    })
  ),

  rule("together: an end of waiting messages stores no record of one that runs", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.add(1)
      yield* at.take(yield* at.consumer())
      yield* at.end([id!], { record: "revoked", meant: "waiting" })
      yield* equal(yield* at.record(id!), undefined, "the record")
    })
  ),

  rule("together: the note of a retry is stored with it, and notes go with the record", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      for (const value of ["one", "two"]) {
        const retry = { _tag: "Reschedule", delay: 0, to: "tail", ran: true, note: { value, ttl } } as const
        yield* at.settle(owner, yield* at.take(owner), retry)
      }
      yield* equal((yield* at.read(id!)).attempts, ["one", "two"], "the attempts")
      yield* at.settle(owner, yield* at.take(owner), ackWith("over"))
      yield* equal(
        yield* at.read(id!),
        { record: "over", progress: undefined, attempts: [] },
        "what is stored at the end"
      )
    })
  ),

  ...rules<ResultServices, (typeof strangers)[string]>(
    (title) => `together: refused are notes of ${title}`,
    strangers,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* desk
        const [id] = yield* at.add(1)
        const { within } = yield* leaving
        const owner = yield* within(at.consumer())
        const [delivery] = yield* at.take(owner)
        const [consumer, { fence }] = yield* bring(at, owner, delivery!)
        const replies = yield* at.results.note(
          kinds.map((kind) => ({ ...at.address(id!), kind, consumer, fence, value: "not mine", ttl }))
        )
        yield* equal(replies, ["refused", "refused"], "the replies")
        yield* equal(yield* at.read(id!), { record: undefined, progress: undefined, attempts: [] }, "what is stored")
      })
  ),

  ...rules<ResultServices, (typeof changes)[string]>(
    (title) => `together: who follows a message is told of ${title}`,
    changes,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* desk
        const [follower, waiter] = [yield* at.fresh("client"), yield* at.fresh("client")]
        const ears = { follower: yield* listen(replyChannel(follower)), waiter: yield* listen(replyChannel(waiter)) }
        const [id] = yield* at.add(1)
        yield* at.results.watch(follower, [at.address(id!)], "changes")
        yield* at.results.watch(waiter, [at.address(id!)], "end")
        yield* bring(at, yield* at.consumer())
        const told = yield* ears.follower.heard
        yield* equal(new Set(told), new Set([pushOf(at, id!)]), "what the follower is told")
        yield* ears.waiter.hears([], "what one who waits for the end is told")
      })
  ),

  rule("together: a record keeps its id from being published, and so does a tombstone; forgotten, it is free", () =>
    Effect.gen(function* () {
      const at = yield* desk
      yield* at.commit("own", "over")
      yield* equal(yield* at.isFree("own"), false, "with a record")
      yield* at.results.forget([at.address("own")], { value: "tombstone", ttl })
      yield* equal(yield* at.isFree("own"), false, "with a tombstone")
      yield* at.results.forget([at.address("own")], undefined)
      yield* equal(yield* at.isFree("own"), true, "with neither")
    })
  ),

  ...rules<ResultServices, (typeof looks)[string]>(
    (title) => `together: whether a queue holds the message is told by ${title}`,
    looks,
    (look) =>
      Effect.gen(function* () {
        const at = yield* desk
        const client = yield* at.fresh("client")
        const [id, scheduled, unknown] = [...(yield* at.add([{}, { delay: 60_000 }])), ...(yield* at.ids(1))]
        const told = Effect.map(look(at, client, [id!, scheduled!, unknown!]), (stored) =>
          stored.map(({ live }) => live)
        )
        yield* equal(yield* told, [true, true, false], "while it waits")
        const owner = yield* at.consumer()
        const deliveries = yield* at.take(owner)
        yield* equal(yield* told, [true, true, false], "while it runs")
        yield* at.settle(owner, deliveries, ack)
        yield* equal(yield* told, [false, true, false], "when it is over without a record")
        yield* at.end([scheduled!], { record: "revoked" })
        yield* equal(yield* told, [false, false, false], "when the other is over with one")
      })
  ),

  rule("together: a tombstone takes the place of a record whose time is over, and no other record does", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.add(1)
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), {
        _tag: "Ack",
        record: { value: "value", ttl: 5000, tombstone: { value: "tombstone", ttl: 60_000 } }
      })
      yield* equal(yield* at.record(id!), "value", "the record")
      yield* at.advance(5000)
      yield* equal(yield* at.record(id!), "tombstone", "the record after its time")
      yield* equal(yield* at.commit(id!, "another"), "lost", "the reply to a commit")
    })
  ),

  rule("together: forget is the same step for the broker and the results", () =>
    Effect.gen(function* () {
      const at = yield* desk
      yield* at.commit("own", "over")
      yield* at.broker.forget([at.address("own")], { value: "tombstone", ttl })
      yield* equal(yield* at.record("own"), "tombstone", "the record")
      yield* at.broker.forget([at.address("own")], undefined)
      yield* equal(yield* at.record("own"), undefined, "the record without a tombstone")
    })
  )
]
