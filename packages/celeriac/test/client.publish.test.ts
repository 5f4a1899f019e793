/** Sending: what travels together, and what becomes of it while the broker is away. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, BrokerError, Full } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import * as Client from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import { EnqueueError } from "../src/EnqueueError.ts"
import * as Task from "../src/Task.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import * as Worker from "../src/Worker.ts"
import {
  atOnce,
  elapsed,
  errorOf,
  exitWithin,
  type Fate,
  pass,
  run,
  started,
  stores,
  turns,
  within,
  type World,
  world
} from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}
class Other extends Task.make("other", { queue: "other" }) {}

const queued = (queue = "default") =>
  Effect.flatMap(Broker, (broker) => Effect.map(broker.counts(queue), (counts) => counts.queued))

const range = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

/** The nth publish and all after the last named one meet this fate. */
const publishes = ({ wire }: World, ...fates: ReadonlyArray<Fate>) => {
  let nth = 0
  wire.fate = ({ step }) => (step === "publish" ? fates[Math.min(nth++, fates.length - 1)]! : "carried out")
}

const unavailable = (exit: Exit.Exit<unknown, EnqueueError>) => {
  const error = errorOf(exit)
  assert.instanceOf(error, EnqueueError)
  assert(error.reason._tag === "BrokerUnavailable", error.message)
  return { accepted: error.reason.accepted, ids: error.ids, message: error.message }
}

describe("round trips", () => {
  it.effect("of calls made at the same time the first goes at once, and the others share one", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const handles = yield* Effect.all(
          range(300).map((payload) => Job.enqueue(payload)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(handles.map(({ id }) => id)).size, 300)
        assert.strictEqual(yield* queued(), 300)
        assert.strictEqual(wire.count("publish"), 2)
      })
    )
  )

  it.effect("while two are under way, the others wait and go together", () =>
    run((world) =>
      Effect.gen(function* () {
        const { wire } = world
        wire.latency = () => "1 second"
        const fibers: Array<Fiber.Fiber<unknown, EnqueueError>> = []
        for (const payload of range(50)) {
          fibers.push(yield* Effect.forkChild(Job.enqueue(payload)))
          yield* turns
        }
        yield* within("3 seconds", Fiber.joinAll(fibers))
        assert.isAtMost(wire.count("publish"), 4)
        wire.latency = () => undefined
        assert.strictEqual(yield* queued(), 50)
      })
    )
  )

  it.effect("a single call does not wait for company", () =>
    run(() =>
      Effect.andThen(
        atOnce(Job.enqueue({ n: 1 })),
        Effect.map(elapsed, (ms) => assert.strictEqual(ms, 0))
      )
    )
  )
})

