/** Messages that may not wait for ever: who finds them, and what may be ended as expired. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Broker, EndReply } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { type Bench, bench, release, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** A bench whose messages are ended with the case: what is overdue is told of all queues. */
const fleeting: Step<Bench> = Effect.gen(function* () {
  const at = yield* bench
  const added: Array<string> = []
  yield* Effect.addFinalizer(() => Effect.ignore(at.end(added)))
  return {
    ...at,
    add: (messages) => Effect.tap(at.add(messages), (ids) => Effect.sync(() => added.push(...ids)))
  }
})

type Found = Effect.Success<ReturnType<Broker["Service"]["overdue"]>>

const look = (at: Bench, limits: { readonly count?: number; readonly bytes?: number } = {}): Step<Found> =>
  at.broker.overdue({ count: 1000, bytes: 1_000_000_000, ...limits })

const expired = (at: Bench): Step<ReadonlyArray<string>> =>
  Effect.map(look(at), ({ messages }) =>
    messages
      .filter(({ queue }) => queue === at.queue)
      .map(({ id }) => id)
      .toSorted()
  )

/** A message with an end in a second, at that time, and whether it may be ended as overdue then. */
const situations: Record<string, readonly [bring: (at: Bench, now: number) => Step<string>, EndReply]> = {
  waiting: [(at, now) => Effect.map(at.add([{ expiresAt: now + 1000 }]), ([id]) => id!), "ended"],
  scheduled: [(at, now) => Effect.map(at.add([{ expiresAt: now + 1000, delay: 60_000 }]), ([id]) => id!), "ended"],
  "waiting for a later time": [(at, now) => Effect.map(at.add([{ expiresAt: now + 1001 }]), ([id]) => id!), "spared"],
  "waiting for no time": [(at) => Effect.map(at.add(1), ([id]) => id!), "spared"],
  held: [
    (at, now) =>
      Effect.gen(function* () {
        const [id] = yield* at.add([{ expiresAt: now + 1000 }])
        yield* at.take(yield* at.consumer())
        return id!
      }),
    "spared"
  ],
  "given back as it was": [
    (at, now) =>
      Effect.gen(function* () {
        const [id] = yield* at.add([{ expiresAt: now + 1000 }])
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner), release)
        return id!
      }),
    "ended"
  ],
  "waiting for another attempt": [
    (at, now) =>
      Effect.gen(function* () {
        const [id] = yield* at.add([{ expiresAt: now + 1000 }])
        const owner = yield* at.consumer()
        yield* at.settle(owner, yield* at.take(owner), { ...release, delay: 5000, ran: true, wire: wireOf(5, "again") })
        return id!
      }),
    "spared"
  ],
  unknown: [(at) => Effect.map(at.ids(1), ([id]) => id!), "absent"]
}

export const expiring: ReadonlyArray<Case<BrokerServices>> = [
  rule("overdue: waiting and scheduled messages past their time, whoever consumes them", () =>
    Effect.gen(function* () {
      const at = yield* fleeting
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
    })
  ),

  rule("overdue: each with its queue and its text", () =>
    Effect.gen(function* () {
      const at = yield* fleeting
      const now = yield* at.now
      const wires = ["one", "two"].map((text) => wireOf(5, text))
      const ids = yield* at.add(wires.map((wire) => ({ wire, expiresAt: now + 1000 })))
      yield* at.advance(1000)
      const { messages } = yield* look(at)
      yield* equal(
        messages.filter(({ queue }) => queue === at.queue).toSorted((a, b) => (a.wire < b.wire ? -1 : 1)),
        ids.map((id, index) => ({ id, queue: at.queue, wire: wires[index]! })),
        "what is told"
      )
    })
  ),

  rule("overdue: at most as many as asked for, and no further one once the bytes are reached", () =>
    Effect.gen(function* () {
      const at = yield* fleeting
      const now = yield* at.now
      yield* at.add(Array.from({ length: 5 }, () => ({ expiresAt: now + 1000, wire: wireOf(5).padEnd(100, "x") })))
      yield* at.advance(1000)
      const some = yield* look(at, { count: 2 })
      yield* equal(
        [some.messages.length, some.nextIn],
        [2, 0],
        "how many of two that are asked for, and when the next is"
      )
      const few = yield* look(at, { bytes: 101 })
      yield* equal([few.messages.length, few.nextIn], [2, 0], "how many for 101 characters")
      const one = yield* look(at, { bytes: 1 })
      yield* equal([one.messages.length, one.nextIn], [1, 0], "how many for one character")
    })
  ),

  rule("overdue: says when the next one is", () =>
    Effect.gen(function* () {
      const at = yield* fleeting
      const now = yield* at.now
      yield* at.add([{ expiresAt: now + 3000 }, { expiresAt: now + 1000 }, { expiresAt: now + 2000 }])
      yield* equal((yield* look(at)).nextIn, 1000, "at first")
      yield* at.advance(400)
      yield* equal((yield* look(at)).nextIn, 600, "a moment later")
      yield* at.advance(600)
      yield* equal((yield* look(at)).nextIn, 1000, "beside the first")
      yield* at.advance(1000)
      yield* at.end(yield* expired(at))
      yield* equal((yield* look(at)).nextIn, 1000, "when two are over")
      yield* at.take(yield* at.consumer())
      yield* equal((yield* look(at)).nextIn, undefined, "when the last is held")
    })
  ),

  rule("overdue: not what is held; again when it comes back unstarted; not once a run has ended", () =>
    Effect.gen(function* () {
      const at = yield* fleeting
      const now = yield* at.now
      const [id] = yield* at.add([{ expiresAt: now + 1000 }])
      const owner = yield* at.consumer()
      const first = yield* at.take(owner)
      yield* at.advance(1000)
      yield* equal(yield* expired(at), [], "while it is held")
      yield* at.settle(owner, first, release)
      yield* equal(yield* expired(at), [id!], "when it came back as it was")
      yield* at.settle(owner, yield* at.take(owner), { ...release, wire: wireOf(5, "put off") })
      yield* equal(yield* expired(at), [id!], "when it came back changed, and had not run")
      yield* at.settle(owner, yield* at.take(owner), { ...release, ran: true })
      yield* equal(yield* expired(at), [], "when it had run")
      yield* at.settle(owner, yield* at.take(owner), release)
      yield* equal(yield* expired(at), [], "when it came back unstarted from then on")
    })
  ),

  ...rules<BrokerServices, (typeof situations)[string]>(
    (title) => `end: as overdue, a message that is ${title}`,
    situations,
    ([bring, reply]) =>
      Effect.gen(function* () {
        const at = yield* fleeting
        const id = yield* bring(at, yield* at.now)
        yield* at.advance(1000)
        const before = yield* at.place(id)
        yield* equal(yield* at.end([id], { meant: "overdue" }), [reply], "the reply")
        yield* equal(yield* at.place(id), reply === "ended" ? undefined : before, "where it is then")
      })
  )
]
