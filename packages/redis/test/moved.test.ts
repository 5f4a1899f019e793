/** Places that are not as they were: results that move to a server of their own, names that were lost. */
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Redis } from "ioredis"
import { inject } from "vitest"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import { queuesKey } from "../src/internal/keys.ts"

class Echo extends Task.make("echo", {
  payload: { n: Schema.Number },
  success: Schema.Number,
  progress: Schema.String
}) {}

const url = inject("redisUrl")

describe("results", () => {
  it.live("may move to a server of their own, where the queue was once", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const running = yield* Deferred.make<void>()
      const EchoLive = Echo.toLayer(({ n }, task) =>
        n === 0
          ? Effect.succeed(n)
          : task
              .progress("half")
              .pipe(
                Effect.andThen(Deferred.succeed(running, undefined)),
                Effect.andThen(Deferred.await(gate)),
                Effect.as(n)
              )
      )
      const worker = Layer.provide(Worker.layer({ tasks: [Echo] }), EchoLive)
      const together = CeleriacRedis.layer({ url: `${url}/1`, prefix: "moved" })
      const first = Effect.scoped(Effect.andThen(Layer.build(worker), Echo.execute({ n: 0 })))
      assert.strictEqual(yield* Effect.provide(first, together), 0)

      const apart = CeleriacRedis.layer({
        broker: { url, prefix: "moved" },
        resultBackend: { url: `${url}/1`, prefix: "moved" }
      })
      yield* Effect.gen(function* () {
        yield* Layer.build(worker)
        const handle = yield* Echo.enqueue({ n: 7 })
        const result = yield* Effect.forkChild(handle.await)
        const reports = yield* Effect.forkChild(
          handle.changes.pipe(
            Stream.filter((change) => change._tag === "Progress"),
            Stream.take(1),
            Stream.runCollect
          )
        )
        yield* Deferred.await(running)
        assert.lengthOf(yield* Fiber.join(reports), 1)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(result), 7)
      }).pipe(Effect.scoped, Effect.provide(apart))
    })
  )
})

describe("the name of a queue", () => {
  it.effect("is told again within a minute when the server has lost it", () =>
    Effect.gen(function* () {
      const redis = yield* Effect.acquireRelease(
        Effect.sync(() => new Redis(url)),
        (redis) => Effect.sync(() => redis.disconnect())
      )
      const { queues } = yield* Broker
      yield* Echo.enqueue({ n: 1 })
      yield* Effect.promise(() => redis.del(queuesKey("lost")))
      yield* Echo.enqueue({ n: 2 })
      assert.deepStrictEqual(yield* queues, [])
      yield* TestClock.adjust("1 minute")
      yield* Echo.enqueue({ n: 3 })
      assert.deepStrictEqual(yield* queues, ["default"])
    }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer({ url, prefix: "lost" })))
  )
})
