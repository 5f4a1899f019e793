/** Leases: who may run a message, and what becomes of the messages of a worker that is gone. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import { Client, type EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import type { Info } from "../src/TaskContext.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, errorOf, exitWithin, pass, started, stores, turns, within, world, type World } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}

type Handler = (n: number, context: Info) => Effect.Effect<number>

const worker = (name: string, handler: Handler, options?: Partial<Worker.Options>) =>
  started(
    Worker.layer({ tasks: [Job], name, visibilityTimeout: "3 seconds", ...options }).pipe(
      Layer.provide(Job.toLayer(({ n }, context) => handler(n, context)))
    )
  )

const enqueue = (count: number, options?: Omit<EnqueueOptions, "id">) =>
  Job.enqueueAll(
    Array.from({ length: count }, (_, n) => ({ n })),
    options
  )

const counts = Effect.flatMap(Broker, (broker) => broker.counts("default"))

/** From now on nothing of these workers gets through. */
const cut = ({ wire }: World, ...names: ReadonlyArray<string>) => {
  wire.fate = ({ connection }) => (names.some((name) => connection.startsWith(`${name}-`)) ? "refused" : "carried out")
}

describe.each(stores)("G5: the messages of a dead worker: $store", ({ layer }) => {
  it.effect.each([1, 3, 30])(
    "are back within the lease of %i s and 1 s, at the head of their queue, in order",
    (seconds) =>
      world(layer, (world) =>
        Effect.gen(function* () {
          const lease = `${seconds} seconds` as const
          yield* enqueue(6)
          yield* worker("a", () => Effect.never, { concurrency: 3, prefetch: 0, visibilityTimeout: lease })
          yield* pass(`${seconds * 2} seconds`, "250 millis")
          const order: Array<readonly [n: number, deliveries: number, attempt: number]> = []
          cut(world, "a")
          const from = yield* elapsed
          let firstAt = Number.NaN
          yield* worker(
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
        yield* worker("a", () => Effect.never, { concurrency: 2 })
        yield* enqueue(2)
        yield* turns
        cut(world, "a")
        yield* Job.enqueueAll([{ n: 10 }, { n: 11 }])
        const order: Array<number> = []
        // it is busy with the first until the others are back
        yield* worker(
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
        const [poison] = yield* enqueue(1)
        for (let crash = 0; crash < 5; crash++) {
          const name = `w${crash}`
          names.push(name)
          yield* worker(name, handler)
          yield* pass("6 seconds")
          assert.strictEqual(deliveries.length, crash + 1, `after ${crash} crashes`)
          cut(world, ...names)
        }
        yield* worker("last", handler)
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
        const [poison] = yield* enqueue(1)
        yield* worker("a", handler)
        yield* turns
        cut(world, "a")
        yield* worker("b", handler)
        yield* pass("5 seconds")
        cut(world, "a", "b")
        running.clear()
        // it is busy when the message comes back a second time, and has more to do
        yield* worker("c", handler)
        const others = yield* Job.enqueueAll(Array.from({ length: 100 }, (_, n) => ({ n: 200 - n })))
        assert.strictEqual(yield* within("10 seconds", poison!.await), 0)
        assert.deepStrictEqual(together, [[0], [0]], "at its start and at its end")
        yield* within(
          "10 seconds",
          Effect.forEach(others, (handle) => handle.await)
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
        yield* worker("a", handler)
        const [handle] = yield* enqueue(1)
        yield* pass("1 second")
        cut(world, "a")
        yield* worker("b", handler)
        yield* pass("6 seconds")
        assert.strictEqual(yield* within("6 seconds", handle!.await), 0)
        assert.strictEqual(runs, layer === stores[0].layer ? 2 : 1, "on one store record and settle are one step")
        assert.deepInclude(yield* counts, { active: 0, queued: 0 })
      })
    )
  )

  it.effect("a crash between the record of a failure and the settle: the dead letter is written all the same", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const handler: Handler = () => Effect.die("no")
        world.wire.fate = ({ step }) => (step === "settle" ? "refused" : "carried out")
        yield* worker("a", handler)
        const [handle] = yield* enqueue(1)
        yield* pass("1 second")
        cut(world, "a")
        yield* worker("b", handler)
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
        const [handle] = yield* enqueue(1)
        yield* worker("a", handler)
        yield* turns
        world.wire.fate = ({ connection, step }) =>
          connection.startsWith("a-") || step === "read" ? "refused" : "carried out"
        yield* worker("b", handler, { concurrency: 1 })
        yield* pass("20 seconds")
        cut(world, "a")
        assert.strictEqual(yield* within("10 seconds", handle!.await), 0)
        assert.strictEqual(runs, 2)
      })
    )
  )
})

