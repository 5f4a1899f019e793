/** Claims: order, times, limits, and who gets what. */
import * as Effect from "effect/Effect"
import type { Publication } from "../../Broker.ts"
import { equal } from "../internal/expect.ts"
import { bench, idsOf, release, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"

/** Sizes of the waiting messages, the limit, and how many of them a claim gives. */
const budgets: Record<string, readonly [sizes: ReadonlyArray<number>, bytes: number, given: number]> = {
  "at least one": [[50, 50], 1, 1],
  "the limit is reached exactly": [[10, 10, 10], 10, 1],
  "the limit is passed": [[10, 10, 10], 11, 2],
  "a large one at the end": [[10, 1000, 10], 20, 2],
  "a large one first": [[1000, 10], 20, 1],
  "room for all": [[10, 10, 10], 31, 3]
}

/** When a publication of now may be claimed, in milliseconds from now; 0: at once. */
const times: Record<string, readonly [when: (now: number) => Partial<Publication>, due: number]> = {
  "no delay": [() => ({}), 0],
  "a delay of 0": [() => ({ delay: 0 }), 0],
  "a delay": [() => ({ delay: 1500 }), 1500],
  "a time": [(now) => ({ at: now + 2500 }), 2500],
  "a time that is over": [(now) => ({ at: now - 1 }), 0],
  "a time and a delay": [(now) => ({ at: now + 700, delay: 5000 }), 700],
  "a time that is over, and a delay": [(now) => ({ at: now - 1, delay: 5000 }), 0]
}

export const claiming: ReadonlyArray<Case<BrokerServices>> = [
  rule("claim: a delivery is the message as it was published", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const wire = wireOf(5, '{"t":"x"}')
      const [id] = yield* at.add([{ wire }])
      const [delivery] = yield* at.take(yield* at.consumer())
      const { crashes, fence, ...rest } = delivery!
      yield* equal(rest, { id: id!, queue: at.queue, wire }, "the delivery")
      yield* equal(crashes, 0, "crashes")
      yield* equal(Number.isSafeInteger(fence), true, "whether the fence is a whole number")
    })
  ),

  rule("claim: an empty queue gives nothing", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const { deliveries, dueIn, suspect } = yield* at.claim(yield* at.consumer(), 5)
      yield* equal({ deliveries, dueIn, suspect }, { deliveries: [], dueIn: undefined, suspect: false }, "the claim")
    })
  ),

  rule("order: priority 9 first, 0 last", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const priorities = [3, 9, 0, 5, 7, 1, 8, 2, 6, 4]
      const ids = yield* at.add(priorities.map((priority) => ({ wire: wireOf(priority) })))
      const expected = priorities.map((_, index) => ids[priorities.indexOf(9 - index)]!)
      yield* equal(yield* at.takeAll(yield* at.consumer()), expected, "ids in the order of the claims")
    })
  ),

  rule("order: within a priority the oldest first, over batches and claims", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const batches = yield* Effect.forEach([3, 1, 5, 2], (count) => at.add(count))
      const owner = yield* at.consumer()
      const claims = yield* Effect.forEach([2, 1, 4, 9], (count) => at.take(owner, count))
      yield* equal(claims.flatMap(idsOf), batches.flat(), "ids in the order of the claims")
    })
  ),

  rule("order: a higher priority overtakes what waits, and not what is held", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [a, b] = yield* at.add(2)
      const owner = yield* at.consumer()
      yield* equal(idsOf(yield* at.take(owner)), [a!], "the first claim")
      const [high] = yield* at.add([{ wire: wireOf(9) }])
      yield* equal(yield* at.takeAll(owner), [high!, b!], "the claims after it")
    })
  ),

  ...rules<BrokerServices, (typeof times)[string]>(
    (title) => `time: ${title}`,
    times,
    ([when, due]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const owner = yield* at.consumer()
        const now = yield* at.now
        const [id] = yield* at.add([when(now)])
        if (due > 0) {
          yield* at.hasCounts({ scheduled: 1 }, "the message")
          yield* at.advance(due - 1)
          yield* equal(yield* at.takeAll(owner), [], "a claim before its time")
          yield* at.advance(1)
        }
        yield* equal(yield* at.takeAll(owner), [id!], "a claim when its time has come")
      })
  ),

  rule("time: scheduled messages come in the order of their times, and by priority among those that are due", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const delays = [300, 100, 500, 200, 400]
      const ids = yield* at.add(delays.map((delay) => ({ delay })))
      const owner = yield* at.consumer()
      yield* at.advance(300)
      yield* equal(
        yield* at.takeAll(owner),
        [1, 3, 0].map((index) => ids[index]!),
        "what is due first"
      )
      const [high] = yield* at.add([{ delay: 200, wire: wireOf(9) }])
      const [low] = yield* at.add([{ wire: wireOf(1) }])
      yield* at.advance(200)
      yield* equal(yield* at.takeAll(owner), [high!, ids[4]!, ids[2]!, low!], "what is due then")
    })
  ),

  rule("time: of the same due time, in the order of their publishing", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const now = yield* at.now
      const ids = yield* at.add(Array.from({ length: 20 }, () => ({ at: now + 100 })))
      yield* at.advance(100)
      yield* equal(yield* at.takeAll(yield* at.consumer()), ids, "ids in the order of the claims")
    })
  ),

  rule("time: many messages that fall due together are all given", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(Array.from({ length: 2500 }, () => ({ delay: 100 })))
      yield* at.advance(100)
      const given = yield* at.takeAll(yield* at.consumer())
      yield* equal(given.length, ids.length, "how many were given")
      yield* at.hasCounts({ active: ids.length }, "the messages")
    })
  ),

  rule("claim: at most as many as asked for", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(10)
      const owner = yield* at.consumer()
      const sizes = yield* Effect.forEach([3, 0, 1, 9], (count) =>
        Effect.map(at.take(owner, count), (deliveries) => deliveries.length)
      )
      yield* equal(sizes, [3, 0, 1, 6], "how many each claim gives")
    })
  ),

  ...rules<BrokerServices, (typeof budgets)[string]>(
    (title) => `claim: no further message once the bytes are reached: ${title}`,
    budgets,
    ([sizes, bytes, given]) =>
      Effect.gen(function* () {
        const at = yield* bench
        const ids = yield* at.add(sizes.map((size) => ({ wire: wireOf(5).padEnd(size, "x") })))
        const { deliveries } = yield* at.claim(yield* at.consumer(), 9, { bytes })
        yield* equal(idsOf(deliveries), ids.slice(0, given), "what the claim gives")
      })
  ),

  rule("claim: each message is given to one consumer", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(200)
      const owners = yield* Effect.forEach([1, 2, 3, 4, 5], () => at.consumer())
      const given = yield* Effect.forEach(
        owners,
        (owner) =>
          Effect.gen(function* () {
            const mine: Array<string> = []
            for (;;) {
              const deliveries = yield* at.take(owner, 7)
              if (deliveries.length === 0) return mine
              mine.push(...idsOf(deliveries))
            }
          }),
        { concurrency: "unbounded" }
      )
      yield* equal(given.flat().toSorted(), ids.toSorted(), "what all of them got")
    })
  ),

  rule("claim: the fence grows with every delivery of a message, whoever gets it", () =>
    Effect.gen(function* () {
      const at = yield* bench
      yield* at.add(1)
      const [first, second] = [yield* at.consumer(), yield* at.consumer()]
      const fences: Array<number> = []
      for (const owner of [first, first, second, first]) {
        const deliveries = yield* at.take(owner)
        fences.push(...deliveries.map(({ fence }) => fence))
        yield* at.settle(owner, deliveries, release)
      }
      yield* equal(fences.length, 4, "deliveries")
      yield* equal(
        fences.every((fence, index) => index === 0 || fence > fences[index - 1]!),
        true,
        `whether [${fences.join(", ")}] grows`
      )
    })
  ),

  rule("claim: of a consumer with several queues, from the one that is named", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const other = yield* at.fresh("other")
      const owner = yield* at.consumer({ queues: [at.queue, other] })
      const [here] = yield* at.add(1)
      const [there] = yield* at.add([{ queue: other }])
      const { deliveries } = yield* at.claim(owner, 9, { queue: other })
      yield* equal(idsOf(deliveries), [there!], "what the other queue gives")
      yield* equal(idsOf(yield* at.take(owner, 9)), [here!], "what this queue gives")
    })
  )
]
