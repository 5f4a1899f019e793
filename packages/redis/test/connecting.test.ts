/** What a layer says when it cannot be built, and what becomes of one whose server goes away. */
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import { ResultBackend } from "celeriac/ResultBackend"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Redis } from "ioredis"
import { afterAll, beforeAll, inject } from "vitest"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import { queueKeys } from "../src/internal/keys.ts"
import type { Options } from "../src/RedisServer.ts"
import { redisServer } from "./simulation/server.ts"

/** The server of all test files: nothing is done to it that others could notice. */
const url = inject("redisUrl")
let prefixes = 0
const prefix = () => `connecting-${++prefixes}`

/** The error with which the layer cannot be built. */
const refusal = (options: Options) =>
  Effect.flip(Effect.scoped(Layer.build(CeleriacRedis.layerServer({ connectTimeout: "2 seconds", ...options }))))

const command = (...[name, ...args]: [string, ...Array<string>]) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Redis(url)),
    (redis) => Effect.promise(() => redis.call(name, args)),
    (redis) => Effect.sync(() => redis.disconnect())
  )

/** Something that listens on a port and answers every byte with this text. */
const stranger = (answer: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.on("data", () => socket.write(answer))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("a layer that cannot be built", () => {
  it.live.each<[problem: string, options: Options, detail: RegExp]>([
    ["a port that is none", { port: 70_000 }, /port must be 1 to 65535/],
    ["a database that is no number", { url: "redis://localhost/mail" }, /database that is no number/],
    ["a URL of something else", { url: "http://localhost" }, /begins with http:/],
    ["a URL that is none", { url: "localhost" }, /cannot be read/],
    ["a password that is not encoded", { url: "redis://user:12/34@localhost" }, /password with a "\/"/],
    ["a database that the server does not have", { url: `${url}/99` }, /no database 99/],
    ["a URL that is encoded wrongly", { url: "redis://user:50%@localhost" }, /"%25" for the sign itself/],
    // @ts-expect-error programs without types can give anything
    ["a time-out that is none", { commandTimeout: "soon" }, /commandTimeout must be .* "5 seconds"/],
    ["a time-out of another type", { connectTimeout: {} }, /connectTimeout must be/],
    ["a time-out without end", { commandTimeout: Infinity }, /commandTimeout must be a finite/],
    ["a prefix with odd characters", { prefix: "a b" }, /prefix must be/],
    ["one connection", { maxConnections: 1 }, /maxConnections must be/],
    ["a time-out of nothing", { commandTimeout: 0 }, /commandTimeout must be/]
  ])("tells %s", ([, options, detail]) =>
    Effect.map(refusal(options), (error) => {
      assert.strictEqual(error.reason, "InvalidOption")
      assert.match(error.message, detail)
    })
  )

  it.live("shows no password", () =>
    Effect.map(refusal({ url: "redis://user:secret@localhost:1/x" }), (error) =>
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
    )
  )

  it.live("tells that nobody answers", () =>
    Effect.map(refusal({ url: "redis://127.0.0.1:1" }), (error) => {
      assert.strictEqual(error.reason, "Unreachable")
      assert.strictEqual(error.server, "redis://127.0.0.1:1/0")
    })
  )

  it.live("tells that something else answers", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { port } = yield* stranger("HTTP/1.1 400 Bad Request\r\n\r\n")
        const error = yield* refusal({ host: "127.0.0.1", port })
        assert.strictEqual(error.reason, "WrongServer")
      })
    )
  )

  it.live("tells that the password is wrong", () =>
    Effect.map(refusal({ url, username: "nobody", password: Redacted.make("wrong") }), (error) => {
      assert.strictEqual(error.reason, "WrongPassword")
      assert.notInclude(error.message, "wrong-")
    })
  )

  it.live("tells that keys have another layout", () =>
    Effect.gen(function* () {
      const own = prefix()
      yield* command("set", `${own}:layout`, "celeriac 99")
      const error = yield* refusal({ url, prefix: own })
      assert.strictEqual(error.reason, "OtherLayout")
      assert.include(error.message, "celeriac 99")
    })
  )

  it.live.each([["set", "a cache"] as const, ["lpush", "a list"] as const])(
    "tells that the prefix is in use (%s)",
    ([how, what]) =>
      Effect.gen(function* () {
        const own = prefix()
        yield* command(how, `${own}:layout`, what)
        assert.strictEqual((yield* refusal({ url, prefix: own })).reason, "PrefixInUse")
      })
  )
})

