/** The messages of a worker that died. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Broker } from "../src/Broker.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import { counts, cut, enqueue, type Handler, leased, range } from "./fixture.job.ts"
import { elapsed, errorOf, exitWithin, pass, stores, turns, within, world } from "./fixture.ts"

describe.each(stores)("G5: the messages of a dead worker: $store", ({ layer }) => {
  it.effect.each([1, 3, 30])(
    "are back within the lease of %i s and 1 s, at the head of their queue, in order",
    (seconds) =>
      world(layer, (world) =>
        Effect.gen(function* () {
          const lease = `${seconds} seconds` as const
          yield* enqueue(range(6))
          yield* leased("a", () => Effect.never, { concurrency: 3, prefetch: 0, visibilityTimeout: lease })
          yield* pass(`${seconds * 2} seconds`, "250 millis")
          const order: Array<readonly [n: number, deliveries: number, attempt: number]> = []
          cut(world, "a")
          const from = yield* elapsed
          let firstAt = Number.NaN
          yield* leased(
            "b",
            (n, { attempt, deliveries }) =>
              Effect.gen(function* () {
                if (deliveries > 1 && Number.isNaN(firstAt)) firstAt = yield* elapsed
                order.push([n, deliveries, attempt])
                return n
              }),
            { concurrency: 1, prefetch: 0, visibilityTimeout: lease, queues: ["default"] }
          )
          yield* pass(`${seconds + 1} seconds`, "50 millis")
          yield* turns
          assert.deepStrictEqual(
            order.filter(([, deliveries]) => deliveries > 1),
            [
              [0, 2, 1],
              [1, 2, 1],
              [2, 2, 1]
            ]
          )
          assert.isAtMost(firstAt - from, seconds * 1000 + 1000)
        })
      )
  )

  it.effect("come before what was enqueued after them", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        yield* leased("a", () => Effect.never, { concurrency: 2 })
        yield* enqueue(range(2))
        yield* turns
        cut(world, "a")
        yield* enqueue([10, 11])
        const order: Array<number> = []
        // it is busy with the first until the others are back
        yield* leased(
          "b",
          (n) =>
            Effect.suspend(
              () => (order.push(n), n === 10 ? Effect.delay(Effect.succeed(n), "6 seconds") : Effect.succeed(n))
            ),
          { concurrency: 1, prefetch: 0 }
        )
        yield* pass("10 seconds")
        assert.deepStrictEqual(order, [10, 0, 1, 11])
      })
    )
  )

  it.effect("a message that its workers die of is dead beyond maxDeliveries, and takes nobody with it", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        let deliveries: Array<number> = []
        const names: Array<string> = []
        const handler: Handler = (n, context) =>
          n === 0
            ? Effect.suspend(() => {
                deliveries.push(context.deliveries)
                return Effect.never
              })
            : Effect.succeed(n)
        const [poison] = yield* enqueue([0])
        for (let crash = 0; crash < 5; crash++) {
          const name = `w${crash}`
          names.push(name)
          yield* leased(name, handler)
          yield* pass("6 seconds")
          assert.strictEqual(deliveries.length, crash + 1, `after ${crash} crashes`)
          cut(world, ...names)
        }
        yield* leased("last", handler)
        const error = errorOf(yield* exitWithin("10 seconds", poison!.await))
        assert.instanceOf(error, TaskEnded)
        assert.strictEqual(error.reason._tag, "TooManyDeliveries")
        assert.deepStrictEqual(deliveries, [1, 2, 3, 4, 5])
        const broker = yield* Broker
        assert.strictEqual((yield* broker.deadLetters("default", { limit: 9 })).length, 1)
        assert.deepStrictEqual(yield* poison!.state, Option.some("dead"))
        deliveries = []
        yield* pass("10 seconds", "1 second")
        assert.deepStrictEqual(deliveries, [])
      })
    )
  )

  it.effect("after two crashes a message is claimed alone", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const running = new Set<number>()
        const together: Array<ReadonlyArray<number>> = []
        const handler: Handler = (n, { deliveries }) =>
          Effect.suspend(() => {
            running.add(n)
            if (deliveries > 2) together.push(Array.from(running))
            return Effect.ensuring(
              n === 0 && deliveries <= 2
                ? Effect.never
                : Effect.delay(Effect.succeed(n), n === 200 ? "5 seconds" : 100),
              Effect.sync(() => {
                if (deliveries > 2) together.push(Array.from(running))
                running.delete(n)
              })
            )
          })
        const [poison] = yield* enqueue([0])
        yield* leased("a", handler)
        yield* turns
        cut(world, "a")
        yield* leased("b", handler)
        yield* pass("5 seconds")
        cut(world, "a", "b")
        running.clear()
        // it is busy when the message comes back a second time, and has more to do
        yield* leased("c", handler)
        const others = yield* enqueue(range(100, 101).toReversed())
        while (together.length === 0) yield* pass("50 millis")
        const late = yield* enqueue([300, 301])
        assert.strictEqual(yield* within("10 seconds", poison!.await), 0)
        assert.deepStrictEqual(together, [[0], [0]], "at its start and at its end")
        yield* within(
          "10 seconds",
          Effect.forEach([...others, ...late], (handle) => handle.await)
        )
      })
    )
  )

  it.effect("a crash between the record and the settle: the handler does not run again", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        let runs = 0
        const handler: Handler = (n) => Effect.sync(() => (runs++, n))
        world.wire.fate = ({ step }) => (step === "settle" ? "refused" : "carried out")
        yield* leased("a", handler)
        const [handle] = yield* enqueue([0])
        yield* pass("1 second")
        cut(world, "a")
        yield* leased("b", handler)
        yield* pass("6 seconds")
        assert.strictEqual(yield* within("6 seconds", handle!.await), 0)
        assert.strictEqual(runs, layer === stores[0].layer ? 2 : 1, "on one store record and settle are one step")
        assert.deepInclude(yield* counts(), { active: 0, queued: 0 })
      })
    )
  )

  it.effect("a crash between the record of a failure and the settle: the dead letter is written all the same", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const handler: Handler = () => Effect.die("no")
        world.wire.fate = ({ step }) => (step === "settle" ? "refused" : "carried out")
        yield* leased("a", handler)
        const [handle] = yield* enqueue([0])
        yield* pass("1 second")
        cut(world, "a")
        yield* leased("b", handler)
        yield* pass("6 seconds")
        assert.deepStrictEqual(yield* handle!.state, Option.some("failed"))
        const broker = yield* Broker
        const letters = yield* broker.deadLetters("default", { limit: 9 })
        assert.deepStrictEqual(
          letters.map(({ id }) => id),
          [handle!.id]
        )
      })
    )
  )

  it.effect("the results are away when a message comes back: it waits for them, and its slot is not lost", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        let runs = 0
        const handler: Handler = (n) => Effect.suspend(() => (++runs === 1 ? Effect.never : Effect.succeed(n)))
        const [handle] = yield* enqueue([0])
        yield* leased("a", handler)
        yield* turns
        world.wire.fate = ({ connection, step }) =>
          connection.startsWith("a-") || step === "read" ? "refused" : "carried out"
        yield* leased("b", handler, { concurrency: 1 })
        yield* pass("20 seconds")
        cut(world, "a")
        assert.strictEqual(yield* within("10 seconds", handle!.await), 0)
        assert.strictEqual(runs, 2)
      })
    )
  )
})

describe("on two stores", () => {
  it.effect("a worker that stops while it looks for the record settles the message once", () =>
    world(stores[1].layer, (world) =>
      Effect.gen(function* () {
        const { lines, wire } = world
        wire.fate = ({ step }) => (step === "settle" ? "refused" : "carried out")
        yield* leased("a", Effect.succeed)
        const [handle] = yield* enqueue([0])
        yield* pass("1 second")
        cut(world, "a")
        wire.latency = ({ connection, step }) =>
          step === "read" ? "1 second" : step === "settle" && connection.startsWith("b-") ? "1200 millis" : undefined
        const { stop } = yield* leased("b", Effect.succeed, { drainLimit: 0, grace: "1500 millis" })
        const claimed = () => lines.some(({ text }) => text.includes("gave back 1 message"))
        while (!claimed()) yield* pass(50, 50)
        yield* pass(100, 50)
        yield* within("5 seconds", stop)
        assert.strictEqual(lines.at(-1)?.text, "worker b has stopped")
        wire.mend()
        assert.strictEqual(yield* within("5 seconds", handle!.await), 0)
        const settles = wire.calls.filter(({ connection, step }) => step === "settle" && connection.startsWith("b-"))
        assert.strictEqual(settles.length, 1)
      })
    )
  )
})
