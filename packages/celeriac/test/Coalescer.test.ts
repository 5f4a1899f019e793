import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Coalescer from "../src/internal/Coalescer.ts"

/** A call that is under way until the test answers it. */
interface Call {
  readonly batch: ReadonlyArray<number>
  readonly answer: Deferred.Deferred<ReadonlyArray<string>, string>
}

const resultOf = (item: number) => `result ${item}`

const succeed = (call: Call) => Deferred.succeed(call.answer, call.batch.map(resultOf))

type Options = Partial<Omit<Coalescer.Options<number, string, string, never>, "run">>

const fixture = Effect.fnUntraced(function* (options: Options = {}) {
  const it = yield* bare(options)
  // what the test leaves open must not hold up the end of its scope
  yield* Effect.addFinalizer(() => Effect.sync(it.refuseAll))
  return it
})

const bare = Effect.fnUntraced(function* (options: Options = {}) {
  const open: Array<Call["answer"]> = []
  let refusing = false
  const calls = yield* Queue.unbounded<Call>()
  const coalescer = yield* Coalescer.make<number, string, string>({
    maxBatch: 100,
    maxInFlight: 1,
    ...options,
    run: (batch) =>
      Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<ReadonlyArray<string>, string>()
        if (refusing) return Effect.fail("refused")
        Queue.offerUnsafe(calls, { batch, answer })
        open.push(answer)
        return Deferred.await(answer)
      })
  })
  const exits: Array<readonly [number, Exit.Exit<string, string>]> = []
  return {
    coalescer,
    next: Queue.take(calls),
    exits,
    refuseAll: () => {
      refusing = true
      for (const answer of open) Deferred.doneUnsafe(answer, Effect.fail("refused"))
    },
    put: (...items: ReadonlyArray<number>) =>
      items.forEach((item) => coalescer.submitUnsafe(item, (exit) => exits.push([item, exit]))),
    /** Asserts that no call is made that nobody asked for. */
    quiet: Effect.gen(function* () {
      yield* turns
      assert.strictEqual(yield* Queue.size(calls), 0, "no further call")
    })
  }
})

/** Long enough for whatever is on its way without an event from outside. */
const turns = Effect.repeat(Effect.yieldNow, { times: 20 })

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const succeeded = (items: ReadonlyArray<number>) => items.map((item) => [item, Exit.succeed(resultOf(item))] as const)

