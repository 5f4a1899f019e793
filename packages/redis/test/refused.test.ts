/** What is told at the start of servers that answer, and that a layer cannot use: real ones, and one that says what it is told to. */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { Redis } from "ioredis"
import { inject } from "vitest"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import * as redisServer from "../../../scripts/redis-server.mjs"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import type { RedisReason } from "../src/RedisError.ts"

// the script's own words
const { freePort, redisProgram, startRedis } = redisServer as {
  readonly freePort: () => Promise<number>
  readonly redisProgram: () => string
  readonly startRedis: (
    ...args: ReadonlyArray<string>
  ) => Promise<{ readonly port: number; readonly stop: () => Promise<void> }>
}

/** A place where a server answers. */
type Server = Effect.Effect<number, never, Scope>

/** The error with which a layer cannot be built there. */
const refusal = (port: number) =>
  Effect.flip(
    Effect.scoped(Layer.build(CeleriacRedis.layerServer({ host: "127.0.0.1", port, connectTimeout: "2 seconds" })))
  )

const real = (...args: ReadonlyArray<string>): Server =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => startRedis(...args)),
      ({ stop }) => Effect.promise(stop)
    ),
    ({ port }) => port
  )

/** Once it answers. */
const sentinel: Server = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const port = await freePort()
      const folder = mkdtempSync(join(tmpdir(), "celeriac-sentinel-"))
      // it writes there what it learns
      const file = join(folder, "sentinel.conf")
      writeFileSync(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\n`)
      const child = spawn(redisProgram(), [file, "--sentinel"], { stdio: ["ignore", "ignore", "inherit"] })
      const gone = new Promise((resolve) => child.once("exit", resolve))
      const kill = () => child.kill("SIGKILL")
      // it ends with this process at the latest
      process.once("exit", kill)
      const redis = new Redis({ host: "127.0.0.1", port, retryStrategy: () => 20, maxRetriesPerRequest: null })
      redis.on("error", () => {})
      await redis.ping()
      redis.disconnect()
      const stop = async () => {
        kill()
        await gone
        process.removeListener("exit", kill)
        rmSync(folder, { recursive: true, force: true })
      }
      return { port, stop }
    }),
    ({ stop }) => Effect.promise(stop)
  ),
  ({ port }) => port
)

/** What a client asks one: an array of texts. */
const requests = /\*(\d+)\r\n((?:\$\d+\r\n[^\r\n]*\r\n)+)/g

interface Pretender {
  readonly port: number
  /** The names of the commands that it was sent, in their order. */
  readonly asked: ReadonlyArray<string>
}

/** Tells this about itself, and agrees with everything else. */
const pretender = (info: Readonly<Record<string, string>>): Effect.Effect<Pretender, never, Scope> => {
  const text = Object.entries(info).map(([name, value]) => `${name}:${value}\r\n`)
  const about = `# Server\r\n${text.join("")}`
  return Effect.acquireRelease(
    Effect.callback<Pretender & { readonly close: () => void }>((resume) => {
      const asked: Array<string> = []
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.setEncoding("utf8")
        socket.on("data", (bytes: string) => {
          for (const [, , words] of bytes.matchAll(requests)) {
            const name = words!.split("\r\n")[1]!.toLowerCase()
            asked.push(name)
            socket.write(name === "info" ? `$${about.length}\r\n${about}\r\n` : "+OK\r\n")
          }
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, asked, close: () => server.close() }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
}

describe("a layer is refused", () => {
  const sharedPort = new URL(inject("redisUrl")).port

  it.live.each<[what: string, server: Server, reason: RedisReason, told: ReadonlyArray<RegExp>]>([
    ["a Sentinel", sentinel, "WrongServer", [/this is a Sentinel/, /give the address of the master/]],
    ["a node of a Cluster", real("--cluster-enabled", "yes"), "WrongServer", [/node of a Redis Cluster/, /not serve/]],
    [
      "a replica",
      real("--replicaof", `127.0.0.1 ${sharedPort}`),
      "WrongServer",
      [/this is a replica, which takes no writes/, /give the address of its master/]
    ],
    [
      "a replica whose master is away",
      real("--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"),
      "WrongServer",
      [/this is a replica, which takes no writes/, /give the address of its master/]
    ]
  ])("on %s", ([, server, reason, told]) =>
    Effect.gen(function* () {
      const port = yield* server
      const error = yield* refusal(port)
      assert.strictEqual(error.reason, reason, error.message)
      assert.strictEqual(error.server, `redis://127.0.0.1:${port}/0`)
      for (const words of told) assert.match(error.detail, words)
    }).pipe(Effect.scoped)
  )

  it.live.each(["2.8.24", "5.0.14", "6.0.20", "6.1.242"])("on Redis %s, and nothing is written there", (version) =>
    Effect.gen(function* () {
      const { asked, port } = yield* pretender({ redis_version: version, redis_mode: "standalone", role: "master" })
      const error = yield* refusal(port)
      assert.strictEqual(error.reason, "TooOld", error.message)
      assert.include(error.detail, `the server is Redis ${version}`)
      assert.include(error.detail, "6.2 or newer is needed")
      assert.include(asked, "info")
      for (const name of ["set", "setnx", "eval", "script"]) assert.notInclude(asked, name)
    }).pipe(Effect.scoped)
  )

  it.live("on what speaks the protocol and does not say that it is a Redis", () =>
    Effect.gen(function* () {
      const { port } = yield* pretender({ server_name: "something else" })
      const error = yield* refusal(port)
      assert.strictEqual(error.reason, "WrongServer", error.message)
      assert.include(error.detail, "does not say that it is a Redis")
    }).pipe(Effect.scoped)
  )

  it.live.each(["6.2.0", "7.0.15", "8.2.1", "10.0.0"])("not for its version on Redis %s", (version) =>
    Effect.gen(function* () {
      // it goes on, until what it reads under the prefix is nothing of ours
      const { asked, port } = yield* pretender({ redis_version: version, redis_mode: "standalone", role: "master" })
      const error = yield* refusal(port)
      assert.strictEqual(error.reason, "PrefixInUse", error.message)
      assert.include(asked, "get")
    }).pipe(Effect.scoped)
  )
})
