/** Wake-ups: who is told of work, how often, and whose duty a due time is. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Consumer, Delivery } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { ack, type Bench, bench, type Idle, idsOf, leaving, release, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** How many were told since the last time; each of them once, by the name of the queue. */
const told = (at: Bench, idle: ReadonlyArray<Idle>): Step<ReadonlyArray<Idle>> =>
  Effect.gen(function* () {
    const found: Array<Idle> = []
    for (const one of idle) {
      const pushes: ReadonlyArray<string> = yield* one.wakes.heard
      if (pushes.length === 0) continue
      yield* equal(pushes, [at.queue], `pushes to ${one.consumer.id}`)
      found.push(one)
    }
    return found
  })

const oneIsTold = (at: Bench, idle: ReadonlyArray<Idle>, of: string): Step<Idle> =>
  Effect.flatMap(told(at, idle), (found) => Effect.as(equal(found.length, 1, `how many are told of ${of}`), found[0]!))

const nobodyIsTold = (at: Bench, idle: ReadonlyArray<Idle>, of: string): Step<void> =>
  Effect.flatMap(told(at, idle), (found) => equal(found.length, 0, `how many are told of ${of}`))

const idleOnes = (at: Bench, count: number, free = 1): Step<ReadonlyArray<Idle>> =>
  Effect.forEach(Array.from({ length: count }), () => at.idle(free))

/** Idle consumers, their free slots each, messages that are added, and how many are told. */
const covers: Record<string, readonly [idle: number, free: number, added: number, told: number]> = {
  "one message, one idle": [1, 1, 1, 1],
  "one message, three idle": [3, 1, 1, 1],
  "two messages, three idle": [3, 1, 2, 2],
  "more messages than idle ones": [3, 1, 9, 3],
  "ten messages for ten slots": [3, 10, 10, 1],
  "one more than ten": [3, 10, 11, 2]
}

/** Steps that add work for others than `owner`, who holds one message. */
const additions: Record<
  string,
  (at: Bench, owner: Consumer, held: ReadonlyArray<Delivery>, leave: Step<void>) => Step<unknown>
> = {
  "a release": (at, owner, held) => at.settle(owner, held, release),
  "a requeue": (at, owner, held) => at.settle(owner, held, { _tag: "Reschedule", delay: 0, to: "tail", ran: true }),
  "a retry that nobody watches": (at, owner, held) =>
    at.settle(owner, held, { _tag: "Reschedule", delay: 5000, to: "tail", ran: true }),
  "a scheduled message that nobody watches": (at) => at.add([{ delay: 5000 }]),
  "a continuation": (at, owner, held) =>
    Effect.flatMap(at.ids(1), ([id]) => at.settle(owner, held, ack, [{ id: id!, queue: at.queue, wire: wireOf(5) }])),
  "a consumer that leaves": (_at, _owner, _held, leave) => leave,
  "a consumer that is lost": (at, owner) => Effect.flatMap(at.consumer(), (peer) => at.crash(owner, peer))
}

