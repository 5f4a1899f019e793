/**
 * How to reach a Redis server.
 *
 * @since 0.1.0
 */
import type { ConnectionOptions } from "node:tls"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `redis://user:password@host:port/database`, or `rediss://…` for TLS. What is given besides wins. Default
   * `redis://localhost:6379/0`.
   */
  readonly url?: string | Redacted.Redacted<string> | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** Path of a Unix domain socket, in place of host and port. */
  readonly path?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | Redacted.Redacted<string> | undefined
  /** Number of the database. Default 0. */
  readonly database?: number | undefined
  /** Options of Node's TLS (`ca`, `cert`, `key`, `servername` …), or `true` for its defaults. Default: none, with `rediss:` `true`. */
  readonly tls?: boolean | ConnectionOptions | undefined
  /** Begins the name of every key and channel: letters, digits, `.`, `_`, `-`. Default `"celeriac"`. */
  readonly prefix?: string | undefined
  /** How connections are called in `CLIENT LIST`. Default `"celeriac"`. */
  readonly clientName?: string | undefined
  /** Connections to this server at most: one for pushes, the others for commands. 2 or more. Default 2. */
  readonly maxConnections?: number | undefined
  /** How long a connection may take to come about. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** A connection that does not answer for so long is given up, and made anew. Default 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
}
