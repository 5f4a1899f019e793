/** Leases: who owns what, for how long, and how the messages of the dead come back. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Consumer, Suspect } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { type Bench, bench, leaving, recoverAll, release } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

const isLost = <A>(effect: Step<A>, what: string): Step<void> =>
  effect.pipe(
    Effect.as("done"),
    Effect.catchReason("BrokerError", "ConsumerLost", () => Effect.succeed("lost")),
    Effect.flatMap((found) => equal(found, "lost", what))
  )

/** When nothing may be taken from a consumer. `seen`: what its peer saw of it 20 seconds after its last renewal. */
const guards: Record<string, (at: Bench, seen: Suspect, owner: Consumer) => Step<Suspect>> = {
  "its lease has not ended": (at, seen) => Effect.as(at.advance(seen.endsIn - 1), seen),
  "it has renewed since it was seen": (at, seen, owner) =>
    Effect.gen(function* () {
      yield* owner.renew
      yield* at.advance(seen.endsIn)
      return seen
    }),
  "it has renewed since it was seen, and that lease has ended too": (at, seen, owner) =>
    Effect.gen(function* () {
      yield* owner.renew
      yield* at.advance(60_000)
      return seen
    }),
  "nobody knows the consumer": (at, seen) =>
    Effect.as(at.advance(60_000), { ...seen, consumer: `${seen.consumer}-not` }),
  "nobody knows the queue": (at, seen) => Effect.as(at.advance(60_000), { ...seen, queue: `${seen.queue}-not` })
}

