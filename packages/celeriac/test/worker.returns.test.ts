/** What comes back when a worker could not tell the end, or stops before it began; and what an id is worth then. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker, type Consumer } from "../src/Broker.ts"
import * as Task from "../src/Task.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import { pass, started, stores, within, world } from "./fixture.ts"

for (const { layer, store } of stores) {
  describe(store, () => {
    for (const ack of ["early", "late"] as const) {
      it.effect(`what ended without a word to the broker counts as crashed (ack ${ack})`, () =>
        world(layer, ({ warnings, wire }) =>
          Effect.gen(function* () {
            class Job extends Task.make("job", { ack, success: Schema.Number }) {}
            let runs = 0
            const worker = (name: string) =>
              Worker.layer({ tasks: [Job], name, drainLimit: "2 seconds" }).pipe(
                Layer.provide(Job.toLayer(() => Effect.sync(() => ++runs)))
              )
            wire.fate = ({ step }) => (step === "settle" ? "refused" : "carried out")
            const one = yield* started(worker("one"))
            const handle = yield* Job.enqueue()
            yield* pass("1 second")
            assert.strictEqual(runs, 1)
            yield* within("30 seconds", one.stop)
            assert.isTrue(warnings().some((line) => line.includes("run again, as after a crash")))
            wire.mend()
            yield* started(worker("two"))
            const end = yield* within("5 seconds", Effect.exit(handle.await))
            // where results live elsewhere, the record was written
            const recorded = store === "two stores"
            assert.strictEqual(runs, ack === "early" || recorded ? 1 : 2)
            assert.strictEqual(Exit.isSuccess(end), ack === "late" || recorded)
          })
        )
      )
    }

    it.effect("a message that was put off as unknown can still expire", () =>
      world(layer, () =>
        Effect.gen(function* () {
          class Known extends Task.make("known") {}
          class Unknown extends Task.make("unknown") {}
          const serve = started(Worker.layer({ tasks: [Known] }).pipe(Layer.provide(Known.toLayer(() => Effect.void))))
          const one = yield* serve
          const handle = yield* Unknown.enqueue(undefined, { expires: "5 seconds" })
          yield* pass("3500 millis")
          yield* within("30 seconds", one.stop)
          assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
          class Other extends Task.make("other", { queue: "elsewhere" }) {}
          yield* started(Worker.layer({ tasks: [Other] }).pipe(Layer.provide(Other.toLayer(() => Effect.void))))
          yield* pass("2 minutes", "10 seconds")
          assert.deepStrictEqual(yield* handle.state, Option.some("expired"))
        })
      )
    )

    it.effect("a worker that stops gives hundreds of messages back in their order", () =>
      world(layer, () =>
        Effect.gen(function* () {
          class Job extends Task.make("job", { payload: Schema.Number }) {}
          const order: Array<number> = []
          const worker = (handler: (n: number) => Effect.Effect<void>, prefetch: number) =>
            Worker.layer({ tasks: [Job], concurrency: 1, prefetch, drainLimit: "1 second", grace: "1 second" }).pipe(
              Layer.provide(Job.toLayer(handler))
            )
          const one = yield* started(worker(() => Effect.never, 600))
          yield* Job.enqueueAll(Array.from({ length: 700 }, (_, index) => index))
          yield* pass("3 seconds")
          yield* within("1 minute", one.stop)
          yield* started(worker((n) => Effect.sync(() => void order.push(n)), 10))
          yield* pass("20 seconds")
          assert.deepStrictEqual(
            order,
            Array.from({ length: 700 }, (_, index) => index)
          )
        })
      )
    )

    it.effect("an own id that looks generated is refused while its record lives", () =>
      world(layer, () =>
        Effect.gen(function* () {
          class Job extends Task.make("job", { payload: Schema.Number, success: Schema.Number }) {}
          class Lonely extends Task.make("lonely", { queue: "lonely" }) {}
          yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Job.toLayer((n) => Effect.succeed(n)))))
          const [run, revoked] = [yield* TaskId.make, yield* TaskId.make]
          assert.isTrue(TaskId.isGenerated(run))
          const handle = yield* Job.enqueue(1, { id: run, resultTtl: "30 minutes" })
          assert.strictEqual(yield* within("1 second", handle.await), 1)
          yield* (yield* Lonely.enqueue(undefined, { id: revoked, resultTtl: "30 minutes" })).revoke()
          // beyond the dedupe window of ten minutes
          yield* pass("20 minutes", "5 minutes")
          assert.isTrue(Exit.isFailure(yield* Effect.exit(Job.enqueue(2, { id: run }))))
          assert.isTrue(Exit.isFailure(yield* Effect.exit(Lonely.enqueue(undefined, { id: revoked }))))
          yield* pass("15 minutes", "5 minutes")
          assert.strictEqual(yield* within("1 second", Job.execute(2, { id: run })), 2)
        })
      )
    )

    it.effect("a settle that dies is told, holds up no other, and is tried again", () =>
      world(layer, ({ warnings }) =>
        Effect.gen(function* () {
          class Job extends Task.make("job", { payload: Schema.String, success: Schema.String }) {}
          let broken = true
          const broker = yield* Broker
          const defective = ({ settle, ...consumer }: Consumer): Consumer => ({
            ...consumer,
            settle: (settlements) =>
              broken && settlements.some(({ delivery }) => delivery.wire.includes("poison"))
                ? Effect.die(new Error("a defect of the driver"))
                : settle(settlements)
          })
          yield* Effect.provideService(
            started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Job.toLayer((text) => Effect.succeed(text))))),
            Broker,
            { ...broker, consume: (options) => Effect.map(broker.consume(options), defective) }
          )
          const handles = yield* Job.enqueueAll(["a", "poison", "b"])
          yield* pass("10 seconds")
          const counts = broker.counts("default")
          assert.deepInclude(yield* counts, { active: 1 })
          assert.deepStrictEqual([yield* handles[0].await, yield* handles[2]!.await], ["a", "b"])
          const told = warnings().filter((line) => line.includes("a defect of the driver"))
          assert(told.length >= 2 && told.length <= 5, `told ${told.length} times`)
          broken = false
          yield* pass("10 seconds")
          assert.deepInclude(yield* counts, { active: 0 })
          assert.strictEqual(yield* handles[1]!.await, "poison")
        })
      )
    )
  })
}