describe("the broker is away", () => {
  it.effect("for less than publishTimeout: the call waits and succeeds, once", () =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, "refused")
        const sending = yield* Effect.forkChild(Job.enqueue({ n: 1 }))
        yield* pass("4 seconds")
        assert.isUndefined(sending.pollUnsafe())
        world.wire.mend()
        yield* within("1100 millis", Fiber.join(sending))
        assert.strictEqual(yield* queued(), 1)
      })
    )
  )

  const longer: ReadonlyArray<readonly [fates: ReadonlyArray<Fate>, accepted: "no" | "maybe", held: number]> = [
    [["refused"], "no", 0],
    [["lost reply"], "maybe", 1],
    [["lost reply", "refused"], "maybe", 1],
    [["refused", "lost reply"], "maybe", 1],
    [["refused", "lost reply", "refused"], "maybe", 1],
    [["silence"], "maybe", 0],
    [["refused", "silence"], "maybe", 0]
  ]
  it.effect.each(longer)("for longer, %o: BrokerUnavailable, accepted: %s", ([fates, accepted, held]) =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, ...fates)
        const error = unavailable(yield* exitWithin("7 seconds", Job.enqueue({ n: 1 }, { id: "a" })))
        assert.strictEqual(error.accepted, accepted)
        assert.deepStrictEqual(error.ids, ["a"])
        assert.match(error.message, accepted === "no" ? /nothing was accepted/ : /ask its handle/)
        const ms = yield* elapsed
        assert(ms >= 5000 && ms <= 6500, `after ${ms} ms`)
        assert.isBelow(world.wire.count("publish"), 20, "it does not spin")
        world.wire.mend()
        assert.strictEqual(yield* queued(), held)
      })
    )
  )

  it.effect("who waits in vain for a first try does not wait for more", () =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, "silence")
        const exits = yield* within(
          "6 seconds",
          Effect.forEach(range(5000), (payload) => Effect.exit(Job.enqueue(payload)), { concurrency: "unbounded" })
        )
        const answers = exits.map((exit) => unavailable(exit).accepted)
        assert.strictEqual(answers.filter((accepted) => accepted === "maybe").length, 501, "two batches were sent")
        assert.strictEqual(answers.filter((accepted) => accepted === "no").length, 4499)
        assert.strictEqual(world.wire.count("publish"), 2)
        world.wire.mend()
        yield* within("1 second", Job.enqueue({ n: 1 }))
      })
    )
  )

  it.effect("a call of many parts may take longer than publishTimeout, as long as parts get through", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        wire.latency = ({ step }) => (step === "publish" ? "2 seconds" : undefined)
        const handles = yield* within("11 seconds", Job.enqueueAll(range(2500)))
        assert.strictEqual(handles.length, 2500)
        wire.mend()
        assert.strictEqual(yield* queued(), 2500)
      })
    )
  )

  it.effect("an own id whose reply was lost is no duplicate, however much is sent meanwhile", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const sent: Array<string> = []
        wire.fate = (call) => {
          if (call.step !== "publish") return "carried out"
          const mine = call.about!().some(({ id }) => id === "mine")
          sent.push(mine ? "mine" : "other")
          return mine && sent.length < 4 ? "lost reply" : "carried out"
        }
        const sending = yield* Effect.forkChild(Job.enqueue({ n: 0 }, { id: "mine" }))
        yield* turns
        const others: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const payload of range(20)) {
          others.push(yield* Effect.forkChild(Job.enqueue(payload)))
          yield* turns
        }
        yield* within("2 seconds", Fiber.join(sending))
        yield* within("1 second", Fiber.joinAll(others))
        assert.deepStrictEqual(sent, ["mine", "mine", "mine", "mine", "other"])
        assert.strictEqual(yield* queued(), 21)
      })
    )
  )

  it.effect("publishTimeout is an option", () =>
    world(CeleriacMemory.layer.pipe(Layer.provide(Defaults.layer({ publishTimeout: "1 minute" }))), (world) =>
      Effect.gen(function* () {
        publishes(world, "refused")
        const sending = yield* Effect.forkChild(Job.enqueue({ n: 1 }))
        yield* pass("55 seconds", "1 second")
        assert.isUndefined(sending.pollUnsafe())
        world.wire.mend()
        yield* within("2 seconds", Fiber.join(sending))
      })
    )
  )

  const lost: ReadonlyArray<{ readonly fates: ReadonlyArray<Fate>; readonly id?: string }> = [
    { fates: ["lost reply", "carried out"] },
    { fates: ["lost reply", "carried out"], id: "a" },
    { fates: ["lost reply", "lost reply", "refused", "carried out"] },
    { fates: ["lost reply", "lost reply", "refused", "carried out"], id: "a" },
    { fates: ["refused", "carried out"], id: "a" }
  ]
  it.effect.each(lost)("G1: a lost reply makes no second message and no false duplicate: %o", ({ fates, id }) =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, ...fates)
        yield* within("3 seconds", Job.enqueue({ n: 1 }, { id }))
        assert.strictEqual(yield* queued(), 1)
        assert.strictEqual(world.wire.count("publish"), fates.length)
      })
    )
  )

  it.effect("G1: a batch without an answer is not left so far behind that the broker forgets it", () =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, "silence", "carried out")
        yield* Effect.forEach(range(40), (payload) => Effect.andThen(Effect.forkChild(Job.enqueue(payload)), turns))
        assert.strictEqual(world.wire.count("publish"), 9)
      })
    )
  )

  it.effect("G1: a message that ran before its lost reply was sent again does not run twice", () =>
    run((world) =>
      Effect.gen(function* () {
        let runs = 0
        const Live = Job.toLayer(({ n }) => Effect.sync(() => (runs++, n)))
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live)))
        for (const options of [{}, { id: "a" }, { ignoreResult: true }, { id: "b", ignoreResult: true }]) {
          runs = 0
          publishes(world, "lost reply", "refused", "carried out")
          const handle = yield* within("3 seconds", Job.enqueue({ n: 1 }, options))
          yield* within("3 seconds", Effect.exit(handle.await))
          assert.strictEqual(runs, 1)
        }
      })
    )
  )

  it.effect("what waits keeps its order, and a bounded buffer lets in only what it holds", () =>
    world(CeleriacMemory.layer.pipe(Layer.provide(Defaults.layer({ publishBuffer: 10 }))), (world) =>
      Effect.gen(function* () {
        publishes(world, "refused")
        const sizes: Array<number> = []
        const sending = yield* Effect.forkChild(
          Effect.forEach(range(100), (payload) => Job.enqueue(payload), { concurrency: "unbounded" })
        )
        yield* pass("1 second")
        const before = world.wire.count("publish")
        world.wire.mend()
        const handles = yield* within("3 seconds", Fiber.join(sending))
        sizes.push(world.wire.count("publish") - before)
        assert.isAtLeast(sizes[0]!, 9, "ten at a time")
        const seen: Array<number> = []
        const Live = Job.toLayer(({ n }) => Effect.sync(() => (seen.push(n), n)))
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live)))
        yield* Effect.forEach(handles, (handle) => handle.await, { concurrency: "unbounded" })
        assert.deepStrictEqual(
          seen.toSorted((a, b) => a - b),
          range(100).map(({ n }) => n)
        )
      })
    )
  )

  it.effect("whoever is interrupted takes back what was not sent", () =>
    run((world) =>
      Effect.gen(function* () {
        publishes(world, "silence")
        // two calls are under way and get no answer; the third waits
        const stuck = yield* Effect.forEach([1, 2], (n) => Effect.andThen(turns, Effect.forkChild(Job.enqueue({ n }))))
        yield* turns
        const waiting = yield* Effect.forkChild(Job.enqueue({ n: 3 }))
        yield* turns
        yield* atOnce(Fiber.interrupt(waiting))
        yield* atOnce(Fiber.interruptAll(stuck))
        world.wire.mend()
        yield* pass("10 seconds")
        assert.strictEqual(yield* queued(), 0)
      })
    )
  )

  it.effect("a full broker refuses at once", () =>
    run(() =>
      Effect.gen(function* () {
        const broker = yield* Broker
        let calls = 0
        const full = Effect.suspend(() => {
          calls++
          return Effect.fail(new BrokerError({ reason: new Full({ detail: "64 MB are in use" }) }))
        })
        const services = yield* Layer.build(
          Layer.fresh(Client.layer).pipe(Layer.provide(Layer.succeed(Broker, { ...broker, publish: () => full })))
        )
        const error = errorOf(yield* exitWithin(0, Effect.provideContext(Job.enqueue({ n: 1 }), services)))
        assert.strictEqual(error.reason._tag, "BrokerFull")
        assert.include(error.message, "64 MB")
        assert.strictEqual(calls, 1)
      })
    )
  )
})

