/**
 * What the simulation needs of a driver: the contracts, with every command of theirs going through a hook, a server whose
 * time is given to it, and a look at all that the server holds.
 *
 * **Two kinds of time.** Workers and clients live in virtual time, which stands still while the simulation waits for an
 * effect of the driver (`start`, `execute`, `inspect`, `quiet`). So a server may be a real one, on a socket: these effects
 * take as long as they take. What runs inside of the Layers of `connect` runs in virtual time and must not wait for anything
 * real: connections are opened by `start`, and whatever goes to the server and back goes through `send`. A subscription
 * is entered in a table of the driver, which `start` feeds from the server.
 *
 * **Order.** Of all processes together one command is carried out at a time: `execute`, then `quiet`, then `inspect`. All
 * pushes that a command causes reach their subscribers in this process before `quiet` ends.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { Broker, Unavailable } from "../../Broker.ts"
import type { Notifier } from "../../Notifier.ts"
import type { ResultBackend } from "../../ResultBackend.ts"

/**
 * A command on its way to the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Command {
  /** Name of the atomic step: see `steps` in `Coverage`, and `Driver.steps`. */
  readonly step: string
  /** Commands of one connection arrive in their order. A consumer's connection is named by its id. */
  readonly connection: string
  /** The messages that it names; a settle and a note name deliveries. */
  readonly about: ReadonlyArray<{ readonly id: string; readonly fence?: number | undefined }>
}

/**
 * `execute` carries the command out on the server and gives its reply. It may be run more than once, and after the effect
 * that `Send` returned has ended.
 *
 * @category models
 * @since 0.1.0
 */
export type Send = <A>(command: Command, execute: Effect.Effect<A>) => Effect.Effect<A, Unavailable>

/**
 * A message as the server has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageState {
  readonly id: string
  readonly queue: string
  /** It has not ended. */
  readonly live: boolean
  /** It was ended while it was held, and its holder has not let go of it. */
  readonly revoked: boolean
  /** All places in which it stands: exactly one is right. */
  readonly places: ReadonlyArray<Place>
  readonly holder: string | undefined
  readonly fence: number
  readonly crashes: number
  /** When it is scheduled: its time, milliseconds since 1970. */
  readonly dueAt: number | undefined
  readonly wire: string
}

/**
 * `suspect`: ready, for a consumer that holds nothing else.
 *
 * @category models
 * @since 0.1.0
 */
export type Place = "ready" | "suspect" | "scheduled" | "held"

/**
 * A consumer as one queue knows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConsumerState {
  readonly id: string
  readonly queue: string
  /** Milliseconds since 1970; negative: its messages are being given back. */
  readonly leaseEnd: number
}

/**
 * All that the server holds. Ids of the simulation are unique over all queues.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly messages: ReadonlyMap<string, MessageState>
  readonly consumers: ReadonlyArray<ConsumerState>
  /** Records and tombstones that live where results do, by id. */
  readonly records: ReadonlyMap<string, string>
  /** What is kept of ended messages beside the messages, by id: the same, unless results live elsewhere. */
  readonly kept: ReadonlyMap<string, string>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** The contracts for one process, on connections of its own. Called once a process; building the Layer waits for nothing. */
  readonly connect: (send: Send) => Layer.Layer<Broker | ResultBackend | Notifier>
  /** After each command that can change something: a few round trips, not one for each message. */
  readonly inspect: Effect.Effect<State>
  /** Ends when all that the server has pushed has reached its subscribers. */
  readonly quiet: Effect.Effect<void>
  /**
   * What the server still has about messages although all of them have ended, and `inspect` does not show, in words; nothing, if
   * all is well. Asked for at the end of a life. Default: not looked for.
   */
  readonly leftovers?: Effect.Effect<ReadonlyArray<string>> | undefined
}

/**
 * What a server is told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Surroundings {
  /** The time, milliseconds since 1970: the only one that the server may go by. */
  readonly now: () => number
  /** Where records live: with the messages, or on a server of their own. */
  readonly stores: "one" | "two"
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Driver {
  readonly name: string
  /** Commands that this driver sends besides the `steps` of `Coverage`: harm is done to them too. Default: none. */
  readonly steps?: ReadonlyArray<string> | undefined
  /** An empty server. */
  readonly start: (surroundings: Surroundings) => Effect.Effect<Server, never, Scope>
}