describe("batches", () => {
  it.effect("a burst is one call", () =>
    Effect.gen(function* () {
      const { coalescer, exits, next, put, quiet } = yield* fixture()
      const fibers = yield* Effect.forEach([4, 5], (item) => Effect.forkChild(coalescer.submit(item)))
      put(1, 2, 3)
      const call = yield* next
      assert.deepStrictEqual(call.batch, [1, 2, 3, 4, 5])
      yield* succeed(call)
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), ["result 4", "result 5"])
      assert.deepStrictEqual(exits, succeeded([1, 2, 3]))
      yield* quiet
    })
  )

  it.effect("eager: the first item goes at once, those of its turn go together", () =>
    Effect.gen(function* () {
      const { next, put } = yield* fixture({ eager: true, maxInFlight: 2 })
      put(1, 2, 3)
      const first = yield* next
      assert.deepStrictEqual(first.batch, [1])
      const second = yield* next
      assert.deepStrictEqual(second.batch, [2, 3])
      yield* succeed(first)
      // something is under way: it waits for others
      put(4, 5)
      assert.deepStrictEqual((yield* next).batch, [4, 5])
    })
  )

  it.effect("what comes while calls are under way goes together", () =>
    Effect.gen(function* () {
      const { next, put, quiet } = yield* fixture()
      put(1)
      const first = yield* next
      put(2)
      yield* turns
      put(3, 4)
      yield* quiet
      yield* succeed(first)
      const second = yield* next
      assert.deepStrictEqual([first.batch, second.batch], [[1], [2, 3, 4]])
    })
  )

  it.effect("maxInFlight calls at a time, which may end in any order", () =>
    Effect.gen(function* () {
      const { exits, next, put, quiet } = yield* fixture({ maxInFlight: 2 })
      put(1)
      const first = yield* next
      put(2)
      const second = yield* next
      put(3)
      yield* quiet
      yield* succeed(second)
      const third = yield* next
      assert.deepStrictEqual(third.batch, [3])
      assert.deepStrictEqual(exits, succeeded([2]))
      yield* succeed(first)
      yield* succeed(third)
      yield* turns
      assert.deepStrictEqual(exits, succeeded([2, 1, 3]))
    })
  )

  it.effect("maxBatch items at most, in their order", () =>
    Effect.gen(function* () {
      const { next, put } = yield* fixture({ maxBatch: 3, maxInFlight: 2 })
      put(...range(1, 8))
      const calls = [yield* next, yield* next]
      yield* Effect.forEach(calls, succeed)
      calls.push(yield* next)
      assert.deepStrictEqual(
        calls.map(({ batch }) => batch),
        [
          [1, 2, 3],
          [4, 5, 6],
          [7, 8]
        ]
      )
    })
  )

  const weights: ReadonlyArray<readonly [ReadonlyArray<number>, ReadonlyArray<ReadonlyArray<number>>]> = [
    [
      [4, 6, 1],
      [[4, 6], [1]]
    ],
    [
      [4, 7, 3, 1],
      [[4], [7, 3], [1]]
    ],
    [
      [11, 1, 99, 1],
      [[11], [1], [99], [1]]
    ],
    [
      [0, 0, 10, 0, 1],
      [[0, 0, 10, 0], [1]]
    ]
  ]
  it.effect.each(weights)("by weight: %j", ([items, batches]) =>
    Effect.gen(function* () {
      const { next, put, quiet } = yield* fixture({ maxBatch: 10, weigh: (item) => item })
      put(...items)
      for (const batch of batches) {
        const call = yield* next
        assert.deepStrictEqual(call.batch, batch)
        yield* succeed(call)
      }
      yield* quiet
    })
  )

  it.effect("calls that end at once need no stack and no clock", () =>
    Effect.gen(function* () {
      const batches: Array<number> = []
      const coalescer = yield* Coalescer.make({
        maxBatch: 1,
        maxInFlight: 1,
        run: (batch: ReadonlyArray<number>) => Effect.sync(() => (batches.push(batch.length), batch))
      })
      let sum = 0
      for (const item of range(1, 50_000)) {
        coalescer.submitUnsafe(item, (exit) => {
          if (Exit.isSuccess(exit)) sum += exit.value
        })
      }
      yield* coalescer.awaitIdle
      assert.strictEqual(sum, (50_000 * 50_001) / 2)
      assert.strictEqual(batches.length, 50_000)
    })
  )

  class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}

  it.effect("the call has the services of who made it", () =>
    Effect.gen(function* () {
      const coalescer = yield* Coalescer.make({
        maxBatch: 10,
        maxInFlight: 1,
        run: (batch: ReadonlyArray<number>) => Effect.map(Prefix, (prefix) => batch.map((item) => prefix + item))
      }).pipe(Effect.provideService(Prefix, "number "))
      assert.strictEqual(yield* coalescer.submit(1), "number 1")
    })
  )

  it.effect.prop(
    "every item gets its own result, once, whatever the batches",
    { seed: Schema.Int, count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 })) },
    ({ count, seed }) =>
      Effect.gen(function* () {
        const below = (max: number) => Random.nextIntBetween(0, max)
        const maxBatch = 1 + (yield* below(5))
        const maxInFlight = 1 + (yield* below(3))
        const sent: Array<number> = []
        let inFlight = 0
        const coalescer = yield* Coalescer.make({
          maxBatch,
          maxInFlight,
          maxWaiting: 1 + (yield* below(10)),
          run: Effect.fnUntraced(function* (batch: ReadonlyArray<number>) {
            sent.push(...batch)
            assert.isAtMost(batch.length, maxBatch)
            assert.isAtMost(++inFlight, maxInFlight)
            yield* Effect.repeat(Effect.yieldNow, { times: yield* below(4) })
            inFlight--
            return batch.map(resultOf)
          })
        })
        const fibers: Array<Fiber.Fiber<string>> = []
        for (const item of range(1, count)) {
          fibers.push(yield* Effect.forkChild(coalescer.submit(item)))
          yield* Effect.repeat(Effect.yieldNow, { times: yield* below(3) })
        }
        assert.deepStrictEqual(yield* Fiber.joinAll(fibers), range(1, count).map(resultOf))
        assert.deepStrictEqual(sent, range(1, count))
      }).pipe(Effect.scoped, Random.withSeed(seed))
  )
})