it.effect("of many messages a part may be accepted: the error says maybe, and names them all", () =>
  run((world) =>
    Effect.gen(function* () {
      let sent = 0
      world.wire.fate = ({ step }) => (step === "publish" && ++sent > 1 ? "refused" : "carried out")
      const ids = range(600).map((_, index) => `a${index}`)
      const calls = range(600).map((payload, index) => Job.s(payload, { id: ids[index] }))
      const error = unavailable(yield* exitWithin("7 seconds", Task.enqueueAll(calls)))
      assert.strictEqual(error.accepted, "maybe")
      assert.deepStrictEqual(error.ids, ids)
      world.wire.mend()
      assert.strictEqual(yield* queued(), 500)
    })
  )
)

describe("the order of batches", () => {
  it.effect("a batch over several queues that is overtaken by a later one is no duplicate", () =>
    run((world) =>
      Effect.gen(function* () {
        const { wire } = world
        wire.latency = () => "100 millis"
        // the first batch asks the queue "other" second, the second batch asks it first
        const both = yield* Effect.forkChild(Task.enqueueAll([Job.s({ n: 1 }), Other.s()]))
        yield* turns
        const one = yield* Effect.forkChild(Other.enqueue())
        yield* within("2 seconds", Fiber.join(one))
        yield* within("2 seconds", Fiber.join(both))
        wire.latency = () => undefined
        assert.strictEqual(yield* queued(), 1)
        assert.strictEqual(yield* queued("other"), 2)
      })
    )
  )
})

