/** The `Notifier` contract: one connection for all subscriptions of a process. */
import type { Subscriber } from "celeriac/Notifier"
import type { Notifier } from "celeriac/Notifier"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Redis } from "ioredis"
import type { RedisError } from "../RedisError.ts"
import { startError } from "./errors.ts"
import * as Link from "./Link.ts"

/** A connection that listens says nothing for hours: it is asked so often whether it still stands. */
const askEvery = "10 seconds"

/** Channels in one command. */
const chunk = 500

export const make = Effect.fnUntraced(function* (options: {
  readonly link: Link.LinkOptions
  /** Sends pushes. */
  readonly commands: Link.Link
  /** In front of every channel's name. */
  readonly channels: string
}): Effect.fn.Return<Notifier["Service"], RedisError, Scope> {
  const { channels, commands } = options
  const probe = `${channels}probe`
  const subscribers = new Map<string, Set<Subscriber>>()
  /** Where a new channel is subscribed; what comes before is subscribed when the connection is prepared. */
  let listening: Redis | undefined

  const subscribeOn = (redis: Redis, names: ReadonlyArray<string>) =>
    Effect.tryPromise({
      try: () => redis.subscribe(...names),
      catch: (error) => startError(options.link.address, error instanceof Error ? error : new Error(String(error)))
    })

  const prepare = Effect.fnUntraced(function* (redis: Redis) {
    redis.on("message", (channel: string, message: string) => {
      for (const subscriber of subscribers.get(channel) ?? []) subscriber.onMessage(message)
    })
    redis.once("end", () => {
      if (listening === redis) listening = undefined
    })
    listening = redis
    // whether this user may listen shows here, and not in pushes that never come
    yield* subscribeOn(redis, [probe])
    // whoever connects pushes there: the others need not hear it
    redis.unsubscribe(probe).catch(() => {})
    const names = Array.from(subscribers.keys())
    for (let at = 0; at < names.length; at += chunk) yield* subscribeOn(redis, names.slice(at, at + chunk))
    for (const name of names) for (const subscriber of subscribers.get(name) ?? []) subscriber.onReset()
  })

  yield* Link.make({ ...options.link, prepare })

  const ask = Effect.suspend(() => {
    const redis = listening
    // no answer: the connection is given up by its socket's time-out
    return redis === undefined ? Effect.void : Effect.ignore(Effect.tryPromise(() => redis.ping()))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(askEvery), ask)))

  const enter = Effect.fnUntraced(function* (name: string, subscriber: Subscriber) {
    const others = subscribers.get(name)
    if (others === undefined) subscribers.set(name, new Set([subscriber]))
    else others.add(subscriber)
    const redis = listening
    // if the connection breaks meanwhile, the next one subscribes all of them
    if (redis !== undefined) {
      yield* Effect.matchEffect(subscribeOn(redis, [name]), {
        onFailure: () => Effect.void,
        onSuccess: () => Effect.sync(() => subscriber.onReset())
      })
    }
  })

  const leave = (name: string, subscriber: Subscriber) =>
    Effect.sync(() => {
      const others = subscribers.get(name)
      others?.delete(subscriber)
      if (others?.size !== 0) return
      subscribers.delete(name)
      listening?.unsubscribe(name).catch(() => {})
    })

  return {
    subscribe: (channel, subscriber) => {
      const name = channels + channel
      return Effect.asVoid(
        Effect.acquireRelease(Effect.as(enter(name, subscriber), subscriber), () => leave(name, subscriber))
      )
    },
    publish: (channel, message) => Effect.ignore(commands.call("publish", [channels + channel, message]))
  }
})