describe("failures", () => {
  it.effect("are those of each item of the call, and of no other", () =>
    Effect.gen(function* () {
      const { exits, next, put } = yield* fixture({ maxBatch: 2 })
      put(1, 2, 3)
      yield* Effect.flatMap(next, ({ answer }) => Deferred.fail(answer, "refused"))
      yield* Effect.flatMap(next, succeed)
      yield* turns
      assert.deepStrictEqual(exits, [[1, Exit.fail("refused")], [2, Exit.fail("refused")], ...succeeded([3])])
    })
  )

  const wrong: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["none", []],
    ["too few", ["a"]],
    ["too many", ["a", "b", "c"]]
  ]
  it.effect.each(wrong)("another number of results is a defect: %s", ([, results]) =>
    Effect.gen(function* () {
      const { exits, next, put } = yield* fixture()
      put(1, 2)
      yield* Effect.flatMap(next, ({ answer }) => Deferred.succeed(answer, results))
      yield* turns
      assert.deepStrictEqual(
        exits.map(([item]) => item),
        [1, 2]
      )
      for (const [, exit] of exits) {
        assert.isTrue(Exit.hasDies(exit))
        assert.match(
          String(Exit.isFailure(exit) && Cause.squash(exit.cause)),
          new RegExp(`2 items .* ${results.length} results`)
        )
      }
    })
  )

  const defects: ReadonlyArray<readonly [string, () => Effect.Effect<ReadonlyArray<string>>]> = [
    ["dies", () => Effect.die("boom")],
    [
      "throws",
      () => {
        throw new Error("boom")
      }
    ]
  ]
  it.effect.each(defects)("a call that %s is a defect, and others go on", ([, broken]) =>
    Effect.gen(function* () {
      const coalescer = yield* Coalescer.make({
        maxBatch: 1,
        maxInFlight: 1,
        run: (batch: ReadonlyArray<number>) => (batch[0] === 1 ? broken() : Effect.succeed(batch.map(resultOf)))
      })
      const exits = yield* Effect.all([Effect.exit(coalescer.submit(1)), Effect.exit(coalescer.submit(2))], {
        concurrency: 2
      })
      assert.isTrue(Exit.hasDies(exits[0]))
      assert.deepStrictEqual(exits[1], Exit.succeed("result 2"))
    })
  )

  it.effect("a callback that throws is logged, and the others are called", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ cause }) => logged.push(Cause.squash(cause)))
      const { coalescer, exits, next, put } = yield* fixture().pipe(Effect.provide(Logger.layer([logger])))
      const boom = new Error("boom")
      put(1)
      coalescer.submitUnsafe(2, () => {
        throw boom
      })
      put(3)
      yield* Effect.flatMap(next, succeed)
      yield* coalescer.awaitIdle
      assert.deepStrictEqual(exits, succeeded([1, 3]))
      assert.deepStrictEqual(logged, [boom])
    })
  )
})