describe("the client closes", () => {
  /** A client of its own, that the test closes. */
  const own = Effect.gen(function* () {
    const scope = Scope.makeUnsafe()
    const services = yield* Layer.buildWithScope(Layer.fresh(Client.layer), scope)
    return { services, close: Scope.close(scope, Exit.void) }
  })

  it.effect("calls that wait end with an error that says that nothing was accepted", () =>
    run((world) =>
      Effect.gen(function* () {
        const { close, services } = yield* own
        publishes(world, "silence")
        const calls = yield* Effect.forEach([1, 2, 3], (n) =>
          Effect.andThen(turns, Effect.forkChild(Effect.provideContext(Job.enqueue({ n }), services)))
        )
        yield* turns
        const closing = yield* Effect.forkChild(close)
        const [first, , third] = yield* within(
          "7 seconds",
          Effect.forEach(calls, (call) => Effect.exit(Fiber.join(call)))
        )
        assert.strictEqual(unavailable(first!).accepted, "maybe")
        assert.strictEqual(unavailable(third!).accepted, "no")
        yield* within("7 seconds", Fiber.join(closing))
      })
    )
  )

  const waits: Record<string, (handle: TaskHandle<number>) => Effect.Effect<unknown, unknown>> = {
    await: (handle) => handle.await,
    changes: (handle) => Stream.runDrain(handle.changes)
  }
  it.effect.each(Object.entries(waits))("who waits is interrupted: %s", ([, wait]) =>
    run(() =>
      Effect.gen(function* () {
        const { close, services } = yield* own
        const handle = yield* Effect.provideContext(Job.enqueue({ n: 1 }), services)
        const waiting = yield* Effect.forkChild(wait(handle))
        yield* pass("1 second")
        yield* within("1 second", close)
        for (const one of [Fiber.await(waiting), Effect.exit(wait(handle))]) {
          const exit = yield* atOnce(one)
          assert(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        }
      })
    )
  )

  it.effect("a call after the end is refused", () =>
    run(() =>
      Effect.gen(function* () {
        const { close, services } = yield* own
        yield* close
        const exit = yield* exitWithin(0, Effect.provideContext(Job.enqueue({ n: 1 }), services))
        assert.strictEqual(unavailable(exit).accepted, "no")
      })
    )
  )

  it.effect.each(["refused", "silence", "lost reply"] as const)("while the results are away (%s): it closes", (fate) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const { close, services } = yield* own
        const handle = yield* Effect.provideContext(Job.enqueue({ n: 1 }), services)
        wire.fate = () => fate
        const waiting = yield* Effect.forkChild(handle.await)
        yield* pass("1 second")
        yield* Fiber.interrupt(waiting)
        yield* within("10 seconds", close)
      })
    )
  )
})

