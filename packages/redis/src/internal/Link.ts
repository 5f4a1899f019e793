/**
 * A connection that comes back. Each ioredis instance lives once: when it breaks, whatever was under way fails, and a new one
 * is made, so that no command is sent a second time without its sender's knowing.
 */
import type { Full } from "celeriac/Broker"
import { Unavailable } from "celeriac/Broker"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import type { Scope } from "effect/Scope"
import { Command, Redis, type RedisOptions } from "ioredis"
import { RedisError } from "../RedisError.ts"
import { refusalOf, startError } from "./errors.ts"

/** What a command can fail with. */
export type LinkError = Unavailable | Full

export interface Link {
  /** Sends a command. The strings of its reply are strings. */
  readonly call: (name: string, args: ReadonlyArray<string | number>) => Effect.Effect<unknown, LinkError>
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

/** A connection that stood this long was well: its end is a first failure. */
const healthyAfter = 2 * longestPause

/** Fails if the first connection does not come about; later ones are tried for ever. */
export const make = Effect.fnUntraced(function* (options: LinkOptions): Effect.fn.Return<Link, RedisError, Scope> {
  const { address } = options
  const started = Deferred.makeUnsafe<void, RedisError>()
  let current: Redis | undefined
  let failures = 0
  /** What was told of it last; `undefined` while the connection stands. */
  let trouble: string | undefined

  /** One connection from its beginning to its end. Answers how long it stood, milliseconds. */
  const life = Effect.gen(function* () {
    const redis = yield* Effect.acquireRelease(connect(options), (redis) => Effect.sync(() => redis.disconnect()))
    const closed = Deferred.makeUnsafe<void>()
    redis.once("end", () => Deferred.doneUnsafe(closed, Effect.void))
    if (options.prepare !== undefined) yield* options.prepare(redis)
    if (redis.status !== "ready") return 0
    const since = yield* Clock.monotonicTimeNanos
    yield* Effect.acquireRelease(
      Effect.sync(() => (current = redis)),
      () => Effect.sync(() => (current = undefined))
    )
    if (trouble !== undefined) yield* Effect.logInfo(`${address} is back`)
    trouble = undefined
    Deferred.doneUnsafe(started, Effect.void)
    yield* Deferred.await(closed)
    return Number((yield* Clock.monotonicTimeNanos) - since) / 1e6
  }).pipe(Effect.scoped)

  const loop = Effect.gen(function* () {
    const exit = yield* Effect.exit(life)
    if (Exit.isFailure(exit) && !Deferred.isDoneUnsafe(started)) {
      Deferred.doneUnsafe(started, Effect.failCause(exit.cause))
      return yield* Effect.never
    }
    // a server that takes connections and drops them at once must not be asked a thousand times a second
    failures = Exit.isSuccess(exit) && exit.value >= healthyAfter ? 1 : failures + 1
    const problem = Exit.isSuccess(exit) ? `the connection to ${address} was lost` : problemOf(address, exit.cause)
    if (problem !== trouble) yield* Effect.logWarning(`${problem}; trying again`)
    trouble = problem
    const pause = Math.min(longestPause, shortestPause * 1.6 ** (failures - 1))
    yield* Effect.sleep(pause * (0.5 + (yield* Random.next)))
  })
  yield* Effect.forkScoped(Effect.forever(loop))
  yield* Deferred.await(started)

  const nothing = Effect.suspend(() =>
    Effect.fail(new Unavailable({ accepted: "no", detail: `no connection to ${address}` }))
  )
  return {
    call: (name, args) =>
      Effect.suspend(() => {
        const redis = current
        return redis === undefined ? nothing : send(redis, name, args)
      })
  }
})

const problemOf = (address: string, cause: Cause.Cause<RedisError>): string => {
  const error = Cause.squash(cause)
  return error instanceof RedisError ? error.message : `the connection to ${address} failed: ${String(error)}`
}

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