describe("submitAll", () => {
  it.effect("gives the results in the order of the items, over several calls", () =>
    Effect.gen(function* () {
      const { coalescer, next } = yield* fixture({ maxBatch: 2, maxInFlight: 2 })
      const fiber = yield* Effect.forkChild(coalescer.submitAll(range(1, 4)))
      const [first, second] = [yield* next, yield* next]
      yield* succeed(second)
      yield* succeed(first)
      assert.deepStrictEqual(yield* Fiber.join(fiber), range(1, 4).map(resultOf))
    })
  )

  it.effect("ends when all have, with the failure of the first item that failed", () =>
    Effect.gen(function* () {
      const { coalescer, next } = yield* fixture({ maxBatch: 2, maxInFlight: 3 })
      const fiber = yield* Effect.forkChild(coalescer.submitAll(range(1, 6)))
      const [first, second, third] = [yield* next, yield* next, yield* next]
      yield* Deferred.fail(third.answer, "third")
      yield* Deferred.fail(second.answer, "second")
      yield* turns
      assert.isUndefined(fiber.pollUnsafe())
      yield* succeed(first)
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.fail("second"))
    })
  )

  it.effect("of nothing needs no call", () =>
    Effect.gen(function* () {
      const { coalescer, quiet } = yield* fixture()
      assert.deepStrictEqual(yield* coalescer.submitAll([]), [])
      yield* quiet
    })
  )
})

describe("interruption", () => {
  it.effect("takes back what is not sent, and nothing else", () =>
    Effect.gen(function* () {
      const { coalescer, next, quiet } = yield* fixture()
      const [one, two, three] = yield* Effect.all([
        Effect.forkChild(coalescer.submit(1)),
        Effect.forkChild(coalescer.submit(2)),
        Effect.forkChild(coalescer.submit(3))
      ])
      const first = yield* next
      const four = yield* Effect.forkChild(coalescer.submit(4))
      const five = yield* Effect.forkChild(coalescer.submitAll([5, 6]))
      const seven = yield* Effect.forkChild(coalescer.submit(7))
      yield* turns
      yield* Fiber.interruptAll([two, four, five])
      assert.strictEqual(coalescer.waitingUnsafe(), 1)
      yield* succeed(first)
      const second = yield* next
      assert.deepStrictEqual([first.batch, second.batch], [[1, 2, 3], [7]])
      yield* succeed(second)
      assert.deepStrictEqual(yield* Fiber.joinAll([one, three, seven]), [1, 3, 7].map(resultOf))
      yield* coalescer.awaitIdle
      yield* quiet
    })
  )
})

