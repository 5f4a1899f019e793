/** Messages that crash their workers: given to one consumer, alone. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { equal } from "../internal/expect.ts"
import { type Bench, bench, idsOf, leaving, release } from "./Bench.ts"
import { type BrokerServices, type Case, rule } from "./Case.ts"

type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, BrokerServices | Scope>

/** Lets two workers die with the message, so that it is a suspect. */
const makeSuspect = (at: Bench): Step<string> =>
  Effect.gen(function* () {
    const [id] = yield* at.add(1)
    const peer = yield* at.consumer()
    for (const crashes of [0, 1]) {
      const owner = yield* at.consumer()
      const deliveries = yield* at.take(owner)
      yield* equal(
        deliveries.map((delivery) => [delivery.id, delivery.crashes]),
        [[id!, crashes]],
        "a delivery"
      )
      yield* equal(yield* at.crash(owner, peer), 1, "how many came back")
    }
    return id!
  })

export const suspecting: ReadonlyArray<Case<BrokerServices>> = [
  rule("suspect: a message that crashed two workers is given alone, and to one consumer", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const id = yield* makeSuspect(at)
      const [other] = yield* at.add(1)
      const first = yield* at.consumer()
      const second = yield* at.consumer()
      const claims = [yield* at.claim(first, 9), yield* at.claim(second, 9)]
      yield* equal(
        claims.map(({ deliveries }) => idsOf(deliveries)),
        [[other!], []],
        "what ordinary claims give"
      )
      yield* equal(
        claims.map(({ suspect }) => suspect),
        [true, false],
        "who is told of the suspect"
      )
      const alone = yield* at.claim(first, 1, { alone: true })
      yield* equal(
        alone.deliveries.map((delivery) => [delivery.id, delivery.crashes]),
        [[id, 2]],
        "what the claim alone gives"
      )
      yield* equal((yield* at.claim(second, 9)).suspect, false, "whether another one is told then")
      yield* equal(yield* at.settle(first, alone.deliveries), ["settled"], "the reply to its settle")
    })
  ),

  rule("suspect: nothing to be claimed alone gives nothing, and no other work", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(2)
      const { deliveries, suspect } = yield* at.claim(yield* at.consumer(), 1, { alone: true })
      yield* equal({ deliveries, suspect }, { deliveries: [], suspect: false }, "the claim")
    })
  ),

  rule("suspect: who is told of one, or claims alone, does not count as idle until an ordinary claim", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* makeSuspect(at)
      const one = yield* at.idle(9)
      yield* at.add(1)
      yield* one.wakes.hears([], "pushes to one that was told of a suspect")
      const alone = yield* at.claim(one.consumer, 1, { alone: true })
      yield* equal(alone.deliveries.length, 1, "how many the claim alone gives")
      yield* at.add(1)
      yield* one.wakes.hears([], "pushes to one that claimed alone")
      yield* equal((yield* at.take(one.consumer, 9)).length, 2, "how many an ordinary claim gives")
      yield* at.add(1)
      yield* one.wakes.hears([at.queue], "pushes to one that is idle")
    })
  ),

  rule("suspect: a released suspect stays one", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const id = yield* makeSuspect(at)
      const owner = yield* at.consumer()
      yield* equal((yield* at.claim(owner, 9)).suspect, true, "whether it is told")
      const { deliveries } = yield* at.claim(owner, 1, { alone: true })
      yield* at.settle(owner, deliveries, release)
      const claim = yield* at.claim(owner, 9)
      yield* equal([claim.deliveries.length, claim.suspect], [0, true], "an ordinary claim")
      yield* equal(idsOf((yield* at.claim(owner, 1, { alone: true })).deliveries), [id], "a claim alone")
    })
  ),

  rule("suspect: when the one who was told leaves, another is told", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* makeSuspect(at)
      const { leave, within } = yield* leaving
      const told = yield* within(at.consumer())
      yield* equal((yield* at.claim(told, 9)).suspect, true, "whether the first is told")
      const other = yield* at.consumer()
      yield* equal((yield* at.claim(other, 9)).suspect, false, "whether the second is told meanwhile")
      yield* leave
      yield* equal((yield* at.claim(other, 9)).suspect, true, "whether the second is told then")
    })
  ),

  rule("suspect: when the one who was told cannot take it, another is told", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const id = yield* makeSuspect(at)
      const told = yield* at.consumer()
      yield* equal((yield* at.claim(told, 9)).suspect, true, "whether the first is told")
      const other = yield* at.consumer()
      yield* equal((yield* at.claim(other, 9)).suspect, false, "whether the second is told meanwhile")
      yield* equal((yield* at.claim(told, 0, { alone: true })).deliveries, [], "a claim of none, alone")
      yield* equal((yield* at.claim(other, 9)).suspect, true, "whether the second is told then")
      yield* equal(idsOf((yield* at.claim(other, 1, { alone: true })).deliveries), [id], "a claim alone")
    })
  ),

  rule("suspect: counts as queued", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const id = yield* makeSuspect(at)
      yield* at.hasCounts({ queued: 1 }, "the messages")
      yield* equal(yield* at.place(id), "queued", "where it is")
      yield* equal(yield* at.end([id]), ["ended"], "the reply to its end")
      yield* equal((yield* at.claim(yield* at.consumer(), 9)).suspect, false, "whether somebody is told of it then")
    })
  )
]
