/** Encrypted connections, users and what they may do, on a server of its own. */
import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Redis } from "ioredis"
import { afterAll, beforeAll } from "vitest"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../scripts/redis-server.mjs"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import type { Options } from "../src/RedisServer.ts"

class Double extends Task.make("double", { payload: { n: Schema.Number }, success: Schema.Number }) {}

const DoubleLive = Double.toLayer(({ n }) => Effect.succeed(2 * n))

const file = (name: string) => fileURLToPath(new URL(`tls/${name}`, import.meta.url))

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

let tlsPort = 0
let port = 0
let stop: () => Promise<void> = () => Promise.resolve()
let redis: Redis

beforeAll(async () => {
  tlsPort = await freePort()
  const certificate = ["--tls-cert-file", file("cert.pem"), "--tls-key-file", file("key.pem")]
  const server = (await startRedis(
    ...["--tls-port", String(tlsPort), "--tls-auth-clients", "no", "--tls-ca-cert-file", file("cert.pem")],
    ...certificate
  )) as { readonly port: number; readonly stop: () => Promise<void> }
  port = server.port
  stop = server.stop
  redis = new Redis(port)
  // what the page on Redis says that a user needs
  const rules = rulesOf("p")
  await redis.call("ACL", "SETUSER", "celeriac", "on", ">secret/50%", ...rules)
  await redis.call("ACL", "SETUSER", "reader", "on", ">secret", "+@read", "+@connection", "+info", "~*", "&*")
}, 60_000)

afterAll(async () => {
  redis.disconnect()
  await stop()
})

/** As they stand in the documentation. */
const rulesOf = (prefix: string): ReadonlyArray<string> => {
  const page = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8")
  const [, rules] = /```text\n(\+@read .*)\n```/.exec(page) ?? []
  assert.isDefined(rules)
  return rules.replaceAll("celeriac", prefix).split(" ")
}

/** A task goes through it from end to end. */
const works = (options: Options) =>
  Effect.gen(function* () {
    yield* Layer.build(Layer.provide(Worker.layer({ tasks: [Double] }), DoubleLive))
    assert.strictEqual(yield* Double.execute({ n: 21 }), 42)
  }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer({ prefix: "p", ...options })))

const refusal = (options: Options) =>
  Effect.flip(Effect.scoped(Layer.build(CeleriacRedis.layerServer({ prefix: "p", ...options }))))

describe("TLS", () => {
  it.live("works with an authority that is given", () =>
    works({ url: `rediss://127.0.0.1:${tlsPort}`, tls: { ca: readFileSync(file("cert.pem")) } })
  )

  it.live("refuses a certificate that nobody it knows has signed", () =>
    Effect.map(refusal({ url: `rediss://127.0.0.1:${tlsPort}` }), (error) => {
      assert.strictEqual(error.reason, "Unreachable")
      assert.match(error.detail, /self-signed certificate/)
      assert.match(error.detail, /`tls: \{ ca \}`/)
    })
  )

  it.live("refuses a certificate for another name", () =>
    Effect.map(
      refusal({
        port: tlsPort,
        host: "127.0.0.1",
        tls: { ca: readFileSync(file("cert.pem")), servername: "elsewhere" }
      }),
      (error) => {
        assert.strictEqual(error.reason, "Unreachable")
        assert.match(error.detail, /elsewhere/)
      }
    )
  )

  it.live("tells that the server does not speak it", () =>
    Effect.map(refusal({ url: `rediss://127.0.0.1:${port}`, connectTimeout: "2 seconds" }), (error) =>
      assert.strictEqual(error.reason, "Unreachable")
    )
  )
})

describe("users", () => {
  it.live("one with the rights that are documented can do everything", () =>
    works({ host: "127.0.0.1", port, username: "celeriac", password: Redacted.make("secret/50%") })
  )

  it.live("a password in a URL is encoded", () => works({ url: `redis://celeriac:secret%2F50%25@127.0.0.1:${port}` }))

  it.live("one with fewer is told what is missing", () =>
    Effect.map(refusal({ url: `redis://reader:secret@127.0.0.1:${port}` }), (error) => {
      assert.strictEqual(error.reason, "NotAllowed")
      assert.match(error.detail, /NOPERM/)
    })
  )

  it.live("one that may not ask for the time is told at the start", () =>
    Effect.gen(function* () {
      const rules = rulesOf("p").filter((rule) => rule !== "+time")
      yield* Effect.promise(() => redis.call("ACL", "SETUSER", "timeless", "on", ">secret", ...rules))
      const error = yield* refusal({ url: `redis://timeless:secret@127.0.0.1:${port}` })
      assert.strictEqual(error.reason, "NotAllowed")
    })
  )

  it.live("one without its channels is told at the start, and does not wait for pushes that never come", () =>
    Effect.gen(function* () {
      const rules = rulesOf("p").filter((rule) => !rule.startsWith("&"))
      yield* Effect.promise(() => redis.call("ACL", "SETUSER", "deaf", "on", ">secret", "resetchannels", ...rules))
      const error = yield* refusal({ url: `redis://deaf:secret@127.0.0.1:${port}` })
      assert.strictEqual(error.reason, "NotAllowed")
      assert.match(error.detail, /channel/)
    })
  )

  it.live("one of another prefix may not use this one", () =>
    Effect.map(refusal({ url: `redis://celeriac:secret%2F50%25@127.0.0.1:${port}`, prefix: "other" }), (error) =>
      assert.strictEqual(error.reason, "NotAllowed")
    )
  )
})
