/**
 * A connection that comes back. Each ioredis instance lives once: when it breaks, whatever was under way fails, and a new one
 * is made, so that no command is sent a second time without its sender's knowing.
 */
import type { Full } from "celeriac/Broker"
import { Unavailable } from "celeriac/Broker"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Scope } from "effect/Scope"
import { Command, Redis, type RedisOptions } from "ioredis"
import type { RedisError } from "../RedisError.ts"
import { refusalOf, startError } from "./errors.ts"

/** What a command can fail with. */
export type LinkError = Unavailable | Full

export interface Link {
  /** Sends a command. The strings of its reply are strings. */
  readonly call: (name: string, args: ReadonlyArray<string | number>) => Effect.Effect<unknown, LinkError>
  /** The connection as it stands; `undefined` while there is none. */
  readonly redis: () => Redis | undefined
}

export interface LinkOptions {
  /** For people: without user and password. */
  readonly address: string
  readonly redis: Omit<RedisOptions, "replyMapping">
  /** Done with each new connection before others use it. */
  readonly prepare?: ((redis: Redis) => Effect.Effect<void, RedisError>) | undefined
}

/** Between two tries, milliseconds. */
const shortestPause = 50
const longestPause = 1000

/** Fails if the first connection does not come about; later ones are tried for ever. */
export const make = Effect.fnUntraced(function* (options: LinkOptions): Effect.fn.Return<Link, RedisError, Scope> {
  const started = Deferred.makeUnsafe<void, RedisError>()
  let current: Redis | undefined
  let failures = 0

  const life = Effect.gen(function* () {
    const redis = yield* Effect.acquireRelease(connect(options), (redis) => Effect.sync(() => redis.disconnect()))
    const closed = Deferred.makeUnsafe<void>()
    redis.once("end", () => Deferred.doneUnsafe(closed, Effect.void))
    if (options.prepare !== undefined) yield* options.prepare(redis)
    if (redis.status !== "ready") return
    yield* Effect.acquireRelease(
      Effect.sync(() => (current = redis)),
      () => Effect.sync(() => (current = undefined))
    )
    if (failures > 0) yield* Effect.logInfo(`${options.address} is back`)
    Deferred.doneUnsafe(started, Effect.void)
    yield* Deferred.await(closed)
  }).pipe(Effect.scoped)

  const loop = Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(life)
    if (result._tag === "Failure" && !Deferred.isDoneUnsafe(started)) {
      Deferred.doneUnsafe(started, Effect.fail(result.failure))
      return yield* Effect.never
    }
    // a server that takes connections and drops them at once must not be asked a thousand times a second
    failures = (yield* Clock.currentTimeMillis) - began > 2 * longestPause ? 1 : failures + 1
    if (failures === 1) yield* Effect.logWarning(`the connection to ${options.address} was lost; trying again`)
    const pause = Math.min(longestPause, shortestPause * 1.6 ** (failures - 1))
    yield* Effect.sleep(pause * (0.5 + (yield* Random.next)))
  })
  yield* Effect.forkScoped(Effect.forever(loop))
  yield* Deferred.await(started)

  const nothing = Effect.suspend(() =>
    Effect.fail(new Unavailable({ accepted: "no", detail: `no connection to ${options.address}` }))
  )
  return {
    redis: () => current,
    call: (name, args) =>
      Effect.suspend(() => {
        const redis = current
        return redis === undefined ? nothing : send(redis, name, args)
      })
  }
})

/** Sends a command on this very connection. */
export const send = (
  redis: Redis,
  name: string,
  args: ReadonlyArray<string | number>
): Effect.Effect<unknown, LinkError> =>
  Effect.callback((resume) => {
    const command = new Command(name, Array.from(args), { replyEncoding: "utf8" }, (error, reply) => {
      resume(error ? Effect.fail(refusalOf(error)) : Effect.succeed(reply))
    })
    redis.sendCommand(command)
  })

const connect = ({ address, redis: options }: LinkOptions): Effect.Effect<Redis, RedisError> =>
  Effect.callback((resume) => {
    const own: Omit<RedisOptions, "replyMapping"> = {
      ...options,
      lazyConnect: true,
      // one life for each instance, and no command without somebody who waits for it
      retryStrategy: null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      maxRetriesPerRequest: 0
    }
    const redis = new Redis(own)
    let failure: Error | undefined
    redis.on("error", (error: Error) => (failure = error))
    redis.connect().then(
      () => resume(Effect.succeed(redis)),
      (error: Error) => {
        redis.disconnect()
        resume(Effect.fail(startError(address, failure ?? error)))
      }
    )
    return Effect.sync(() => redis.disconnect())
  })