describe.each(stores)("execute: $store", ({ layer }) => {
  const Live = Job.toLayer(({ n }) => (n < 0 ? Effect.never : Effect.succeed(n)))
  const serve = started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live)))

  it.effect("waits for the result", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve
        assert.strictEqual(yield* atOnce(Job.execute({ n: 3 })), 3)
      })
    )
  )

  it.effect.each([
    { options: {}, state: "revoked" },
    { options: { onInterrupt: "revoke" }, state: "revoked" },
    { options: { onInterrupt: "detach" }, state: "active" }
  ] as const)("interrupted while it runs, $options: $state", ({ options, state }) =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve
        const fiber = yield* Effect.forkChild(Job.execute({ n: -1 }, { id: "a", ...options }))
        yield* turns
        yield* atOnce(Fiber.interrupt(fiber))
        const handle = yield* Job.handle("a")
        assert.deepStrictEqual(yield* atOnce(handle.state), Option.some(state))
        yield* handle.revoke()
      })
    )
  )

  it.effect("interrupted, and nobody knows whether its message was accepted: it is revoked", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        publishes(world, "lost reply")
        const fiber = yield* Effect.forkChild(Job.execute({ n: 1 }))
        yield* pass("1 second")
        assert.strictEqual(yield* queued(), 1)
        yield* within("2 seconds", Fiber.interrupt(fiber))
        yield* pass("10 seconds")
        assert.strictEqual(yield* queued(), 0)
        assert.deepStrictEqual(world.warnings(), [])
      })
    )
  )

  it.effect("interrupted, and nobody knows whose message has its id: it is told that it may run", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const earlier = yield* Job.enqueue({ n: 1 }, { id: "a" })
        publishes(world, "lost reply")
        const fiber = yield* Effect.forkChild(Job.execute({ n: 1 }, { id: "a" }))
        yield* pass("1 second")
        yield* within("2 seconds", Fiber.interrupt(fiber))
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* atOnce(earlier.state), Option.some("queued"))
        assert.lengthOf(world.warnings(), 1)
      })
    )
  )

  it.effect("interrupted, and its id was somebody else's: that message goes on", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, { id: "a" })
        wire.latency = () => "1 second"
        const fiber = yield* Effect.forkChild(Job.execute({ n: 1 }, { id: "a" }))
        yield* pass("500 millis")
        yield* within("2 seconds", Fiber.interrupt(fiber))
        yield* pass("5 seconds")
        wire.mend()
        assert.deepStrictEqual(yield* atOnce(handle.state), Option.some("queued"))
      })
    )
  )

  it.effect("interrupted, and the broker stays away: it is told that the message may run", () =>
    world(layer, ({ lines, wire }) =>
      Effect.gen(function* () {
        yield* serve
        const fiber = yield* Effect.forkChild(Job.execute({ n: -1 }, { id: "a" }))
        yield* turns
        wire.fate = ({ step }) => (step === "locate" || step === "end" ? "refused" : "carried out")
        yield* within("2 seconds", Fiber.interrupt(fiber))
        const told = () => lines.filter(({ text }) => text.includes("not revoked"))
        yield* pass("50 seconds", "1 second")
        assert.deepStrictEqual(told(), [])
        yield* pass("15 seconds", "1 second")
        assert.deepStrictEqual(
          told().map(({ annotations, level }) => [level, annotations["task"], annotations["id"]]),
          [["Warn", "job", "a"]]
        )
      })
    )
  )

  it.effect.each([
    { options: {}, state: Option.some("revoked") },
    { options: { onInterrupt: "detach" }, state: Option.some("queued") }
  ] as const)("interrupted while its message is on its way, $options", ({ options, state }) =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        wire.latency = () => "1 second"
        const fiber = yield* Effect.forkChild(Job.execute({ n: 1 }, { id: "a", ...options }))
        yield* pass("500 millis")
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* within("10 seconds", Fiber.join(interrupting))
        yield* pass("2 seconds")
        wire.latency = () => undefined
        const handle = yield* Job.handle("a")
        assert.deepStrictEqual(yield* atOnce(handle.state), state)
      })
    )
  )
})
