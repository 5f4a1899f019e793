/**
 * Why a Redis layer cannot be built. Once it is built, a server that goes away is waited for, and comes back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * - `InvalidOption`: an option or its combination with others is wrong.
 * - `Unreachable`: nobody answers at the address, or not in time.
 * - `WrongPassword`: the server refuses user and password, or asks for some.
 * - `NotAllowed`: the user may not do what is needed.
 * - `WrongServer`: it answers, but is no Redis, or one of another kind (Sentinel, Cluster, a replica).
 * - `TooOld`: it is older than 6.2.
 * - `OtherLayout`: another version of Celeriac has written there, in a way that this one does not read.
 * - `PrefixInUse`: something else has written there.
 * - `Full`: it has no room, and has never seen this prefix.
 *
 * @category models
 * @since 0.1.0
 */
export const RedisReason = Schema.Literals([
  "InvalidOption",
  "Unreachable",
  "WrongPassword",
  "NotAllowed",
  "WrongServer",
  "TooOld",
  "OtherLayout",
  "PrefixInUse",
  "Full"
])

/**
 * @category models
 * @since 0.1.0
 */
export type RedisReason = typeof RedisReason.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class RedisError extends Schema.TaggedError<RedisError>()("RedisError", {
  reason: RedisReason,
  /** The address, without user and password. */
  server: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.server}: ${this.detail}`
  }
}