export const leasing: ReadonlyArray<Case<BrokerServices>> = [
  rule("lease: consumers of one worker's name are different ones", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* Effect.forEach([1, 2, 3], () => Effect.map(at.consumer({ worker: "same" }), ({ id }) => id))
      yield* equal(new Set(ids).size, 3, "different ids")
    })
  ),

  rule("renew: there is no doubt while both sides agree", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(3)
      const owner = yield* at.consumer()
      const agrees = (what: string) =>
        Effect.flatMap(owner.renew, ({ doubt, revoked }) =>
          equal({ doubt, revoked }, { doubt: false, revoked: [] }, what)
        )
      yield* agrees("with nothing held")
      const deliveries = yield* at.take(owner, 3)
      yield* agrees("with three held")
      yield* at.settle(owner, deliveries.slice(0, 1))
      yield* at.settle(owner, deliveries.slice(1, 2), release)
      yield* agrees("with one held")
    })
  ),

  rule("renew: extends the lease, for as long as it goes on", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(1)
      const owner = yield* at.consumer()
      const held = yield* at.take(owner)
      const peer = yield* at.consumer()
      for (let turn = 0; turn < 10; turn++) {
        yield* at.advance(20_000)
        const seen = yield* at.suspectOf(owner, peer)
        yield* owner.renew
        yield* equal(yield* peer.recover(seen), { moved: 0, more: false }, "a recovery")
      }
      yield* equal(yield* at.settle(owner, held), ["settled"], "the reply to its settle")
    })
  ),

  rule("renew: peers of the same queue that are silent are reported, with what is left of their lease", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const silent = yield* at.consumer()
      const loud = yield* at.consumer()
      const peer = yield* at.consumer()
      const elsewhere = yield* at.consumer({ queues: [yield* at.fresh("other")] })
      const reported = Effect.map(peer.renew, ({ suspects }) =>
        suspects.map(({ consumer, endsIn, queue }) => ({ consumer, endsIn, queue }))
      )
      yield* equal(yield* reported, [], "at first")
      yield* at.advance(10_000)
      yield* equal(yield* reported, [], "after a third of the lease")
      yield* at.advance(5000)
      yield* loud.renew
      yield* equal(yield* reported, [{ consumer: silent.id, endsIn: 15_000, queue: at.queue }], "after half of it")
      yield* at.advance(25_000)
      yield* loud.renew
      yield* equal(yield* reported, [{ consumer: silent.id, endsIn: 0, queue: at.queue }], "when it has ended")
      yield* silent.renew
      yield* equal(yield* reported, [], "when it has renewed after all")
      yield* equal((yield* elsewhere.renew).suspects, [], "to a consumer of another queue")
    })
  ),

  ...rules<BrokerServices, (typeof guards)[string]>(
    (title) => `recover: nothing when ${title}`,
    guards,
    (bring) =>
      Effect.gen(function* () {
        const at = yield* bench
        yield* at.add(2)
        const owner = yield* at.consumer()
        const held = yield* at.take(owner, 2)
        const peer = yield* at.consumer()
        yield* at.advance(20_000)
        const seen = yield* bring(at, yield* at.suspectOf(owner, peer), owner)
        yield* equal(yield* peer.recover(seen), { moved: 0, more: false }, "the recovery")
        yield* equal(yield* at.settle(owner, held), ["settled", "settled"], "replies to the owner")
      })
  ),

  rule("recover: messages go back to the head of their priority, in their order, and the crash counts", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add([{}, {}, { wire: "16" }])
      const owner = yield* at.consumer()
      yield* at.take(owner, 3)
      const [waiting] = yield* at.add(1)
      const peer = yield* at.consumer()
      yield* equal(yield* at.crash(owner, peer), 3, "how many came back")
      const deliveries = yield* at.take(peer, 9)
      yield* equal(
        deliveries.map(({ crashes, id }) => [id, crashes]),
        [
          [ids[2]!, 1],
          [ids[0]!, 1],
          [ids[1]!, 1],
          [waiting!, 0]
        ],
        "ids and crashes in the order of the claims"
      )
      yield* at.hasCounts({ active: 4 }, "the messages")
    })
  ),

  rule("recover: as many as there are, in as many steps as it takes, in their order", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(2300)
      const owner = yield* at.consumer()
      yield* at.take(owner, ids.length)
      const peer = yield* at.consumer()
      yield* equal(yield* at.crash(owner, peer), ids.length, "how many came back")
      yield* equal(yield* at.takeAll(peer), ids, "ids in the order of the claims")
    })
  ),

  rule("recover: by two peers at the same time, each message comes back once", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(1500)
      const owner = yield* at.consumer()
      yield* at.take(owner, ids.length)
      const peers = [yield* at.consumer(), yield* at.consumer()]
      yield* at.advance(20_000)
      const seen = yield* Effect.forEach(peers, (peer) => at.suspectOf(owner, peer))
      yield* at.advance(seen[0]!.endsIn)
      const moved = yield* Effect.forEach(peers, (peer, index) => recoverAll(peer, seen[index]!), { concurrency: 2 })
      yield* equal(moved[0]! + moved[1]!, ids.length, "how many came back")
      yield* equal((yield* at.takeAll(peers[0]!)).toSorted(), ids.toSorted(), "what is given then")
    })
  ),

  rule("recover: the consumer is lost from then on, until it reconciles", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const owner = yield* at.consumer()
      const held = yield* at.take(owner)
      const peer = yield* at.consumer()
      yield* at.crash(owner, peer)
      yield* isLost(owner.renew, "its renewal")
      yield* isLost(at.claim(owner), "its claim")
      yield* at.refuses(owner, held)
      yield* equal(yield* owner.reconcile(held), { lost: held, found: [] }, "its reconciliation")
      yield* equal((yield* owner.renew).doubt, false, "doubt after it")
      yield* equal((yield* at.take(owner, 9)).length, 2, "what it can claim then")
    })
  ),

  rule("recover: from its first step on, the consumer can do nothing with what is still in its hands", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(2300)
      const owner = yield* at.consumer()
      const held = yield* at.take(owner, ids.length)
      const peer = yield* at.consumer()
      yield* at.advance(20_000)
      const seen = yield* at.suspectOf(owner, peer)
      yield* at.advance(seen.endsIn)
      yield* peer.recover(seen)
      yield* isLost(owner.renew, "its renewal")
      yield* isLost(at.claim(owner), "its claim")
      yield* at.refuses(owner, held)
      yield* recoverAll(peer, seen)
      yield* equal(yield* at.takeAll(peer), ids, "ids in the order of the claims")
    })
  ),

  rule("recover: a lost consumer that registered anew is not recovered by what was seen before", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(1)
      const owner = yield* at.consumer()
      yield* at.take(owner)
      const peer = yield* at.consumer()
      yield* at.advance(20_000)
      const seen = yield* at.suspectOf(owner, peer)
      yield* at.advance(seen.endsIn)
      yield* recoverAll(peer, seen)
      yield* owner.reconcile([])
      const held = yield* at.take(owner)
      yield* equal(yield* peer.recover(seen), { moved: 0, more: false }, "a second recovery")
      yield* equal(yield* at.settle(owner, held), ["settled"], "the reply to its settle")
    })
  ),

  rule("settle: of two queues, one of which has lost the consumer, that one's is refused; of both, it fails", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      const owner = yield* at.consumer({ queues: [at.queue, other] })
      yield* at.add([{}, { queue: other }])
      const here = yield* at.take(owner)
      const there = (yield* at.claim(owner, 1, { queue: other })).deliveries
      const peer = yield* at.consumer({ queues: [at.queue, other], lease: Duration.minutes(10) })
      yield* at.advance(40_000)
      const { suspects } = yield* peer.renew
      const recover = (name: string) =>
        Effect.forEach(
          suspects.filter(({ consumer, queue }) => consumer === owner.id && queue === name),
          (suspect) => recoverAll(peer, suspect)
        )
      yield* equal(yield* recover(at.queue), [1], "how many came back from the one")
      yield* equal(yield* at.settle(owner, [...here, ...there]), ["refused", "settled"], "the replies")
      yield* equal(yield* recover(other), [0], "how many came back from the other")
      yield* isLost(at.settle(owner, [...here, ...there]), "its settle")
    })
  ),

  rule("reconcile: a second time finds nothing new", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const owner = yield* at.consumer()
      const [known] = yield* at.take(owner, 2)
      const { found } = yield* owner.reconcile([known!])
      yield* equal(found.length, 1, "how many are found at first")
      yield* equal(yield* owner.reconcile([known!, ...found]), { lost: [], found: [] }, "what is found then")
      yield* at.hasCounts({ active: 2 }, "the messages")
    })
  ),

  rule("reconcile: finds what the consumer does not know of, and counts no crash", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(3)
      const owner = yield* at.consumer()
      const [known, ...unknown] = yield* at.take(owner, 3)
      const { found, lost } = yield* owner.reconcile([known!])
      yield* equal(lost, [], "what is lost")
      yield* equal(
        found.toSorted((left, right) => (left.id < right.id ? -1 : 1)),
        unknown,
        "what is found"
      )
      yield* equal((yield* owner.renew).doubt, false, "doubt after it")
      yield* equal(yield* at.settle(owner, [known!, ...found]), ["settled", "settled", "settled"], "replies")
    })
  ),

  rule("reconcile: tells what the consumer believes to hold, and does not", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(4)
      const owner = yield* at.consumer()
      const [settled, revoked, early, held] = yield* at.take(owner, 4)
      yield* at.settle(owner, [settled!])
      yield* at.end([revoked!.id])
      yield* at.settle(owner, [early!], release)
      const [again] = yield* at.take(owner)
      const { found, lost } = yield* owner.reconcile([settled!, revoked!, early!, held!])
      yield* equal(
        new Set(lost.map(({ fence, id }) => `${id} ${fence}`)),
        new Set([settled!, revoked!, early!].map(({ fence, id }) => `${id} ${fence}`)),
        "what is lost"
      )
      yield* equal(found, [again!], "what is found")
      const { doubt, revoked: left } = yield* owner.renew
      yield* equal({ doubt, left }, { doubt: false, left: [] }, "the renewal after it")
    })
  ),

  rule("close: a consumer that has left is not reported, and can do nothing more", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const { leave, within } = yield* leaving
      const owner = yield* within(at.consumer())
      const peer = yield* at.consumer()
      yield* leave
      yield* at.advance(60_000)
      yield* equal((yield* peer.renew).suspects, [], "who is reported")
      yield* isLost(owner.renew, "its renewal")
      yield* isLost(at.claim(owner), "its claim")
    })
  ),

  rule("lease: of a consumer with several queues, each gives its messages back", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      const owner = yield* at.consumer({ queues: [at.queue, other] })
      yield* at.add([{}, { queue: other }])
      yield* at.take(owner)
      yield* at.claim(owner, 1, { queue: other })
      const peer = yield* at.consumer({ queues: [at.queue, other] })
      yield* at.advance(40_000)
      const { suspects } = yield* peer.renew
      const own = suspects.filter(({ consumer }) => consumer === owner.id)
      yield* equal(
        own.map(({ queue }) => queue).toSorted(),
        [at.queue, other].toSorted(),
        "queues that it is reported for"
      )
      const moved = yield* Effect.forEach(own, (suspect) => recoverAll(peer, suspect))
      yield* equal(moved, [1, 1], "how many came back")
    })
  ),

  rule("lease: short and long ones end when they say", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const short = yield* at.consumer({ lease: Duration.seconds(1) })
      const long = yield* at.consumer({ lease: Duration.minutes(10) })
      yield* at.take(short)
      yield* at.take(long)
      const peer = yield* at.consumer({ lease: Duration.minutes(10) })
      yield* at.advance(1000)
      const { suspects } = yield* peer.renew
      yield* equal(
        suspects.map(({ consumer, endsIn }) => [consumer, endsIn]),
        [[short.id, 0]],
        "who is reported"
      )
      yield* equal(yield* recoverAll(peer, suspects[0]!), 1, "how many came back")
      yield* at.advance(400_000)
      const seen = yield* at.suspectOf(long, peer)
      yield* equal(seen.endsIn, 199_000, "what is left of the long one")
    })
  )
]
