/** One database of a real server for tests that give it its time: connections are made once, and any number of clients share them. */
import { Broker } from "celeriac/Broker"
import * as Notifier from "celeriac/Notifier"
import { ResultBackend } from "celeriac/ResultBackend"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { Redis } from "ioredis"
import * as BrokerDriver from "../../src/internal/broker.ts"
import * as Connections from "../../src/internal/Connections.ts"
import { channelsOf } from "../../src/internal/keys.ts"
import * as ResultsDriver from "../../src/internal/results.ts"
import { compose } from "../../src/internal/scripts.ts"
import * as Server from "../../src/internal/Server.ts"
import { settingsOf } from "../../src/internal/settings.ts"
import { Transport } from "../../src/internal/Transport.ts"
import type { RedisError } from "../../src/RedisError.ts"
import { Listener } from "./Listener.ts"

/** Of all keys. */
export const prefix = "simulation"

/** Takes guards out of scripts. */
export type EditScript = NonNullable<Transport["edit"]>

export interface Database {
  readonly connections: Connections.Connections
  readonly naming: Server.Naming
  /** For whoever looks on. */
  readonly eye: Redis
  /** The digest of `inspect.lua`. */
  readonly look: string
  /** All that is pushed. */
  readonly listener: Listener
}

const lookText = compose(new URL("inspect.lua", import.meta.url), "given")

export const open = Effect.fnUntraced(function* (
  url: string,
  database: number,
  edit?: EditScript
): Effect.fn.Return<Database, RedisError, Scope> {
  const naming = yield* settingsOf({ url, database, prefix })
  const connections = yield* Connections.open(naming, { time: "given", edit })
  const client = Effect.acquireRelease(
    Effect.sync(() => new Redis(`${url}/${database}`)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const eye = yield* client
  const look = yield* Effect.promise(() => eye.script("LOAD", lookText))
  const listener = new Listener(eye, yield* client, channelsOf(naming.prefix, database))
  return { connections, naming, eye, look: String(look), listener }
})

/** One client: its commands go through the hook, once its subscriptions stand. Waits for nothing. */
export const clientOf = (
  { connections, listener, naming }: Database,
  hook: Pick<Transport, "now" | "send">
): Effect.Effect<Server.Server> =>
  Effect.provideService(Server.over({ ...connections, notifier: listener.notifier }, naming), Transport, {
    send: (call, execute) => hook.send(call, Effect.andThen(listener.settled, execute)),
    now: hook.now,
    edit: undefined
  })

export const brokerOf = (server: Server.Server): Context.Context<Broker> =>
  Context.make(Broker, BrokerDriver.make(server))

export const resultsOf = (server: Server.Server): Context.Context<ResultBackend> =>
  Context.make(ResultBackend, ResultsDriver.make(server))

export const pushesOf = (server: Server.Server): Context.Context<Notifier.Notifier> =>
  Context.make(Notifier.Notifier, server.notifier)
