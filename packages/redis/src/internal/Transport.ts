/**
 * The way of each command to the server. The default sends it; a simulation replaces it, to lose commands and replies, to
 * let them come late or twice, and to give the time.
 */
import type { Address } from "celeriac/Broker"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { LinkError } from "./Link.ts"
import type { Step } from "./scripts.ts"

/** A command on its way. */
export interface Call {
  readonly step: string
  /** Commands of one connection arrive in their order. A consumer's connection is named by its id. */
  readonly connection: string
  /** The messages that it names; a settle and a note name deliveries. */
  readonly about: () => ReadonlyArray<Address & { readonly fence?: number | undefined }>
}

export interface Transport {
  readonly send: <A>(call: Call, execute: Effect.Effect<A, LinkError>) => Effect.Effect<A, LinkError>
  /** Milliseconds since 1970; `undefined`: the server's own clock. */
  readonly now: (() => number) | undefined
  /** Takes guards out of scripts, for tests. */
  readonly edit: ((step: Step, text: string) => string) | undefined
}

export const Transport: Context.Reference<Transport> = Context.Reference<Transport>("@celeriac/redis/Transport", {
  defaultValue: () => ({ send: (_call, execute) => execute, now: undefined, edit: undefined })
})