describe.each(stores)("G5: a worker that renews: $store", ({ layer }) => {
  it.effect("a task of ten leases runs once", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const starts: Array<number> = []
        const handler: Handler = (n, { deliveries }) =>
          Effect.suspend(() => {
            starts.push(deliveries)
            return Effect.delay(Effect.succeed(n), "30 seconds")
          })
        yield* worker("a", handler)
        yield* worker("b", handler)
        const [handle] = yield* enqueue(1)
        assert.strictEqual(yield* within("31 seconds", handle!.await), 0)
        assert.deepStrictEqual(starts, [1])
      })
    )
  )

  it.effect("renews every third of its lease", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* worker("a", () => Effect.never, { visibilityTimeout: "9 seconds" })
        wire.calls.length = 0
        yield* pass("60 seconds")
        const renewals = wire.count("renew")
        assert(renewals >= 19 && renewals <= 22, `${renewals} renewals`)
      })
    )
  )

  it.effect("renewals that fail for a while cost nothing", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const starts: Array<number> = []
        const handler: Handler = (n, { deliveries }) =>
          Effect.suspend(() => (starts.push(deliveries), Effect.delay(Effect.succeed(n), "40 seconds")))
        yield* worker("a", handler, { visibilityTimeout: "30 seconds" })
        yield* worker("b", handler, { visibilityTimeout: "30 seconds" })
        const [handle] = yield* enqueue(1)
        yield* pass("9 seconds", "500 millis")
        wire.fate = ({ step }) => (step === "renew" ? "refused" : "carried out")
        yield* pass("15 seconds", "500 millis")
        wire.mend()
        assert.strictEqual(yield* within("20 seconds", handle!.await, "500 millis"), 0)
        assert.deepStrictEqual(starts, [1])
      })
    )
  )
})

describe.each(stores)("G4: a worker that cannot renew: $store", ({ layer }) => {
  it.effect.each([
    ["refused", "2 seconds", 500],
    ["refused", "8 seconds", 2000],
    ["refused", "30 seconds", 2000],
    ["silence", "8 seconds", 2000],
    ["lost reply", "8 seconds", 2000]
  ] as const)("%s: it interrupts its handlers at the lease of %s less %i ms", ([fate, lease, margin]) =>
    world(layer, (world) =>
      Effect.gen(function* () {
        let interruptedAt = Number.NaN
        let runs = 0
        yield* worker(
          "a",
          () =>
            Effect.suspend(() => {
              runs++
              return Effect.onInterrupt(Effect.never, () => Effect.map(elapsed, (at) => void (interruptedAt = at)))
            }),
          { visibilityTimeout: lease }
        )
        const [handle] = yield* enqueue(1)
        let lastGood = 0
        const clock = yield* Clock.Clock
        const origin = clock.currentTimeMillisUnsafe()
        world.wire.fate = (call) => {
          if (call.step === "renew") lastGood = clock.currentTimeMillisUnsafe() - origin
          return "carried out"
        }
        const millis = Number.parseInt(lease) * 1000
        yield* pass(millis * 2.5, "100 millis")
        assert(Number.isNaN(interruptedAt))
        const good = lastGood
        world.wire.fate = ({ connection, step }) =>
          connection.startsWith("a-") && (step === "renew" || step === "reconcile") ? fate : "carried out"
        yield* pass(millis, "100 millis")
        const after = interruptedAt - good
        assert(after <= millis - margin + 150 && after >= millis - margin - 150, `after ${after} ms`)
        world.wire.mend()
        yield* pass("3 seconds")
        yield* pass(millis, "500 millis")
        assert.strictEqual(runs, 2, "it runs again when the lease is good again")
        yield* handle!.revoke()
      })
    )
  )

  it.effect("slow answers make the lease no longer: it counts from when a renewal was sent", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let interruptedAt = Number.NaN
        let sentAt = Number.NaN
        yield* worker(
          "a",
          () =>
            Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => void (interruptedAt = clock.currentTimeMillisUnsafe()))
            ),
          { visibilityTimeout: "6 seconds" }
        )
        const [handle] = yield* enqueue(1)
        yield* turns
        let away = false
        world.wire.latency = ({ step }) => {
          if (step === "renew" && !away) sentAt = clock.currentTimeMillisUnsafe()
          return step === "renew" ? "1 second" : undefined
        }
        world.wire.fate = ({ step }) => (step === "renew" && away ? "refused" : "carried out")
        yield* pass("7 seconds")
        // between two renewals, so that the last one got its answer
        while (clock.currentTimeMillisUnsafe() - sentAt < 1200) yield* pass(100)
        away = true
        yield* pass("6 seconds")
        const after = interruptedAt - sentAt
        assert(after >= 4400 && after <= 4600, `after ${after} ms`)
        world.wire.mend()
        yield* handle!.revoke()
      })
    )
  )

  it.effect("it claims nothing while its lease is not good, and works on when it is", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* worker("a", Effect.succeed)
        wire.fate = ({ step }) => (step === "renew" || step === "reconcile" ? "refused" : "carried out")
        yield* pass("10 seconds")
        const [handle] = yield* enqueue(1)
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* handle!.state, Option.some("queued"))
        wire.mend()
        assert.strictEqual(yield* within("5 seconds", handle!.await), 0)
      })
    )
  )
})