describe("back-pressure", () => {
  it.effect("lets items in, in their order, as others leave", () =>
    Effect.gen(function* () {
      const { coalescer, next } = yield* fixture({ maxBatch: 2, maxWaiting: 3 })
      const fibers = yield* Effect.forEach(range(1, 9), (item) => Effect.forkChild(coalescer.submit(item)))
      const batches: Array<ReadonlyArray<number>> = []
      for (let calls = 0; calls < 5; calls++) {
        const call = yield* next
        batches.push(call.batch)
        yield* succeed(call)
      }
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(batches, [[1, 2], [3, 4], [5, 6], [7, 8], [9]])
    })
  )

  it.effect("holds back by weight, but never an item that is alone", () =>
    Effect.gen(function* () {
      const { coalescer, next, put } = yield* fixture({ maxBatch: 100, maxWaiting: 10, weigh: (item) => item })
      put(1)
      const first = yield* next
      const fibers = yield* Effect.forEach([50, 2, 3], (item) => Effect.forkChild(coalescer.submit(item)))
      yield* turns
      assert.strictEqual(coalescer.waitingUnsafe(), 55)
      yield* succeed(first)
      const second = yield* next
      // 50 was let in because nothing waited, and 2 had to stay outside although the batch had room for it
      assert.deepStrictEqual(second.batch, [50])
      yield* succeed(second)
      const third = yield* next
      assert.deepStrictEqual(third.batch, [2, 3])
      yield* succeed(third)
      yield* Fiber.joinAll(fibers)
      assert.strictEqual(coalescer.waitingUnsafe(), 0)
    })
  )

  it.effect("nobody overtakes an item that waits outside", () =>
    Effect.gen(function* () {
      const { coalescer, next, put } = yield* fixture({ maxBatch: 100, maxWaiting: 10, weigh: (item) => item })
      put(1)
      const first = yield* next
      yield* Effect.forEach([5, 50, 2], (item) => Effect.forkChild(coalescer.submit(item)))
      yield* turns
      yield* succeed(first)
      const second = yield* next
      yield* succeed(second)
      assert.deepStrictEqual([second.batch, (yield* next).batch], [[5], [50]])
    })
  )

  it.effect("goes on when somebody outside or inside gives up", () =>
    Effect.gen(function* () {
      const { coalescer, next, put } = yield* fixture({ maxBatch: 1, maxWaiting: 1 })
      put(0)
      const first = yield* next
      const fibers = yield* Effect.forEach([1, 2, 3], (item) => Effect.forkChild(coalescer.submit(item)))
      yield* turns
      yield* Fiber.interruptAll(fibers.slice(0, 2))
      yield* succeed(first)
      const second = yield* next
      assert.deepStrictEqual(second.batch, [3])
    })
  )
})

describe("the end", () => {
  const closing = Effect.fnUntraced(function* (options: Options = {}) {
    const scope = yield* Scope.make()
    const it = yield* Effect.provideService(bare({ maxBatch: 1, maxWaiting: 1, ...options }), Scope.Scope, scope)
    it.put(1)
    const first = yield* it.next
    it.put(2)
    const outside = yield* Effect.forkChild(Effect.exit(it.coalescer.submit(3)))
    yield* turns
    const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void))
    yield* turns
    return { ...it, first, outside, closed }
  })

  it.effect("fails what is not sent, and waits for what is", () =>
    Effect.gen(function* () {
      const { closed, coalescer, exits, first, outside, quiet } = yield* closing({ closed: () => "closed" })
      assert.deepStrictEqual(exits, [[2, Exit.fail("closed")]])
      assert.deepStrictEqual(yield* Fiber.join(outside), Exit.fail("closed"))
      assert.isUndefined(closed.pollUnsafe())
      yield* succeed(first)
      yield* Fiber.join(closed)
      assert.deepStrictEqual(exits.slice(1), succeeded([1]))
      assert.deepStrictEqual(yield* Effect.exit(coalescer.submit(4)), Exit.fail("closed"))
      assert.deepStrictEqual(yield* Effect.exit(coalescer.submitAll([5, 6])), Exit.fail("closed"))
      yield* coalescer.awaitIdle
      yield* quiet
      assert.strictEqual(coalescer.waitingUnsafe(), 0)
    })
  )

  it.effect("is a defect, and no interruption, where no error is given", () =>
    Effect.gen(function* () {
      const { first, outside } = yield* closing()
      const exit = yield* Fiber.join(outside)
      assert.isTrue(Exit.hasDies(exit))
      assert.isFalse(Exit.hasInterrupts(exit))
      yield* succeed(first)
    })
  )

  it.effect("awaitIdle waits for what waits and what is under way", () =>
    Effect.gen(function* () {
      const { coalescer, next, put } = yield* fixture({ maxBatch: 1 })
      yield* coalescer.awaitIdle
      put(1, 2)
      const fiber = yield* Effect.forkChild(coalescer.awaitIdle)
      const first = yield* next
      yield* succeed(first)
      const second = yield* next
      yield* turns
      assert.isUndefined(fiber.pollUnsafe())
      yield* succeed(second)
      yield* Fiber.join(fiber)
    })
  )
})
