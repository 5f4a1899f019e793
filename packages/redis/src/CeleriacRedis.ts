/**
 * Broker, result backend and notifier on Redis.
 *
 * ```ts nocheck
 * CeleriacRedis.layer({ url: "redis://localhost:6379" })
 * CeleriacRedis.layer({ broker: "redis://localhost:6379/0", resultBackend: "redis://localhost:6379/1" })
 * ```
 *
 * A layer is built when the server answers, and fails with a `RedisError` that says what is wrong when it does not. From then
 * on a server that goes away is waited for.
 *
 * @since 0.1.0
 */
import { Broker } from "celeriac/Broker"
import * as Client from "celeriac/Client"
import * as Notifier from "celeriac/Notifier"
import { ResultBackend } from "celeriac/ResultBackend"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BrokerDriver from "./internal/broker.ts"
import * as ResultsDriver from "./internal/results.ts"
import * as Server from "./internal/Server.ts"
import { settingsOf } from "./internal/settings.ts"
import type { RedisError } from "./RedisError.ts"
import type * as RedisServer from "./RedisServer.ts"

/**
 * One server for everything, or two: a URL, or options. Results are kept beside the messages unless they have a server of
 * their own.
 *
 * @category models
 * @since 0.1.0
 */
export type Options =
  | RedisServer.Options
  | {
      readonly broker: string | RedisServer.Options
      readonly resultBackend?: string | RedisServer.Options | undefined
    }

const optionsOf = (server: string | RedisServer.Options): RedisServer.Options =>
  typeof server === "string" ? { url: server } : server

const start = (server: string | RedisServer.Options) => Effect.flatMap(settingsOf(optionsOf(server)), Server.make)

const broker = (server: Server.Server) => Context.make(Broker, BrokerDriver.make(server))
const results = (server: Server.Server) => Context.make(ResultBackend, ResultsDriver.make(server))
const notifier = (server: Server.Server) => Context.make(Notifier.Notifier, server.notifier)

/**
 * The broker alone, with its pushes. For results elsewhere see `Notifier.layerBoth`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBroker = (
  server: string | RedisServer.Options
): Layer.Layer<Broker | Notifier.Notifier, RedisError> =>
  Layer.effectContext(Effect.map(start(server), (server) => Context.merge(broker(server), notifier(server))))

/**
 * The result backend alone, with its pushes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResultBackend = (
  server: string | RedisServer.Options
): Layer.Layer<ResultBackend | Notifier.Notifier, RedisError> =>
  Layer.effectContext(Effect.map(start(server), (server) => Context.merge(results(server), notifier(server))))

/** Both on one server: an end and its record are one step. */
const layerOne = (server: string | RedisServer.Options) =>
  Layer.effectContext(
    Effect.map(start(server), (server) =>
      Context.merge(Context.merge(broker(server), results(server)), notifier(server))
    )
  )

/**
 * Broker, result backend and notifier, without a client.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: Options = {}
): Layer.Layer<Broker | ResultBackend | Notifier.Notifier, RedisError> => {
  if (!("broker" in options)) return layerOne(options)
  const { broker, resultBackend } = options
  if (resultBackend === undefined) return layerOne(broker)
  return Layer.unwrap(
    Effect.map(Effect.all([settingsOf(optionsOf(broker)), settingsOf(optionsOf(resultBackend))]), ([one, other]) =>
      one.location === other.location
        ? layerOne(broker)
        : Notifier.layerBoth(layerBroker(broker), layerResultBackend(resultBackend))
    )
  )
}

/**
 * All that producers and workers need.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Client.Client | Broker | ResultBackend | Notifier.Notifier, RedisError> =>
  Layer.provideMerge(Client.layer, layerServer(options))

/**
 * The same with options from the configuration:
 *
 * ```ts nocheck
 * CeleriacRedis.layerConfig({ url: Config.Redacted("REDIS_URL") })
 * CeleriacRedis.layerConfig({
 *   broker: { url: Config.Redacted("BROKER_URL") },
 *   resultBackend: { url: Config.Redacted("RESULT_BACKEND_URL") }
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options:
    | Config.Wrap<RedisServer.Options>
    | {
        readonly broker: Config.Wrap<RedisServer.Options>
        readonly resultBackend?: Config.Wrap<RedisServer.Options> | undefined
      }
): Layer.Layer<Client.Client | Broker | ResultBackend | Notifier.Notifier, RedisError | Config.ConfigError> =>
  Layer.unwrap(Effect.map("broker" in options ? serversOf(options) : Config.unwrap(options), layer))

const serversOf = (servers: {
  readonly broker: Config.Wrap<RedisServer.Options>
  readonly resultBackend?: Config.Wrap<RedisServer.Options> | undefined
}) =>
  Config.all({
    broker: Config.unwrap(servers.broker),
    resultBackend:
      servers.resultBackend === undefined ? Config.succeed(undefined) : Config.unwrap(servers.resultBackend)
  })
