/** Goodbyes: what comes back of a consumer that leaves, and what counts as a crash then. */
import * as Effect from "effect/Effect"
import { equal } from "../internal/expect.ts"
import { bench, leaving, requeue } from "./Bench.ts"
import { type BrokerServices, type Case, rule } from "./Case.ts"

export const closing: ReadonlyArray<Case<BrokerServices>> = [
  rule("close: what a consumer knew of goes back to the head, in the order of its claims, and counts a crash", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [settled, released, ...ids] = yield* at.add(5)
      const { leave, within } = yield* leaving
      const owner = yield* within(at.consumer())
      const held = yield* at.take(owner, 5)
      yield* at.settle(owner, held.slice(0, 1))
      const [waiting] = yield* at.add(1)
      yield* at.settle(owner, held.slice(1, 2), requeue)
      yield* equal(yield* at.place(settled!), undefined, "where the settled one is")
      yield* leave
      const deliveries = yield* at.take(yield* at.consumer(), 9)
      yield* equal(
        deliveries.map(({ crashes, id }) => [id, crashes]),
        [...ids.map((id) => [id, 1]), [waiting!, 0], [released!, 0]],
        "ids and crashes in the order of the claims"
      )
    })
  ),

  rule("close: what a consumer did not lose in a reconciliation, or found in one, counts a crash as well", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const ids = yield* at.add(2)
      const { leave, within } = yield* leaving
      const owner = yield* within(at.consumer())
      const [kept] = yield* at.take(owner, 2)
      yield* owner.reconcile([kept!])
      yield* leave
      const deliveries = yield* at.take(yield* at.consumer(), 9)
      yield* equal(
        deliveries.map(({ crashes, id }) => [id, crashes]),
        ids.map((id) => [id, 1]),
        "ids and crashes"
      )
    })
  ),

  rule("close: what crashes by it for the second time is a suspect", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const [id] = yield* at.add(1)
      for (let turn = 0; turn < 2; turn++) {
        const { leave, within } = yield* leaving
        yield* at.take(yield* within(at.consumer()))
        yield* leave
      }
      const owner = yield* at.consumer()
      yield* equal(yield* at.take(owner), [], "what an ordinary claim gets")
      const { deliveries } = yield* at.claim(owner, 1, { alone: true })
      yield* equal(
        deliveries.map(({ crashes, id }) => [id, crashes]),
        [[id!, 2]],
        "what it gets alone"
      )
    })
  )
]
