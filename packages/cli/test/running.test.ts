/** Which runs are under way, whatever their handlers do. */
import { assert, describe, it } from "@effect/vitest"
import { CeleriacMemory, Task, Worker } from "celeriac"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Running } from "../src/Running.ts"

class Wait extends Task.make("wait", {}) {}
class Throw extends Task.make("throw", {}) {}
class Die extends Task.make("die", {}) {}

describe("Running", () => {
  it.effect("counts those that have started and not ended", () =>
    Effect.gen(function* () {
      const running = new Running()
      const began = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const handlers = Layer.mergeAll(
        Wait.toLayer(() => Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(go))),
        Throw.toLayer((): Effect.Effect<void> => {
          throw new Error("before there is an effect")
        }),
        Die.toLayer(() => Effect.die(new Error("in the effect")))
      )
      // the same handlers, so of the same type
      const watched = running.watch(Task.registeredIn(yield* Layer.build(handlers)), {
        starts: false
      }) as Context.Context<Layer.Success<typeof handlers>>
      const worker = Worker.layer({ tasks: [Wait, Throw, Die] }).pipe(
        Layer.provide(Layer.succeedContext(watched)),
        Layer.provideMerge(CeleriacMemory.layer)
      )
      yield* Effect.gen(function* () {
        yield* Effect.exit(Throw.execute())
        yield* Effect.exit(Die.execute())
        const { id } = yield* Wait.enqueue()
        yield* Deferred.await(began)
        assert.strictEqual(running.count, 1)
        assert.deepStrictEqual(running.leaves().slice(1), [`  wait ${id}`])
        const handle = yield* Wait.enqueue()
        yield* Deferred.succeed(go, undefined)
        yield* handle.await
        assert.deepStrictEqual([running.count, running.leaves()], [0, ["nothing was running"]])
      }).pipe(Effect.provide(worker))
    }).pipe(Effect.scoped)
  )
})
