/** A Redis server for one benchmark, and what it tells of itself. */
import { Effect } from "effect"
import { Redis } from "ioredis"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../../scripts/redis-server.mjs"

interface RunningServer {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Without persistence. */
export const start = Effect.gen(function* () {
  const { url } = yield* Effect.acquireRelease(
    Effect.promise((): Promise<RunningServer> => startRedis()),
    ({ stop }) => Effect.promise(stop)
  )
  const redis = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const info = (section: string, field: string) =>
    Effect.map(
      Effect.promise(() => redis.info(section)),
      (text) => new RegExp(`^${field}:(.*)`, "m").exec(text)?.[1]?.trim() ?? ""
    )
  return {
    url,
    version: info("server", "redis_version"),
    /** Bytes that its data takes. */
    memory: Effect.map(info("memory", "used_memory"), Number),
    empty: Effect.promise(() => redis.flushall()),
    /** How many commands clients send while the effect runs; what scripts call does not count. */
    commandsDuring: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.scoped(
        Effect.gen(function* () {
          let commands = 0
          const monitor = yield* Effect.acquireRelease(
            Effect.promise(() => redis.monitor()),
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

export type Server = Effect.Success<typeof start>
