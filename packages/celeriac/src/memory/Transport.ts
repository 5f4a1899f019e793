/**
 * The way of each command from a driver layer to the memory store, and of each push back. The default carries commands out
 * at once and loses nothing. A simulation replaces it to lose commands or replies, to delay or repeat them, and to let late
 * copies of the commands of a broken connection arrive at any later time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Address, Unavailable } from "../Broker.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** Name of the atomic step: `publish`, `claim`, `commit` … */
  readonly step: string
  /** Commands of one connection arrive in their order, replies too. A consumer's connection is named by its id. */
  readonly connection: string
  /** The messages that the command is about, for those who look at the traffic. */
  readonly about?: (() => ReadonlyArray<Subject>) | undefined
}

/**
 * A message, or one delivery of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject extends Address {
  readonly fence?: number | undefined
}

/**
 * @category services
 * @since 0.1.0
 */
export interface Transport {
  /** `run` carries the command out, on the server, and returns its reply; it may run more than once. */
  readonly send: <A>(call: Call, run: () => A) => Effect.Effect<A, Unavailable>
  /** Asked once a push: `false` loses it. */
  readonly push: (channel: string, message: string) => boolean
}

/**
 * Carries everything out at once.
 *
 * @category services
 * @since 0.1.0
 */
export const direct: Transport = { send: (_call, run) => Effect.sync(run), push: () => true }

/**
 * Read when a driver layer is built.
 *
 * @category services
 * @since 0.1.0
 */
export const Transport: Context.Reference<Transport> = Context.Reference<Transport>("celeriac/memory/Transport", {
  defaultValue: () => direct
})
