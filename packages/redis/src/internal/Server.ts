/** One Redis server as the layers of this package use it: names, scripts, and the way of each command. */
import type { Address } from "celeriac/Broker"
import type { Notifier } from "celeriac/Notifier"
import * as TaskId from "celeriac/TaskId"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { RedisError } from "../RedisError.ts"
import * as Connections from "./Connections.ts"
import { channelsOf, type QueueKeys, queueKeys, queuesKey } from "./keys.ts"
import type * as Link from "./Link.ts"
import type * as Scripts from "./scripts.ts"
import type { Settings } from "./settings.ts"
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
  /** The set of the names of all queues. */
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

/** What of the settings is in names. */
export type Naming = Pick<Settings, "database" | "location" | "prefix">

/** With connections of its own. */
export const make = Effect.fnUntraced(function* (settings: Settings): Effect.fn.Return<Server, RedisError, Scope> {
  const { edit, now } = yield* Transport
  return yield* over(
    yield* Connections.open(settings, { time: now === undefined ? "server" : "given", edit }),
    settings
  )
})

/** Waits for nothing. */
export const over = Effect.fnUntraced(function* (
  { links, notifier, scripts }: Connections.Connections,
  { database, location, prefix }: Naming
): Effect.fn.Return<Server> {
  const transport = yield* Transport
  const channels = channelsOf(prefix, database)
  const client = yield* TaskId.make
  let hasBroker = false

  const places = new Map<string, { readonly keys: QueueKeys; readonly link: Link.Link }>()
  const placeOf = (queue: string) => {
    let place = places.get(queue)
    if (place === undefined) {
      // commands of one queue stay in their order
      place = { keys: queueKeys(prefix, queue), link: links[places.size % links.length]! }
      places.set(queue, place)
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
        return evaluate(link, scripts[step], all)
      })
      return transport.send({ step: as ?? step, connection, about: about ?? (() => []) }, execute)
    }
  }
})
