/** Publishing: receipts, duplicates, and batches that are sent again. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Consumer, Receipt } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { ack, ackWith, type Bench, bench, release, ttl } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** What happened to a message with an id that its caller chose, and whether the id can be taken again then. */
const fates: Record<
  string,
  { readonly free: boolean; readonly bring: (at: Bench, id: string, owner: Consumer) => Step<unknown> }
> = {
  "while it waits": { free: false, bring: (at, id) => at.add([{ id, checked: true }]) },
  "while it is scheduled": { free: false, bring: (at, id) => at.add([{ id, checked: true, delay: 1000 }]) },
  "while it is held": {
    free: false,
    bring: (at, id, owner) => Effect.andThen(at.add([{ id, checked: true }]), at.take(owner))
  },
  "while it waits for another attempt": {
    free: false,
    bring: (at, id, owner) =>
      Effect.gen(function* () {
        yield* at.add([{ id, checked: true }])
        yield* at.settle(owner, yield* at.take(owner), { _tag: "Reschedule", delay: 5000, to: "tail", ran: true })
      })
  },
  "after its end, while its record lives": {
    free: false,
    bring: (at, id, owner) =>
      Effect.gen(function* () {
        yield* at.add([{ id, checked: true }])
        yield* at.settle(owner, yield* at.take(owner), ackWith("over"))
        yield* at.advance(ttl - 1)
      })
  },
  "after its record's time to live": {
    free: true,
    bring: (at, id, owner) =>
      Effect.gen(function* () {
        yield* at.add([{ id, checked: true }])
        yield* at.settle(owner, yield* at.take(owner), ackWith("over"))
        yield* at.advance(ttl)
      })
  },
  "after its end without a record": {
    free: true,
    bring: (at, id, owner) =>
      Effect.gen(function* () {
        yield* at.add([{ id, checked: true }])
        yield* at.settle(owner, yield* at.take(owner), ack)
      })
  },
  "after it was revoked, while its record lives": {
    free: false,
    bring: (at, id) => Effect.andThen(at.add([{ id, checked: true }]), at.end([id], { record: "revoked" }))
  },
  "of another queue": {
    free: true,
    bring: (at, id) => Effect.flatMap(at.fresh("other"), (queue) => at.add([{ id, queue, checked: true }]))
  }
}

/** What became of the messages of a batch before a copy of it comes late. */
const afterwards: Record<string, (at: Bench, owner: Consumer) => Step<unknown>> = {
  "while they wait": () => Effect.void,
  "while they are held": (at, owner) => at.take(owner, 9),
  "after they ended without a record": (at, owner) =>
    Effect.flatMap(at.take(owner, 9), (deliveries) => at.settle(owner, deliveries)),
  "after the next batch": (at) => at.add(1)
}

