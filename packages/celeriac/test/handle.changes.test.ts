/** Following messages, and waiting for many of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Change } from "../src/TaskHandle.ts"
import { Job, type Progress, serve, type Success, success, tagOf } from "./fixture.handle.ts"
import { atOnce, Boom, pass, stores, turns, within, world } from "./fixture.ts"

describe.each(stores)("changes: $store", ({ layer }) => {
  const show = (change: Change<Success, Boom, Progress>): string => {
    switch (change._tag) {
      case "State":
        return change.state
      case "Progress":
        return `progress ${String(change.value.done)}`
      case "Retrying":
        return `attempt ${change.attempt} ${tagOf(change.exit)}`
      case "Ended":
        return `ended ${change.state} ${tagOf(change.exit)}`
    }
  }

  it.effect("a whole life, each change once", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<void>()
        const done = Schema.decodeSync(Job.progressSchema)
        const handle = yield* Job.enqueue({ n: 1 }, { delay: "10 seconds" })
        const seen: Array<string> = []
        const following = yield* Effect.forkChild(
          Stream.runForEach(handle.changes, (change) => Effect.sync(() => seen.push(show(change))))
        )
        yield* turns
        yield* serve((_, context) =>
          Effect.gen(function* () {
            yield* context.progress(done({ done: context.attempt * 1000 }))
            yield* Effect.sleep("5 seconds")
            if (context.attempt === 1) return yield* new Boom({ code: 1 })
            yield* Deferred.await(go)
            return success
          })
        )
        yield* pass("2 minutes", "500 millis")
        Deferred.doneUnsafe(go, Effect.void)
        yield* within("1 second", Fiber.join(following))
        assert.deepStrictEqual(seen, [
          "scheduled",
          "active",
          "progress 1000 millis",
          "attempt 1 Boom",
          "retrying",
          "active",
          "progress 2000 millis",
          "ended succeeded Success"
        ])
      })
    )
  )

  it.effect("pushes that are lost are made good by a look", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        wire.pushes = () => false
        const handle = yield* Job.enqueue({ n: 1 })
        const waiting = yield* Effect.forkChild(handle.await)
        const following = yield* Effect.forkChild(Stream.runCollect(handle.changes))
        yield* turns
        yield* serve(() => Effect.delay(Effect.succeed(success), "10 millis"))
        yield* within("10 seconds", Fiber.join(waiting))
        const changes = yield* within("10 seconds", Fiber.join(following))
        assert.strictEqual(changes.at(-1)?._tag, "Ended")
      })
    )
  )
})

describe.each(stores)("many handles: $store", ({ layer, store }) => {
  it.effect("10 000 waits share one subscription and few reads", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const count = 10_000
        const handles = yield* Job.enqueueAll(Array.from({ length: count }, (_, n) => ({ n })))
        const waits = yield* Effect.forkChild(
          Effect.forEach(handles, (handle) => handle.await, { concurrency: "unbounded" })
        )
        yield* turns
        // 1 000 at a time
        assert.isAtMost(wire.count("watch"), 12)
        yield* serve(() => Effect.succeed(success), { concurrency: 100 })
        const all = yield* within("1 second", Fiber.join(waits))
        assert.strictEqual(all.length, count)
        assert.isAtMost(wire.count("watch"), 250, "and again when they have ended, together")
        assert.isAtMost(wire.count("locate"), store === "one store" ? 0 : 250, "together, and only of other stores")
        wire.calls.length = 0
        yield* pass("30 seconds", "1 second")
        const asked = ["watch", "read", "locate", "unwatch"].map((step) => wire.count(step))
        assert.deepStrictEqual(asked, [0, 0, 0, 0], "nobody looks any more")
      })
    )
  )

  it.effect.each(store === "one store" ? ["watch"] : ["watch", "locate"])(
    "no result is missed that comes while the answer to a %s is on its way",
    (step) =>
      world(layer, ({ wire }) =>
        Effect.gen(function* () {
          yield* serve(() => Effect.succeed(success))
          const handle = yield* Job.enqueue({ n: 1 }, { delay: "1 second" })
          wire.pushes = (channel) => !channel.startsWith("reply:")
          let slow = true
          wire.latency = (call) => {
            if (call.step !== step || !slow) return undefined
            slow = false
            return "2 seconds"
          }
          assert.deepStrictEqual(yield* within("3 seconds", handle.await), success, "without a look at the clock")
        })
      )
  )

  it.effect("waits that were given up leave nothing behind", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 })
        const waits = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(handle.await))
        yield* turns
        yield* Fiber.interruptAll(waits)
        yield* atOnce(Effect.exit((yield* Job.handle("nobody")).await))
        yield* turns
        assert.strictEqual(wire.count("unwatch"), 2, "also in the list of those who are told of the end")
        wire.calls.length = 0
        yield* pass("20 seconds", "1 second")
        assert.deepStrictEqual(wire.calls, [])
      })
    )
  )

  it.effect("an outage of the results is waited out", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* serve(() => Effect.succeed(success))
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        wire.fate = ({ step }) => (step === "watch" || step === "read" || step === "locate" ? "refused" : "carried out")
        const asks = yield* Effect.forEach(
          [handle.await, handle.poll, handle.state, Stream.runCollect(handle.changes)],
          (ask) => Effect.forkChild(ask as Effect.Effect<unknown, unknown>)
        )
        yield* pass("20 seconds", "500 millis")
        for (const ask of asks) assert.isUndefined(ask.pollUnsafe())
        assert.isBelow(wire.calls.length, 120, "it does not spin")
        wire.mend()
        yield* within("3 seconds", Fiber.joinAll(asks))
      })
    )
  )
})
