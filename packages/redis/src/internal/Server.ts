/** One Redis server as the layers of this package use it: connections, scripts, names. */
import type { Address } from "celeriac/Broker"
import type { Notifier } from "celeriac/Notifier"
import * as TaskId from "celeriac/TaskId"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Redis } from "ioredis"
import type { RedisError } from "../RedisError.ts"
import { startError } from "./errors.ts"
import { channelsOf, type QueueKeys, queueKeys, queuesKey } from "./keys.ts"
import { inspect } from "./layout.ts"
import * as Link from "./Link.ts"
import * as Scripts from "./scripts.ts"
import type { Settings } from "./settings.ts"
import * as Subscriptions from "./subscriptions.ts"
import { Transport } from "./Transport.ts"

/** Lua hands over some thousand values at most; with more items than this a command is sent in parts. */
export const mostItems = 1000

/** A script that is to be run for one queue. Keys and arguments follow those that all scripts have. */
export interface Command {
  readonly step: Scripts.Step
  /** What those who look at the traffic call it, if it is not the script's name. */
  readonly as?: string | undefined
  readonly queue: string
  readonly keys?: ReadonlyArray<string> | undefined
  readonly args?: ReadonlyArray<string | number> | undefined
  /** Commands of one connection arrive in their order; a consumer's is named by its id. */
  readonly connection: string
  readonly about?: (() => ReadonlyArray<Address>) | undefined
}

export interface Server {
  /** A name for this process and layer. */
  readonly client: string
  readonly location: string
  /** Whether the broker has its messages here too: `true` once its layer was built on this server. */
  readonly hasBroker: () => boolean
  readonly setBroker: () => void
  readonly notifier: Notifier["Service"]
  readonly keysOf: (queue: string) => QueueKeys
  /** Names of all queues, and one that is new. */
  readonly queuesKey: string
  /** A plain command. */
  readonly call: (
    step: string,
    name: string,
    args: ReadonlyArray<string | number>
  ) => Effect.Effect<unknown, Link.LinkError>
  /** Runs a script on the connection of its queue. */
  readonly run: (command: Command) => Effect.Effect<unknown, Link.LinkError>
}

export const make = Effect.fnUntraced(function* (settings: Settings): Effect.fn.Return<Server, RedisError, Scope> {
  const transport = yield* Transport
  const { address, database, location, maxConnections, prefix } = settings
  const channels = channelsOf(prefix, database)
  const options = { address, redis: settings.redis }
  let scripts: Scripts.Scripts | undefined
  let hasBroker = false
  const client = yield* TaskId.make

  /** Before a connection is used: the server may be another one than the last time. */
  const prepare = Effect.fnUntraced(function* (redis: Redis) {
    const { flags } = yield* inspect(redis, settings)
    scripts ??= Scripts.load({ flags, time: transport.now === undefined ? "server" : "given", edit: transport.edit })
    for (const { text } of Object.values(scripts)) {
      yield* Effect.mapError(Link.send(redis, "script", ["load", text]), ({ detail }) =>
        startError(address, new Error(detail))
      )
    }
  })

  const links = yield* Effect.forEach(
    Array.from({ length: maxConnections - 1 }),
    () => Link.make({ ...options, prepare }),
    { concurrency: "unbounded" }
  )
  const notifier = yield* Subscriptions.make({ link: options, commands: links[0]!, channels })

  const keys = new Map<string, { readonly keys: QueueKeys; readonly link: Link.Link }>()
  const placeOf = (queue: string) => {
    let place = keys.get(queue)
    if (place === undefined) {
      // commands of one queue stay in their order
      place = { keys: queueKeys(prefix, queue), link: links[keys.size % links.length]! }
      keys.set(queue, place)
    }
    return place
  }

  const evaluate = (link: Link.Link, script: Scripts.Script, args: ReadonlyArray<string | number>) =>
    Effect.catchIf(
      link.call("evalsha", [script.sha, ...args]),
      (error) => error.detail.startsWith("NOSCRIPT"),
      () => link.call("eval", [script.text, ...args])
    )

  return {
    client,
    location,
    notifier,
    hasBroker: () => hasBroker,
    setBroker: () => {
      hasBroker = true
    },
    keysOf: (queue) => placeOf(queue).keys,
    queuesKey: queuesKey(prefix),
    call: (step, name, args) =>
      transport.send({ step, connection: "tools", about: () => [] }, links[0]!.call(name, args)),
    run: ({ about, args = [], as, connection, keys = [], queue, step }) => {
      const { keys: own, link } = placeOf(queue)
      const execute = Effect.suspend(() => {
        const all: Array<string | number> = [own.queue.length + keys.length, ...own.queue, ...keys, channels, queue]
        for (const arg of args) all.push(arg)
        if (transport.now !== undefined) all.push(transport.now())
        // a connection has loaded them before it is used
        return evaluate(link, scripts![step], all)
      })
      return transport.send({ step: as ?? step, connection, about: about ?? (() => []) }, execute)
    }
  }
})
