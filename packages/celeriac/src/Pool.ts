/**
 * Contract: runs messages. A pool gets encoded work and gives an encoded outcome, so that the handler may live in this
 * fiber's process, in a thread or in another process.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Message } from "./Message.ts"
import type { Outcome } from "./Outcome.ts"
import type { Registered } from "./Task.ts"
import type { Limits } from "./TimeLimit.ts"

/**
 * One message to run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Work {
  readonly message: Message
  /** Deliveries so far, this one included. */
  readonly deliveries: number
  readonly limits: Limits
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

/**
 * Why a run is stopped from outside.
 *
 * - `soft`: the soft limit came. Regions under `withSoftTimeLimit` end with an error; outside of one the run is ended.
 * - `hard`: the hard limit came. The run is ended.
 * - `revoked`, `released` (shutdown, lost lease): the run is ended.
 *
 * @category models
 * @since 0.1.0
 */
export type Stop = "soft" | "hard" | "revoked" | "released"

/**
 * A run under way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  /**
   * Asks the run to end. The outcome still comes by `onEnd`, unless the run does not give in. `false`: a region under
   * `withSoftTimeLimit` took the soft limit, and the run goes on as long as it may.
   *
   * The worker asks again when a reason comes that outweighs the one before: a revoke after anything else, the hard limit
   * after the soft one. The last one counts. It must not throw.
   */
  readonly stop: (why: Stop) => boolean
  /**
   * The outcome of a handler that has ended, while a finalizer in its scope has not; `undefined` while the handler goes on.
   * Asked when the run is abandoned. Left out: never known.
   */
  readonly concluded?: (() => Effect.Effect<Outcome> | undefined) | undefined
}

/**
 * What a run tells while it goes on, and at its end. None of them throws. What comes after the end, or after the worker has
 * abandoned the run, is not heard.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** Called once; possibly before `start` returns. */
  readonly onEnd: (outcome: Outcome) => void
  /** The latest progress, as JSON text. */
  readonly onProgress: (value: string) => void
}

/**
 * What a pool needs to know of the worker that it serves.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolOptions {
  readonly worker: string
  /** How long a run has to come to its end after its handler was interrupted, or has ended; milliseconds. */
  readonly grace: number
  readonly handlers: ReadonlyMap<string, Registered>
}

/**
 * Runs of one worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runner {
  /** Starts a run. Whoever calls keeps to the number of slots, and to the limits. It must not throw: then the run died. */
  readonly start: (work: Work, listener: Listener) => Running
}

/**
 * The kind of pool. The default runs each message in a fiber of this process.
 *
 * @category services
 * @since 0.1.0
 */
export class Pool extends Context.Service<
  Pool,
  { readonly make: (options: PoolOptions) => Effect.Effect<Runner, never, Scope> }
>()("celeriac/Pool") {}
