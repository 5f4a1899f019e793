/** A server without room: what is there is worked off, what is new is refused, and nobody is locked out. */
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { Redis } from "ioredis"
import { afterAll, beforeAll } from "vitest"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../scripts/redis-server.mjs"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import { queueKeys } from "../src/internal/keys.ts"
import { load } from "../src/internal/scripts.ts"

class Length extends Task.make("length", { payload: { text: Schema.String }, success: Schema.Number }) {}

const LengthLive = Length.toLayer(({ text }) => Effect.succeed(text.length))

let url = ""
let stop: () => Promise<void> = () => Promise.resolve()
let redis: Redis

beforeAll(async () => {
  const server = (await startRedis()) as { readonly url: string; readonly stop: () => Promise<void> }
  url = server.url
  stop = server.stop
  redis = new Redis(url)
}, 60_000)

afterAll(async () => {
  redis.disconnect()
  await stop()
})

/** From now on, until the effect has ended, there is no room. */
const whileFull = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const used = /used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]
      await redis.config("SET", "maxmemory", Math.max(1, Number(used) - 500_000))
    }),
    () => effect,
    () => Effect.promise(() => redis.config("SET", "maxmemory", 0))
  )

const layer = (prefix: string) => CeleriacRedis.layer({ url, prefix })

const text = "x".repeat(5000)

describe("a full server", () => {
  it.live("refuses what is new, lets new programs in, and is worked off by a new worker", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 400 }, () => ({ text }))
      const handles = yield* Effect.provide(Length.enqueueAll(texts), layer("full"))
      yield* whileFull(
        Effect.gen(function* () {
          const refused = yield* Effect.flip(Length.enqueue({ text }))
          assert.strictEqual(refused.reason._tag, "BrokerFull")
          // nothing of the producer's own is refused but that
          assert.strictEqual((yield* (yield* Broker).counts("default")).queued, 400)
        }).pipe(Effect.provide(layer("full")))
      )
      yield* whileFull(
        Effect.gen(function* () {
          yield* Layer.build(Layer.provide(Worker.layer({ tasks: [Length] }), LengthLive))
          for (const { id } of handles) assert.strictEqual(yield* (yield* Length.handle(id)).await, text.length)
          assert.strictEqual((yield* (yield* Broker).counts("default")).queued, 0)
        }).pipe(Effect.scoped, Effect.provide(layer("full")))
      )
    })
  )

  it.live("that was never used is told as full", () =>
    Effect.gen(function* () {
      yield* Effect.promise(() => redis.set("ballast", "x".repeat(1_000_000)))
      const error = yield* whileFull(Effect.flip(Effect.scoped(Layer.build(layer("unused")))))
      assert.strictEqual(error.reason, "Full")
    })
  )

  it.live("before version 7 runs the same scripts", () =>
    Effect.gen(function* () {
      const old = load({ time: "server", flags: false })
      const { held, publisher, queue } = queueKeys("old", "q")
      const run = (text: string, keys: ReadonlyArray<string>, ...args: ReadonlyArray<string | number>) =>
        Effect.tryPromise(() => redis.eval(text, queue.length + keys.length, ...queue, ...keys, "c:", "q", ...args))
      yield* run(old.register.text, [held("me.30000")], "me.30000", 30_000, "{}")
      yield* whileFull(
        Effect.gen(function* () {
          assert.isArray(yield* run(old.renew.text, [held("me.30000")], "me.30000", 30_000))
          const refused = yield* Effect.flip(run(old.publish.text, [publisher("p")], 1, 0, 1, "id", "15{}"))
          assert.match(String(refused.cause), /OOM/)
        })
      )
    })
  )

  it.live("that forgets keys is warned of, once", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void lines.push([message].flat().join(" ")))])
    return Effect.gen(function* () {
      yield* Effect.promise(() => redis.config("SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "1gb"))
      yield* Effect.scoped(Layer.build(layer("warned")))
      assert.lengthOf(
        lines.filter((line) => line.includes("maxmemory-policy allkeys-lru")),
        1
      )
    }).pipe(
      Effect.provide(logger),
      Effect.ensuring(Effect.promise(() => redis.config("SET", "maxmemory-policy", "noeviction", "maxmemory", "0")))
    )
  })
})
