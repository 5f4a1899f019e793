import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Faults, TaskTest } from "../../src/testing/index.ts"
import * as Worker from "../../src/Worker.ts"
import { crew, Echo } from "./workers.ts"

/** How long a message of a dead worker may stay away: its lease, and a second. */
const lease = Duration.seconds(4)

const layers = { "one store": Faults.layerMemory, "two stores": Faults.layerMemoryTwoStores, TaskTest: TaskTest.layer }

for (const [name, layer] of Object.entries<typeof Faults.layerMemory>(layers)) {
  describe(`Faults.killable (${name})`, () => {
    it.effect("a killed worker's messages come back by the lease, and another worker finishes them", () =>
      Effect.gen(function* () {
        const { interrupted, starts, worker } = crew()
        const [first, kill] = Faults.killable(
          // what a graceful stop would wait for is no concern of a kill
          worker("first", Effect.never, { concurrency: 2, prefetch: 5, drainLimit: "1 hour" })
        )
        yield* Layer.build(first)
        const handles = yield* Echo.enqueueAll(["a", "b", "c"].map((text) => ({ text })))
        yield* TaskTest.settle
        assert.deepStrictEqual(starts.splice(0), ["first a", "first b"])
        yield* kill
        yield* TaskTest.settle
        assert.deepStrictEqual(interrupted, ["first", "first"])
        yield* Layer.build(worker("second"))
        yield* TaskTest.settle
        assert.deepStrictEqual(starts, [], "before the lease ended")
        yield* TaskTest.advance(lease)
        assert.deepStrictEqual(starts, ["second a", "second b", "second c"])
        assert.deepStrictEqual(yield* Effect.forEach(handles, (handle) => handle.await), ["a", "b", "c"])
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("its layer is built again in its place, under the same name, and each kill hits what lives", () =>
      Effect.gen(function* () {
        const { interrupted, starts, worker } = crew()
        const [layer, kill] = Faults.killable(worker("w", Effect.never))
        yield* Layer.build(layer)
        yield* Echo.enqueue({ text: "a" })
        for (const round of [1, 2, 3]) {
          yield* TaskTest.settle
          assert.lengthOf(starts, round)
          yield* kill
          yield* Layer.build(layer)
          yield* TaskTest.advance(lease)
          assert.lengthOf(interrupted, round)
        }
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("a dead worker sends nothing and hears nothing", () =>
      Effect.gen(function* () {
        const faults = yield* Faults.Faults
        const { starts, worker } = crew()
        const [layer, kill] = Faults.killable(worker("w"))
        yield* Layer.build(layer)
        yield* TaskTest.settle
        yield* kill
        const claims = yield* faults.sent("claim")
        yield* Echo.enqueue({ text: "a" })
        yield* TaskTest.advance("1 minute")
        assert.deepStrictEqual(
          [starts, yield* faults.sent("claim"), yield* faults.sent("renew"), yield* faults.sent("close")],
          [[], claims, 1, 0]
        )
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("what finalizers of its handlers enqueue is lost", () =>
      Effect.gen(function* () {
        const { starts, worker } = crew()
        const reached: Array<string> = []
        const [layer, kill] = Faults.killable(
          Worker.layer({ tasks: [Echo], name: "w" }).pipe(
            Layer.provide(
              Echo.toLayer(() =>
                Effect.onInterrupt(Effect.never, () =>
                  Echo.enqueue({ text: "late" }, { queue: "other" }).pipe(
                    Effect.orDie,
                    Effect.onExit((exit) => Effect.sync(() => reached.push(exit._tag)))
                  )
                )
              )
            )
          )
        )
        yield* Layer.build(layer)
        yield* Echo.enqueue({ text: "a" })
        yield* TaskTest.settle
        yield* kill
        yield* Layer.build(worker("other", Effect.void, { queues: ["other"] }))
        yield* TaskTest.advance("1 minute")
        assert.deepStrictEqual([starts, reached], [[], ["Failure"]])
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("no reply reaches a handler that does not give in", () =>
      Effect.gen(function* () {
        const faults = yield* Faults.Faults
        const steps: Array<string> = []
        const enqueue = Effect.orDie(Echo.enqueue({ text: "b" }, { queue: "other" }))
        const [layer, kill] = Faults.killable(
          Worker.layer({ tasks: [Echo], drainLimit: 0, grace: 0 }).pipe(
            Layer.provide(
              Echo.toLayer(() =>
                Effect.uninterruptible(
                  Effect.sync(() => steps.push("before")).pipe(
                    Effect.andThen(enqueue),
                    Effect.andThen(Effect.sync(() => steps.push("after"))),
                    Effect.as("")
                  )
                )
              )
            )
          )
        )
        yield* Layer.build(layer)
        yield* Echo.enqueue({ text: "a" })
        yield* faults.delay({ step: "publish", reply: true, by: "1 second" })
        yield* TaskTest.settle
        yield* kill
        yield* TaskTest.advance("10 seconds")
        assert.deepStrictEqual([steps, yield* faults.happened("reply delayed")], [["before"], 1])
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("a push to a dead worker is no push: another one is told", () =>
      Effect.gen(function* () {
        const { starts, worker } = crew()
        const [first, kill] = Faults.killable(worker("first", Effect.uninterruptible(Effect.sleep("1 hour"))))
        yield* Layer.build(first)
        yield* Echo.enqueue({ text: "a" })
        yield* TaskTest.settle
        yield* Layer.build(worker("second"))
        yield* TaskTest.settle
        yield* kill
        yield* Echo.enqueue({ text: "b" })
        yield* TaskTest.settle
        assert.deepStrictEqual(starts, ["first a", "second b"])
        yield* TaskTest.advance("2 hours")
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.effect("closed instead of killed, it gives back at once what it holds", () =>
      Effect.gen(function* () {
        const { starts, worker } = crew()
        const [layer] = Faults.killable(worker("first", Effect.never, { concurrency: 1, prefetch: 5 }))
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Layer.build(layer)
            yield* Echo.enqueueAll([{ text: "a" }, { text: "b" }])
            yield* TaskTest.settle
          })
        )
        yield* Layer.build(worker("second"))
        yield* TaskTest.settle
        assert.deepStrictEqual(starts.toSorted(), ["first a", "second a", "second b"])
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  })
}