export const publishing: ReadonlyArray<Case<BrokerServices>> = [
  rule("publish: one receipt a message, in their order", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      yield* at.add([{ id: "known", checked: true }])
      const receipts = yield* publisher.publish([{}, { id: "known", checked: true }, {}])
      yield* equal(receipts, ["accepted", "duplicate", "accepted"], "receipts")
      yield* at.hasCounts({ queued: 3 }, "the messages")
    })
  ),

  rule("publish: no messages, no receipts", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* equal(yield* (yield* at.publisher).publish([]), [], "receipts")
    })
  ),

  ...rules<BrokerServices, (typeof fates)[string]>(
    (title) => `publish: an id that a caller chose is ${fates[title]!.free ? "free" : "refused"} ${title}`,
    fates,
    ({ bring, free }) =>
      Effect.gen(function* () {
        const at = yield* bench
        yield* bring(at, "chosen", yield* at.consumer())
        const before = yield* at.broker.counts(at.queue)
        yield* equal(yield* at.isFree("chosen"), free, "whether the id is free")
        if (!free) yield* equal(yield* at.broker.counts(at.queue), before, "the messages after a refusal")
      })
  ),

  rule("publish: of one id twice in a batch the first is accepted", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const one = { id: "one", checked: true }
      yield* equal(yield* publisher.publish([one, one]), ["accepted", "duplicate"], "receipts")
      yield* at.hasCounts({ queued: 1 }, "the messages")
    })
  ),

  rule("publish: an id that is in use is one message, also when nobody asked for a check", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const [id] = yield* at.add(1)
      yield* equal(yield* publisher.publish([{ id: id! }]), ["duplicate"], "receipts")
      yield* at.hasCounts({ queued: 1 }, "the messages")
    })
  ),

  rule("publish: a batch that is sent again gets the first answer, and changes nothing", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      yield* at.add([{ id: "known", checked: true }])
      const ids = yield* at.ids(2)
      const batch = [{ id: ids[0]! }, { id: "known", checked: true }, { id: ids[1]! }]
      const first = yield* publisher.publish(batch, { sequence: 1 })
      // what it asks for would be answered otherwise by now
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner, 9))
      yield* equal(yield* publisher.publish(batch, { sequence: 1, resend: true }), first, "receipts of the second send")
      yield* at.hasCounts({}, "the messages")
    })
  ),

  rule("publish: the two latest batches of a publisher are recognised, in any order", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const [a, b] = yield* at.ids(2)
      yield* publisher.publish([{ id: a! }], { sequence: 7 })
      yield* publisher.publish([{ id: b! }], { sequence: 8 })
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner, 9))
      for (const [id, sequence] of [
        [a!, 7],
        [b!, 8],
        [a!, 7]
      ] as const) {
        const receipts = yield* publisher.publish([{ id }], { sequence, resend: true })
        yield* equal(receipts, ["accepted"], `receipts of batch ${sequence}`)
      }
      yield* at.hasCounts({}, "the messages")
    })
  ),

  rule("publish: a batch is carried out that is sent again because it never arrived", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      yield* publisher.publish([{}], { sequence: 1 })
      const receipts = yield* publisher.publish([{}, {}], { sequence: 2, resend: true })
      yield* equal(receipts, ["accepted", "accepted"], "receipts")
      yield* at.hasCounts({ queued: 3 }, "the messages")
    })
  ),

  ...rules<BrokerServices, (typeof afterwards)[string]>(
    (title) => `publish: a late copy of a batch does nothing ${title}`,
    afterwards,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* bench
        const publisher = yield* at.publisher
        const batch = (yield* at.ids(2)).map((id) => ({ id }))
        yield* publisher.publish(batch, { sequence: 5 })
        yield* bring(at, yield* at.consumer())
        const before = yield* at.broker.counts(at.queue)
        yield* publisher.publish(batch, { sequence: 5 })
        yield* equal(yield* at.broker.counts(at.queue), before, "the messages")
      })
  ),

  rule("publish: a late copy does nothing although the publisher has sent many batches since", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const ids = yield* at.ids(1)
      const batch = ids.map((id) => ({ id }))
      yield* publisher.publish(batch, { sequence: 1 })
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner))
      yield* Effect.forEach(Array.from({ length: 100 }), (_, index) => publisher.publish([], { sequence: index + 2 }))
      yield* publisher.publish(batch, { sequence: 1 })
      yield* at.hasCounts({}, "the messages")
    })
  ),

  rule("publish: publishers have numbers of their own", () =>
    Effect.gen(function* () {
      const at = yield* bench
      for (const publisher of [yield* at.publisher, yield* at.publisher]) {
        yield* equal(yield* publisher.publish([{}], { sequence: 1 }), ["accepted"], "receipts")
      }
      yield* at.hasCounts({ queued: 2 }, "the messages")
    })
  ),

  rule("publish: one batch for many queues, and sent again", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const queues = yield* Effect.forEach(["x", "y", "z"], at.fresh)
      const ids = yield* at.ids(7)
      yield* at.add([{ id: "known", checked: true }])
      const batch = ids.map((id, index) =>
        index === 3 ? { id: "known", checked: true } : { id, queue: queues[index % 3]! }
      )
      const expected = ids.map((_, index): Receipt => (index === 3 ? "duplicate" : "accepted"))
      yield* equal(yield* publisher.publish(batch, { sequence: 1 }), expected, "receipts")
      yield* equal(
        yield* publisher.publish(batch, { sequence: 1, resend: true }),
        expected,
        "receipts of the second send"
      )
      const counts = yield* Effect.forEach(queues, (queue) => at.broker.counts(queue))
      yield* equal(
        counts.map(({ queued }) => queued),
        [2, 2, 2],
        "messages of each queue"
      )
      const known = yield* at.broker.queues
      yield* equal(
        queues.filter((queue) => !known.includes(queue)),
        [],
        "queues that held a message and are not listed"
      )
    })
  ),

  rule("publish: a released message is not published a second time by a batch that is sent again", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const batch = (yield* at.ids(1)).map((id) => ({ id }))
      yield* publisher.publish(batch, { sequence: 1 })
      const owner = yield* at.consumer()
      yield* at.settle(owner, yield* at.take(owner), release)
      yield* publisher.publish(batch, { sequence: 1, resend: true })
      yield* at.hasCounts({ queued: 1 }, "the messages")
    })
  )
]