export const waking: ReadonlyArray<Case<BrokerServices>> = [
  ...rules<BrokerServices, (typeof covers)[string]>(
    (title) => `wake: as many as it takes: ${title}`,
    covers,
    ([idle, free, added, expected]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const ones = yield* idleOnes(at, idle, free)
        yield* at.add(added)
        yield* equal((yield* told(at, ones)).length, expected, "how many are told")
      })
  ),

  ...rules<BrokerServices, (typeof additions)[string]>(
    (title) => `wake: one is told of ${title}`,
    additions,
    (bring, title) =>
      Effect.gen(function* () {
        const at = yield* bench
        const { leave, within } = yield* leaving
        const owner = yield* within(at.consumer())
        yield* at.add(1)
        const held = yield* at.take(owner)
        const ones = yield* idleOnes(at, 2)
        yield* nobodyIsTold(at, ones, "what is held")
        yield* bring(at, owner, held, leave)
        yield* oneIsTold(at, ones, title)
      })
  ),

  rule("wake: of a continuation for another queue, those who wait there are told", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const there = yield* bench
      const owner = yield* at.consumer()
      yield* at.add(1)
      const held = yield* at.take(owner)
      const here = yield* idleOnes(at, 1)
      const others = yield* idleOnes(there, 2)
      const [id] = yield* at.ids(1)
      yield* at.settle(owner, held, ack, [{ id: id!, queue: there.queue, wire: wireOf(5) }])
      yield* oneIsTold(there, others, "the continuation")
      yield* nobodyIsTold(at, here, "a continuation for another queue")
    })
  ),

  rule("wake: a second copy of a batch tells nobody", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const batch = (yield* at.ids(1)).map((id) => ({ id }))
      const ones = yield* idleOnes(at, 2)
      yield* publisher.publish(batch, { sequence: 1 })
      yield* oneIsTold(at, ones, "the batch")
      yield* publisher.publish(batch, { sequence: 1, resend: true })
      yield* nobodyIsTold(at, ones, "its second copy")
    })
  ),

  rule("wake: nobody is told twice before the next claim", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ones = yield* idleOnes(at, 1)
      yield* at.add(1)
      yield* oneIsTold(at, ones, "the first message")
      yield* at.add(1)
      yield* nobodyIsTold(at, ones, "a message for which nobody is left")
      yield* at.takeAll(ones[0]!.consumer)
      yield* at.add(1)
      yield* oneIsTold(at, ones, "a message after its claim")
    })
  ),

  rule("wake: not who got all that was asked for", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const ones = yield* idleOnes(at, 1, 2)
      yield* at.add(1)
      yield* nobodyIsTold(at, ones, "a message")
    })
  ),

  rule("wake: not who was stopped by the limit of bytes", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ones = yield* idleOnes(at, 1)
      yield* at.add(2)
      yield* oneIsTold(at, ones, "two messages")
      const claim = yield* at.claim(ones[0]!.consumer, 5, { bytes: 1 })
      yield* equal([claim.deliveries.length, claim.idle], [1, 0], "what it got, and how many are idle")
      yield* at.add(1)
      yield* nobodyIsTold(at, ones, "a message")
    })
  ),

  rule("wake: not who has left", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const { leave, within } = yield* leaving
      const leaver = yield* within(at.consumer())
      const gone = yield* at.idle(1, leaver)
      const stays = yield* at.idle()
      yield* leave
      yield* at.add(1)
      yield* oneIsTold(at, [stays], "a message")
      yield* nobodyIsTold(at, [gone], "a message")
    })
  ),

  rule("wake: who is woken while it is full passes it on by a claim of nothing", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ones = yield* idleOnes(at, 2)
      yield* at.add(1)
      const woken = yield* oneIsTold(at, ones, "a message")
      yield* equal(yield* at.take(woken.consumer, 0), [], "a claim of nothing")
      const other = yield* oneIsTold(at, ones, "what the first did not take")
      yield* equal(other === woken, false, "whether it is the same one")
    })
  ),

  rule("wake: a claim that leaves something tells the others", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ones = yield* idleOnes(at, 3)
      yield* at.add([{ delay: 1000 }, { delay: 1000 }, { delay: 1000 }])
      const watcher = yield* oneIsTold(at, ones, "the due time")
      yield* at.claim(watcher.consumer)
      yield* at.advance(1000)
      yield* equal((yield* at.take(watcher.consumer)).length, 1, "what the watcher gets")
      yield* equal((yield* told(at, ones)).length, 2, "how many are told of what is left")
    })
  ),

  rule("wake: idle counts those who wait, this one included", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const first = yield* at.consumer()
      const second = yield* at.consumer()
      yield* equal((yield* at.claim(first)).idle, 1, "idle after the first claim")
      yield* equal((yield* at.claim(second)).idle, 2, "idle after the second")
      yield* equal((yield* at.claim(second)).idle, 2, "idle after the same again")
    })
  ),

  rule("due: one of the idle consumers has the duty, and is told how long it may wait", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ delay: 3000 }, { delay: 9000 }])
      const [first, second] = [yield* at.consumer(), yield* at.consumer()]
      yield* equal((yield* at.claim(first)).dueIn, 3000, "of the first to ask")
      yield* equal((yield* at.claim(second)).dueIn, undefined, "of the next")
      yield* at.advance(1000)
      yield* equal((yield* at.claim(first)).dueIn, 2000, "of the first, a second later")
      yield* at.advance(2000)
      const claim = yield* at.claim(first, 2)
      yield* equal([claim.deliveries.length, claim.dueIn], [1, 6000], "of the first, when the time has come")
    })
  ),

  rule("due: a claim of nothing makes ready what is due, and tells who waits", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const full = yield* at.consumer()
      yield* at.add([{ delay: 1000 }])
      yield* at.claim(full)
      const ones = yield* idleOnes(at, 1)
      yield* at.advance(1000)
      yield* equal(yield* at.take(full, 0), [], "what it gives")
      yield* at.hasCounts({ queued: 1 }, "the messages")
      yield* oneIsTold(at, ones, "what is due")
    })
  ),

  rule("due: a later time concerns nobody, an earlier one is told to one, who takes over", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ delay: 5000 }])
      const [watcher] = yield* idleOnes(at, 1)
      const [other] = yield* idleOnes(at, 1)
      yield* at.add([{ delay: 8000 }])
      yield* nobodyIsTold(at, [watcher!, other!], "a later time")
      yield* at.add([{ delay: 1000 }])
      const woken = yield* oneIsTold(at, [watcher!, other!], "an earlier time")
      yield* equal((yield* at.claim(woken.consumer)).dueIn, 1000, "how long it may wait")
    })
  ),

  rule("due: a batch of due times is told to one", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ones = yield* idleOnes(at, 3)
      yield* at.add([{ delay: 3000 }, { delay: 1000 }, { delay: 2000 }])
      yield* oneIsTold(at, ones, "three due times")
    })
  ),

  rule("due: another one is told when the one who watched leaves", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add([{ delay: 50_000 }])
      const { leave, within } = yield* leaving
      const watcher = yield* within(at.consumer())
      yield* equal((yield* at.claim(watcher)).dueIn, 50_000, "of the one who watches")
      const ones = yield* idleOnes(at, 2)
      yield* leave
      yield* oneIsTold(at, ones, "the due time")
    })
  ),

  rule("due: another one is told when the one who watched is lost", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [id] = yield* at.add([{ delay: 100_000 }])
      const watcher = yield* at.consumer()
      yield* at.claim(watcher)
      const peer = yield* at.consumer()
      const ones = yield* idleOnes(at, 2)
      yield* at.crash(watcher, peer)
      const woken = yield* oneIsTold(at, ones, "the due time")
      const { dueIn } = yield* at.claim(woken.consumer)
      yield* equal(dueIn !== undefined && dueIn > 0, true, "whether it watches now")
      yield* at.advance(100_000)
      yield* equal(idsOf(yield* at.take(woken.consumer)), [id!], "what is due then")
    })
  )
]
