/** The connections of a process to one server, ready for use: the server was looked at, and the scripts are there. */
import type { Notifier } from "celeriac/Notifier"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Redis } from "ioredis"
import type { RedisError } from "../RedisError.ts"
import { startError } from "./errors.ts"
import { channelsOf } from "./keys.ts"
import { inspect } from "./layout.ts"
import * as Link from "./Link.ts"
import * as Scripts from "./scripts.ts"
import type { Settings } from "./settings.ts"
import * as Subscriptions from "./subscriptions.ts"

export interface Connections {
  /** For commands: at least one. */
  readonly links: ReadonlyArray<Link.Link>
  readonly notifier: Notifier["Service"]
  readonly scripts: Scripts.Scripts
}

export const open = Effect.fnUntraced(function* (
  settings: Settings,
  scriptOptions: Omit<Scripts.Options, "flags">
): Effect.fn.Return<Connections, RedisError, Scope> {
  const { address, database, maxConnections, prefix } = settings
  const options = { address, redis: settings.redis }
  let scripts: Scripts.Scripts | undefined
  let warned = false

  /** Each time a connection comes about: the server may be another one than the last time. */
  const prepare = Effect.fnUntraced(function* (redis: Redis) {
    const { evicts, flags } = yield* inspect(redis, settings)
    if (evicts !== undefined && !warned) {
      warned = true
      yield* Effect.logWarning(
        `${address} forgets keys when it is full (maxmemory-policy ${evicts}): accepted messages would be lost; set it to noeviction`
      )
    }
    scripts ??= Scripts.load({ ...scriptOptions, flags })
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
  const notifier = yield* Subscriptions.make({
    link: options,
    commands: links[0]!,
    channels: channelsOf(prefix, database)
  })
  // a link is made when its connection was prepared once
  return { links, notifier, scripts: scripts! }
})
