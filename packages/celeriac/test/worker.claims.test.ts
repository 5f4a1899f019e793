/** Which message a worker takes next, and how many it holds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Priority } from "../src/Defaults.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { counts, enqueue, Job, range, worker } from "./fixture.job.ts"
import { gates, pass, run, started, turns, within } from "./fixture.ts"

describe("G15: order", () => {
  it.effect("first in, first out", () =>
    run(() =>
      Effect.gen(function* () {
        const order: Array<number> = []
        yield* enqueue(range(500))
        yield* worker((n) => Effect.sync(() => void order.push(n)), { concurrency: 1 })
        yield* turns
        yield* enqueue(range(500, 500))
        yield* pass("1 second")
        assert.deepStrictEqual(order, range(1000))
      })
    )
  )

  it.effect("9 before 0, and first in first out within a priority", () =>
    run(() =>
      Effect.gen(function* () {
        const order: Array<number> = []
        const priorities: ReadonlyArray<Priority> = [5, 0, 9, 3, 9, 0, 5, 7]
        for (const [n, priority] of priorities.entries()) yield* enqueue([n], { priority })
        yield* worker((n) => Effect.sync(() => void order.push(n)), { concurrency: 1 })
        yield* turns
        assert.deepStrictEqual(order, [2, 4, 7, 0, 6, 3, 1, 5])
      })
    )
  )

  it.effect("a message of a higher priority overtakes those that wait in the broker", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, release, releaseAll } = gates()
        yield* enqueue(range(5))
        yield* worker(handler, { concurrency: 1, prefetch: 0 })
        yield* enqueue([100], { priority: 9 })
        release(0)
        yield* turns
        assert.deepStrictEqual(order, [0, 100])
        for (let round = 0; round < 6; round++) {
          releaseAll()
          yield* turns
        }
        assert.deepStrictEqual(order, [0, 100, 1, 2, 3, 4])
      })
    )
  )

  it.effect("scheduled messages come in the order in which they fall due", () =>
    run(() =>
      Effect.gen(function* () {
        const order: Array<number> = []
        yield* worker((n) => Effect.sync(() => void order.push(n)), { concurrency: 1 })
        for (const n of [30, 10, 20, 40]) yield* enqueue([n], { delay: n * 1000 })
        yield* enqueue([0])
        yield* pass("1 minute")
        assert.deepStrictEqual(order, [0, 10, 20, 30, 40])
      })
    )
  )
})

describe("queues", () => {
  it.effect("in strict order: a later one when those before it are empty", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, releaseAll } = gates()
        yield* enqueue(range(3), { queue: "low" })
        yield* enqueue(range(3, 10), { queue: "high" })
        yield* worker(handler, { queues: ["high", "low"], concurrency: 1, prefetch: 0 })
        yield* enqueue([13], { queue: "high" })
        for (let round = 0; round < 5; round++) {
          releaseAll()
          yield* turns
          if (order.length === 5) yield* enqueue([14], { queue: "high" })
        }
        releaseAll()
        yield* turns
        releaseAll()
        yield* turns
        releaseAll()
        yield* turns
        assert.deepStrictEqual(order, [10, 11, 12, 13, 0, 14, 1, 2])
      })
    )
  )

  it.effect("by weight, while both wait", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, releaseAll } = gates()
        yield* enqueue(range(100), { queue: "mail" })
        yield* enqueue(range(100, 1000), { queue: "reports" })
        yield* worker(handler, { queues: { mail: 3, reports: 1 }, concurrency: 1, prefetch: 0 })
        for (let round = 0; round < 40; round++) {
          yield* turns
          releaseAll()
        }
        yield* turns
        const mails = order.slice(0, 40).filter((n) => n < 1000).length
        assert(mails >= 28 && mails <= 32, `${mails} mails of 40`)
        for (let at = 0; at + 8 <= 40; at += 4) {
          const reports = order.slice(at, at + 8).filter((n) => n >= 1000).length
          assert(reports >= 1 && reports <= 3, `evenly: ${order.slice(at, at + 8).join(" ")}`)
        }
        while (order.length < 200) {
          releaseAll()
          yield* turns
        }
        releaseAll()
      })
    )
  )

  it.effect("a queue that was empty for long has no claim to what it missed", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, releaseAll } = gates()
        yield* worker(handler, { queues: { mail: 1, reports: 1 }, concurrency: 1, prefetch: 0 })
        yield* enqueue(range(60), { queue: "mail" })
        while (order.length < 40) {
          releaseAll()
          yield* turns
        }
        yield* enqueue(range(60, 1000), { queue: "reports" })
        while (order.length < 60) {
          releaseAll()
          yield* turns
        }
        const mails = order.slice(40).filter((n) => n < 1000).length
        assert(mails >= 8, `${mails} mails among the 20 after the reports came`)
        while (order.length < 120) {
          releaseAll()
          yield* turns
        }
        releaseAll()
      })
    )
  )

  it.effect("of a worker are those that its tasks name", () =>
    run(() =>
      Effect.gen(function* () {
        class Far extends Task.make("far", { queue: "far" }) {}
        const seen: Array<string> = []
        yield* started(
          Worker.layer({ tasks: [Job, Far] }).pipe(
            Layer.provide(Job.toLayer(({ n }, { queue }) => Effect.sync(() => (seen.push(queue), n)))),
            Layer.provide(Far.toLayer((_, { queue }) => Effect.sync(() => void seen.push(queue))))
          )
        )
        yield* enqueue([1])
        yield* Far.enqueue()
        yield* enqueue([1], { queue: "elsewhere" })
        yield* pass("5 seconds", "1 second")
        assert.deepStrictEqual(seen.toSorted(), ["default", "far"])
        assert.strictEqual((yield* counts("elsewhere")).queued, 1)
      })
    )
  )

  it.effect("the same id in two queues is two messages", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, release } = gates()
        yield* worker(handler, { queues: ["a", "b"] })
        const first = yield* Job.enqueue({ n: 1 }, { id: "x", queue: "a" })
        const second = yield* Job.enqueue({ n: 2 }, { id: "x", queue: "b" })
        yield* turns
        assert.isTrue(yield* first.revoke())
        yield* turns
        release(2)
        yield* within("1 second", second.await)
      })
    )
  )
})

describe("how many", () => {
  it.effect.each([1, 2, 7, 20])("never more than %i at a time", (concurrency) =>
    run(() =>
      Effect.gen(function* () {
        const { handler, most, order, releaseAll, running } = gates()
        yield* worker(handler, { concurrency })
        yield* enqueue(range(3 * concurrency + 1))
        yield* turns
        assert.strictEqual(running(), concurrency, "all slots are used")
        while (order.length < 3 * concurrency + 1) {
          releaseAll()
          yield* turns
          assert.isAtMost(running(), concurrency)
        }
        releaseAll()
        yield* turns
        assert.strictEqual(most(), concurrency)
        assert.strictEqual(running(), 0)
      })
    )
  )

  it.effect.each([0, 3, 50])("prefetch %i: so many more are held", (prefetch) =>
    run(() =>
      Effect.gen(function* () {
        const { handler, releaseAll, running } = gates()
        yield* enqueue(range(200))
        yield* worker(handler, { concurrency: 4, prefetch })
        yield* pass("2 seconds")
        assert.strictEqual(running(), 4)
        assert.strictEqual((yield* counts()).active, 4 + prefetch)
        for (let round = 0; round < 60; round++) {
          releaseAll()
          yield* turns
        }
      })
    )
  )

  it.effect("prefetch auto: nothing ahead of slow tasks, much ahead of quick ones", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const { handler, releaseAll } = gates()
        yield* enqueue(range(50))
        const slow = yield* worker(handler, { concurrency: 2 })
        yield* pass("2 seconds")
        assert.strictEqual((yield* counts()).active, 2)
        for (let round = 0; round < 30; round++) {
          releaseAll()
          yield* turns
        }
        yield* slow.stop
        yield* worker(() => Effect.sleep("1 millis"), { concurrency: 10 })
        yield* enqueue(range(5000))
        const before = wire.count("claim")
        yield* pass("700 millis", "5 millis")
        assert.strictEqual((yield* counts()).queued, 0)
        assert.isBelow(wire.count("claim") - before, 400, "5 000 messages in large claims")
      })
    )
  )

  it.effect("a claim takes a megabyte at most, and one message, however large the budget is", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const { handler, releaseAll } = gates()
        yield* enqueue(range(12), { headers: { ballast: "x".repeat(300_000) } })
        wire.latency = ({ step }) => (step === "claim" ? "1 second" : undefined)
        yield* worker(handler, { concurrency: 12, prefetch: 0 })
        const held: Array<number> = []
        for (let claims = 1; claims <= 3; claims++) {
          yield* pass("1 second")
          held.push((yield* counts()).active)
        }
        assert.deepStrictEqual(held, [4, 8, 12])
        releaseAll()
        yield* turns
      })
    )
  )

  it.effect("a claim takes 200 at most, however many slots are free", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const { handler, releaseAll } = gates()
        yield* enqueue(range(500))
        wire.latency = ({ step }) => (step === "claim" ? "1 second" : undefined)
        yield* worker(handler, { concurrency: 500, prefetch: 0 })
        const held: Array<number> = []
        for (let claims = 1; claims <= 3; claims++) {
          yield* pass("1 second")
          assert.strictEqual(wire.count("claim"), claims)
          held.push((yield* counts()).active)
        }
        assert.deepStrictEqual(held, [200, 400, 500])
        releaseAll()
        yield* turns
      })
    )
  )

  it.effect("bytes: no more are held than the budget, one message apart", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, releaseAll } = gates()
        const text = "x".repeat(1000)
        yield* Job.enqueueAll(range(30).map((n) => ({ n, text })))
        yield* worker(handler, { concurrency: 20, prefetch: 10, maxBytes: 5000 })
        yield* pass("2 seconds")
        const { active } = yield* counts()
        assert(active === 5 || active === 4, `${active} are held`)
        while (order.length < 30) {
          releaseAll()
          yield* turns
          assert.isAtMost((yield* counts()).active, 5)
        }
        releaseAll()
      })
    )
  )

  it.effect(
    "a queue that gives nothing while all else is well is told once, and again after it has given something",
    () =>
      run(({ wire, warnings }) =>
        Effect.gen(function* () {
          const told = () => warnings().filter((line) => line.startsWith("nothing can be claimed"))
          yield* worker(() => Effect.void)
          const broken = () => {
            wire.fate = ({ step }) => (step === "claim" ? "refused" : "carried out")
          }
          broken()
          yield* pass("9 seconds")
          assert.deepStrictEqual(told(), [])
          yield* pass("20 seconds")
          assert.lengthOf(told(), 1)
          assert.include(told()[0], 'queue "default"')
          wire.mend()
          yield* pass("1 second")
          broken()
          yield* pass("20 seconds")
          assert.lengthOf(told(), 2)
        })
      )
  )

  it.effect("bytes: a message that is larger than the budget runs all the same", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, releaseAll } = gates()
        yield* Job.enqueueAll(range(3).map((n) => ({ n, text: "x".repeat(10_000) })))
        yield* worker(handler, { maxBytes: 1 })
        for (let round = 0; round < 5; round++) {
          assert.isAtMost((yield* counts()).active, 1)
          releaseAll()
          yield* turns
        }
        assert.deepStrictEqual(order, [0, 1, 2])
      })
    )
  )
})
