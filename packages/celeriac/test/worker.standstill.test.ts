/** G4: a process that stands still, because a handler blocks the event loop or because it was stopped. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import { Client } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, pass, started, stores, within, world } from "./fixture.ts"

class Job extends Task.make("job", { success: Schema.String }) {}

/** The clock of a process that can be stopped: no timer of it fires until it goes on, and then it sees that it is late. */
const stoppable = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const going = Latch.makeUnsafe(true)
  return {
    clock: { ...methodsOf(clock), sleep: (span: Duration.Duration) => Effect.andThen(clock.sleep(span), going.await) },
    stop: () => going.closeUnsafe(),
    goOn: () => going.openUnsafe()
  }
})

const methodsOf = (clock: Clock.Clock): Omit<Clock.Clock, "sleep"> => ({
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanos: clock.monotonicTimeNanos
})

const worker = (name: string, handler: Effect.Effect<string>, lease: Duration.Input) =>
  started(
    Worker.layer({ tasks: [Job], name, visibilityTimeout: lease }).pipe(Layer.provide(Job.toLayer(() => handler)))
  )

const standstills = Effect.map(Metric.snapshot, (snapshots) =>
  snapshots.flatMap((snapshot) =>
    snapshot.id === "messaging.celeriac.standstill.duration" && snapshot.type === "Histogram"
      ? [{ count: snapshot.state.count, sum: snapshot.state.sum }]
      : []
  )
)

/** What the line says, in milliseconds. */
const lengthIn = (line: string | undefined): number => {
  const text = /stood still for at least ([^,]*), with a lease of/.exec(line ?? "")?.[1]
  assert.isDefined(text, line)
  return text.split(" ").reduce((sum, part) => sum + Number.parseFloat(part) * (part.endsWith("ms") ? 1 : 1000), 0)
}

describe.each(stores)("G4: a process that stands still: $store", ({ layer }) => {
  it.effect.each([
    { lease: "2 seconds", margin: 500, still: 5000 },
    { lease: "4 seconds", margin: 1000, still: 10_000 },
    { lease: "30 seconds", margin: 2000, still: 45_000 }
  ] as const)("for $still ms, with a lease of $lease: it says so, and cannot commit over another", (options) => {
    const { lease, margin, still } = options
    return world(layer, ({ lines }) =>
      Effect.gen(function* () {
        const { clock, goOn, stop } = yield* stoppable
        const runs: Array<string> = []
        const of = (name: string, effect: Effect.Effect<string>) =>
          Effect.suspend(() => {
            runs.push(name)
            return effect
          })
        const ignores = Effect.uninterruptible(Effect.delay(Effect.succeed("of a"), "1 second"))
        yield* worker("a", of("a", ignores), lease).pipe(Effect.provideService(Clock.Clock, clock))
        const handle = yield* Job.enqueue()
        yield* pass(200, 100)
        stop()
        yield* worker("b", of("b", Effect.succeed("of b")), lease)
        assert.strictEqual(yield* within(still, handle.await, "100 millis"), "of b")
        yield* pass(still - (yield* elapsed), "100 millis")
        assert.isFalse(lines.some(({ text }) => text.includes("stood still")))
        goOn()
        yield* pass(2000, "100 millis")
        const line = lines.find(({ text }) => text.includes("stood still"))
        assert.strictEqual(line?.level, "Warn")
        assert.deepInclude(line?.annotations, { worker: "a" })
        const length = lengthIn(line?.text)
        assert(length <= still && length >= still - 2 * margin - 300, `${length} ms of ${still}`)
        assert.strictEqual(lines.filter(({ text }) => text.includes("stood still")).length, 1)
        assert.deepStrictEqual(yield* standstills, [{ count: 1, sum: length / 1000 }])
        assert.deepStrictEqual(runs, ["a", "b"])
        const record = yield* (yield* Client).poll(handle)
        assert.deepInclude(record?.ending, { _tag: "Success", value: "of b" })
        // and works on
        yield* pass("10 seconds")
        assert.isFalse(lines.slice(lines.indexOf(line!) + 1).some(({ text }) => text.includes("stood still")))
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  })

  it.effect("a process that goes on without a pause says nothing", () =>
    world(layer, ({ warnings }) =>
      Effect.gen(function* () {
        yield* worker("a", Effect.delay(Effect.succeed("done"), "1 minute"), "3 seconds")
        yield* Job.enqueue()
        yield* pass("2 minutes", "1 second")
        assert.deepStrictEqual(warnings(), [])
      })
    )
  )
})

describe("G4: a handler that blocks the event loop", () => {
  it.live("beyond the lease: it is reported with its length, and the message has one end", () =>
    Effect.gen(function* () {
      const reported = yield* Deferred.make<string>()
      const logger = Logger.make<unknown, void>(({ message }) => {
        const text = String(message)
        if (text.includes("stood still")) Deferred.doneUnsafe(reported, Effect.succeed(text))
      })
      const blocked = 1600
      let runs = 0
      const blocks = Effect.sync(() => {
        runs++
        const until = performance.now() + blocked
        while (performance.now() < until);
        return "done"
      })
      yield* worker("a", blocks, "1 second").pipe(Effect.provide(Logger.layer([logger])))
      const handle = yield* Job.enqueue()
      assert.strictEqual(yield* handle.await, "done")
      // what is late before its next look, it does not see
      assert.isAtLeast(lengthIn(yield* Deferred.await(reported)), blocked - 250)
      assert.strictEqual((yield* (yield* Client).poll(handle))?.state, "succeeded")
      assert.isAtMost(runs, 2)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(CeleriacMemory.layer)))
  )
})
