/**
 * Looks at a server before anything is written there: whether it is a Redis that this version can use, and whether what it
 * has under the prefix is ours.
 */
import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"
import { RedisError, type RedisReason } from "../RedisError.ts"
import { startError } from "./errors.ts"
import { channelsOf, layoutKey } from "./keys.ts"
import type { Settings } from "./settings.ts"

/** Grows when keys or scripts change so that an older version would read them wrongly. */
export const layoutVersion = 1

const oldest = [6, 2] as const

export interface ServerFacts {
  readonly version: string
  /** Knows flags of scripts: from 7.0 on. */
  readonly flags: boolean
  /** By which it forgets keys when it is full; `undefined`: it forgets none. */
  readonly evicts: string | undefined
}

export const inspect = Effect.fnUntraced(function* (
  redis: Redis,
  { address, database, prefix }: Settings
): Effect.fn.Return<ServerFacts, RedisError> {
  const ask = <A>(question: () => Promise<A>) =>
    Effect.tryPromise({
      try: question,
      catch: (error) => startError(address, error instanceof Error ? error : new Error(String(error)))
    })
  const refuse = (reason: RedisReason, detail: string) =>
    Effect.fail(new RedisError({ reason, server: address, detail }))

  const info = new Map(
    (yield* ask(() => redis.info()))
      .split("\r\n")
      .map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)])
  )
  const version = info.get("redis_version") ?? ""
  const [major = 0, minor = 0] = version.split(".").map(Number)
  if (version === "") return yield* refuse("WrongServer", "the server does not say that it is a Redis")
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    return yield* refuse("TooOld", `the server is Redis ${version}; 6.2 or newer is needed`)
  }
  const mode = info.get("redis_mode")
  if (mode === "sentinel") {
    return yield* refuse("WrongServer", "this is a Sentinel, which holds no data: give the address of the master")
  }
  if (mode === "cluster") {
    return yield* refuse("WrongServer", "this is a node of a Redis Cluster, which this layer does not serve")
  }
  if (info.get("role") === "slave") {
    return yield* refuse("WrongServer", "this is a replica, which takes no writes: give the address of its master")
  }

  // the client goes on in database 0 when the server does not have the one that was asked for
  yield* Effect.catch(
    ask(() => redis.select(database)),
    ({ detail }) => refuse("InvalidOption", `the server has no database ${database} (${detail})`)
  )

  // what all scripts do: ask for the time, and push
  const probe = "redis.call('TIME') return redis.call('PUBLISH', ARGV[1], '')"
  yield* ask(() => redis.eval(probe, 0, `${channelsOf(prefix, database)}probe`))

  const key = layoutKey(prefix)
  const mine = `celeriac ${layoutVersion}`
  const look = ask(() => redis.get(key)).pipe(
    Effect.catchIf(
      (error) => error.detail.includes("WRONGTYPE"),
      () => Effect.succeed("of another type")
    )
  )
  // a full server takes no writes, and need not be told again
  const found =
    (yield* look) ??
    (yield* Effect.andThen(
      ask(() => redis.setnx(key, mine)),
      look
    ))
  if (found !== null && found !== mine) {
    return yield* found.startsWith("celeriac ")
      ? refuse(
          "OtherLayout",
          `keys with prefix "${prefix}" have the layout "${found}", this version reads "${mine}": use its version of Celeriac, or another prefix`
        )
      : refuse("PrefixInUse", `key "${key}" is not ours: choose another prefix`)
  }
  const policy = info.get("maxmemory_policy") ?? "noeviction"
  const evicts = policy !== "noeviction" && info.get("maxmemory") !== "0"
  return { version, flags: major >= 7, evicts: evicts ? policy : undefined }
})
