/** A Redis server for one benchmark, and what it tells of itself. */
import { Effect, Schema } from "effect"
import { Redis } from "ioredis"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../scripts/redis-server.mjs"

interface RunningServer {
  readonly url: string
  readonly stop: () => Promise<void>
}

export class ServerError extends Schema.TaggedError<ServerError>()("ServerError", { cause: Schema.Defect() }) {
  override get message(): string {
    return `the Redis server of the benchmark failed: ${String(this.cause)}`
  }
}

/** Without persistence. It ends with the scope, or with this process. */
export const start = Effect.gen(function* () {
  const { url } = yield* Effect.acquireRelease(
    asked((): Promise<RunningServer> => startRedis()),
    ({ stop }) => Effect.promise(stop)
  )
  const redis = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const info = (section: string, ...fields: ReadonlyArray<string>) =>
    Effect.map(
      asked(() => redis.info(section)),
      (text) => fields.map((field) => new RegExp(`^${field}:(.*)`, "m").exec(text)?.[1]?.trim() ?? "")
    )
  return {
    url,
    version: Effect.map(info("server", "redis_version"), ([version]) => version!),
    /** Bytes that its data takes. What clients have in their buffers just now does not count. */
    memory: Effect.map(
      info("memory", "used_memory", "mem_clients_normal"),
      ([used, clients]) => Number(used) - Number(clients)
    ),
    /** Microseconds of CPU since it started. */
    cpu: Effect.map(
      info("cpu", "used_cpu_user", "used_cpu_sys"),
      ([user, system]) => (Number(user) + Number(system)) * 1e6
    ),
    empty: asked(() => redis.flushall()),
    /** Writes each change to a file that is flushed to the disk every second, or not. */
    appendOnly: (on: boolean) =>
      asked(async () => {
        await redis.config("SET", "appendfsync", "everysec")
        await redis.config("SET", "appendonly", on ? "yes" : "no")
        if (!on) return
        // it begins by writing what there is
        for (let writing = true; writing;) {
          writing = /aof_rewrite_(in_progress|scheduled):1/.test(await redis.info("persistence"))
        }
      }),
    ask: <A>(question: (redis: Redis) => Promise<A>) => asked(() => question(redis)),
    /** How many commands clients send while the effect runs; what scripts call does not count. */
    commandsDuring: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.scoped(
        Effect.gen(function* () {
          let commands = 0
          const monitor = yield* Effect.acquireRelease(
            asked(() => redis.monitor()),
            (monitor) => Effect.sync(() => monitor.disconnect())
          )
          monitor.on("monitor", (_time: string, _args: ReadonlyArray<string>, source: string) => {
            if (source !== "lua") commands++
          })
          yield* effect
          return commands
        })
      )
  }
})

const asked = <A>(question: () => Promise<A>) =>
  Effect.tryPromise({ try: question, catch: (cause) => new ServerError({ cause }) })

export type Server = Effect.Success<typeof start>
