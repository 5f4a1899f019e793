/** What a layer says when it cannot be built, and what becomes of one whose server goes away. */
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import { ResultBackend } from "celeriac/ResultBackend"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Redis } from "ioredis"
import { inject } from "vitest"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import type { Options } from "../src/RedisServer.ts"

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

  it.live("has no more connections than it may", () =>
    Effect.gen(function* () {
      const own = { url, prefix: prefix(), clientName: "counted", maxConnections: 3 }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { counts } = yield* Effect.map(
            Layer.build(CeleriacRedis.layerServer(own)),
            (context) =>
              // one service of the layer
              context.mapUnsafe.get(Broker.key) as Broker["Service"]
          )
          for (let queue = 0; queue < 20; queue++) yield* counts(`queue-${queue}`)
          const clients = String(yield* command("client", "list"))
          assert.lengthOf(clients.match(/name=counted /g) ?? [], 3)
        })
      )
    })
  )

  it.live("is used again when its connections were cut", () =>
    Effect.gen(function* () {
      const { counts } = yield* Broker
      yield* counts("mail")
      yield* command("client", "kill", "type", "normal", "skipme", "yes")
      const found = yield* Effect.retry(counts("mail"), { times: 100, schedule: Schedule.spaced("50 millis") })
      assert.strictEqual(found.queued, 0)
    }).pipe(Effect.provide(CeleriacRedis.layerServer({ url, prefix: prefix() })))
  )
})