describe("a layer", () => {
  it.live("takes its options from the configuration", () =>
    Effect.gen(function* () {
      const layer = CeleriacRedis.layerConfig({ url: Config.Redacted("REDIS_URL"), prefix: Config.String("PREFIX") })
      const { location } = yield* Broker.pipe(
        Effect.provide(
          Layer.provide(
            layer,
            ConfigProvider.layer(ConfigProvider.fromEnvRecord({ REDIS_URL: url, PREFIX: "configured" }))
          )
        )
      )
      assert.match(location, /\/0\/configured$/)
    })
  )

  it.live("takes the options of two servers from the configuration", () =>
    Effect.gen(function* () {
      const layer = CeleriacRedis.layerConfig({
        broker: { url: Config.String("BROKER"), prefix: Config.succeed("two") },
        resultBackend: { url: Config.String("RESULTS"), prefix: Config.succeed("two") }
      })
      const given = ConfigProvider.fromEnvRecord({ BROKER: url, RESULTS: `${url}/1` })
      const places = Effect.gen(function* () {
        return [(yield* Broker).location, (yield* ResultBackend).location]
      })
      const [messages, results] = yield* Effect.provide(places, Layer.provide(layer, ConfigProvider.layer(given)))
      assert.match(messages!, /\/0\/two$/)
      assert.match(results!, /\/1\/two$/)
    })
  )

  it.live("keeps results beside the messages when no place is named for them", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* ResultBackend).location, (yield* Broker).location)
    }).pipe(Effect.provide(CeleriacRedis.layerServer({ broker: { url, prefix: prefix() } })))
  )
})

class Wait extends Task.make("wait", { payload: { n: Schema.Number }, success: Schema.Number }) {}

describe("connections", () => {
  const scope = Scope.makeUnsafe()
  /** A server of this part's own: connections are counted and cut. */
  let own = ""
  let eye: Redis

  beforeAll(async () => {
    own = await Effect.runPromise(Scope.provide(redisServer, scope))
    eye = new Redis(own)
  })

  afterAll(async () => {
    eye.disconnect()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const named = (name: string) =>
    Effect.promise(async () => {
      const clients = String(await eye.call("CLIENT", "LIST"))
      return clients.split("\n").filter((client) => client.includes(` name=${name} `)).length
    })

  /** Connections that were made to the server since its start. */
  const received = Effect.promise(async () => {
    const [, count] = /^total_connections_received:(\d+)/m.exec(await eye.info("stats")) ?? []
    return Number(count)
  })

  it.live.each([2, 3, 5])(
    "are never more than %i, whatever is done",
    (maxConnections) => {
      const clientName = `counted-${maxConnections}`
      const options = { url: own, prefix: prefix(), clientName, maxConnections }
      const queues = Array.from({ length: 20 }, (_, nth) => `queue-${nth}`)
      const count = 1000
      /** Those that stand: none is missing, none too many. */
      const look = (phase: string) =>
        Effect.map(named(clientName), (found) => assert.strictEqual(found, maxConnections, phase))

      /** Registrations of handles that wait. */
      const watched = Effect.promise(async () => {
        const lengths = queues.flatMap((queue) =>
          queueKeys(options.prefix, queue).watchers.map((watchers) => eye.hlen(watchers))
        )
        return (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0)
      })

      const use = Effect.gen(function* () {
        yield* look("built")
        const handles = yield* Effect.forEach(
          Array.from({ length: count }, (_, n) => n),
          (n) => Wait.enqueue({ n }, { queue: queues[n % queues.length]! }),
          { concurrency: "unbounded" }
        )
        yield* look("enqueued to all queues")
        const waiting = yield* Effect.forkChild(
          Effect.forEach(handles, (handle) => handle.await, { concurrency: "unbounded" })
        )
        yield* Effect.repeat(watched, { until: (length) => length >= count })
        yield* look("handles wait")
        const running = yield* Semaphore.make(0)
        const go = yield* Deferred.make<void>()
        const handler = Wait.toLayer(({ n }) => Effect.andThen(running.release(1), Effect.as(Deferred.await(go), n)))
        const worker = yield* Scope.fork(yield* Effect.scope)
        yield* Layer.buildWithScope(
          Layer.provide(Worker.layer({ tasks: [Wait], queues, concurrency: 100 }), handler),
          worker
        )
        yield* running.take(100)
        yield* look("a worker of all queues runs as much as it may")
        const others = yield* Effect.forEach(queues, (queue) => Wait.enqueue({ n: -1 }, { queue }), {
          concurrency: "unbounded"
        })
        yield* look("more is enqueued meanwhile")
        yield* Deferred.succeed(go, undefined)
        assert.deepStrictEqual(
          yield* Fiber.join(waiting),
          Array.from({ length: count }, (_, n) => n)
        )
        yield* Effect.forEach(others, (handle) => handle.await, { concurrency: "unbounded" })
        yield* look("all have ended")
        yield* Scope.close(worker, Exit.void)
        yield* look("the worker has stopped")
      }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer(options)))

      return Effect.gen(function* () {
        const before = yield* received
        yield* use
        // nor did any come and go between two looks
        assert.strictEqual((yield* received) - before, maxConnections)
        // the server learns of it a moment after the layer is gone
        yield* Effect.repeat(named(clientName), { until: (found) => found === 0 })
      })
    },
    20_000
  )

  it.live("come back when they were cut", () =>
    Effect.suspend(() =>
      Effect.gen(function* () {
        const { counts } = yield* Broker
        yield* counts("mail")
        const cut = yield* Effect.promise(() => eye.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        assert.isAtLeast(Number(cut), 1)
        const found = yield* Effect.retry(counts("mail"), { times: 100, schedule: Schedule.spaced("50 millis") })
        assert.strictEqual(found.queued, 0)
      }).pipe(Effect.provide(CeleriacRedis.layerServer({ url: own, prefix: prefix() })))
    )
  )
})