describe.each(stores)("G3: a worker that lost ownership: $store", ({ layer }) => {
  it.effect("cannot settle: what the new owner says counts", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        // this one ignores that its lease is over
        yield* worker("a", (n) => Effect.uninterruptible(Effect.delay(Effect.succeed(n + 100), "5 seconds")), {
          grace: "1 minute"
        })
        const [handle] = yield* enqueue(1)
        yield* turns
        cut(world, "a")
        yield* pass("4500 millis")
        world.wire.mend()
        yield* worker("b", (n) => Effect.delay(Effect.succeed(n), "20 seconds"))
        yield* pass("10 seconds")
        assert.strictEqual(yield* within("30 seconds", handle!.await), 0)
        assert.strictEqual((yield* (yield* Client).poll(handle!))?.attempts, 1)
      })
    )
  )

  it.effect("and claims it again itself: the first run ends before the second begins", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const events: Array<string> = []
        // b gives back what a loses, and is busy with something else
        yield* worker("b", () => Effect.never, { concurrency: 1, prefetch: 0 })
        const busy = yield* Job.enqueue({ n: 7 })
        yield* turns
        yield* worker("a", (n, { deliveries }) =>
          Effect.gen(function* () {
            events.push(`start ${deliveries}`)
            if (deliveries === 1) yield* Effect.uninterruptible(Effect.sleep("8 seconds"))
            return n
          }).pipe(Effect.onExit(() => Effect.sync(() => void events.push(`end ${deliveries}`))))
        )
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        cut(world, "a")
        yield* pass("4 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("queued"), "b gave it back")
        world.wire.mend()
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("active"), "a has it again")
        assert.deepStrictEqual(events, ["start 1"], "and lets the first run come to its end")
        assert.strictEqual(yield* within("10 seconds", handle.await), 1)
        assert.deepStrictEqual(events, ["start 1", "end 1", "start 2", "end 2"])
        yield* busy.revoke()
      })
    )
  )
})

describe.each(stores)("G6: a claim whose reply was lost: $store", ({ layer }) => {
  it.effect("is found by its own worker within two renewals, and counts as no delivery", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const seen: Array<number> = []
        yield* worker("a", (n, { deliveries }) => Effect.sync(() => (seen.push(deliveries), n)), {
          visibilityTimeout: "30 seconds"
        })
        yield* pass("5 seconds")
        let lost = 0
        wire.fate = ({ step }) => (step === "claim" && lost++ === 0 ? "lost reply" : "carried out")
        const [handle] = yield* enqueue(1)
        assert.strictEqual(yield* within("20 seconds", handle!.await), 0)
        assert.isAtLeast(lost, 1)
        assert.deepStrictEqual(seen, [1])
      })
    )
  )

  it.effect("a settle whose reply was lost is sent again, and changes nothing", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        let lost = 0
        let runs = 0
        wire.fate = ({ step }) => (step === "settle" && lost++ < 3 ? "lost reply" : "carried out")
        yield* worker("a", (n) => Effect.sync(() => (runs++, n)))
        const [handle] = yield* enqueue(1)
        assert.strictEqual(yield* within("5 seconds", handle!.await), 0)
        yield* pass("10 seconds")
        assert.strictEqual(runs, 1)
        assert.deepInclude(yield* counts, { active: 0, queued: 0 })
      })
    )
  )
})

describe.each(stores)("a worker that cannot start: $store", ({ layer }) => {
  it.effect("says why", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        wire.fate = () => "refused"
        const exit = yield* exitWithin("10 seconds", worker("a", Effect.succeed))
        const error = errorOf(exit)
        assert.strictEqual(error._tag, "WorkerError")
        assert.strictEqual(error.reason, "BrokerUnavailable")
        assert(Exit.isFailure(exit))
      })
    )
  )
})
