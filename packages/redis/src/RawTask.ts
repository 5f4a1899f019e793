/**
 * All that a server has about one message, decoded, and the commands that show each piece of it: for people who look into
 * Redis because something is odd.
 *
 * ```ts nocheck
 * const found = yield* RawTask.find({ id: "order-17", server: { url: "redis://localhost:6379" } })
 * ```
 *
 * - It only reads. What it reads of a queue, it reads in one step, so that a message on its way is not missed.
 * - It costs a few commands for each queue, and for the queues that know the message one for each consumer. Lists are
 *   searched at both ends only, see `searched`.
 * - It is total: what cannot be read is shown as it is, with a sentence that says why.
 *
 * @since 0.1.0
 */
import type * as Message from "celeriac/Message"
import * as Router from "celeriac/Router"
import type * as TaskRecord from "celeriac/TaskRecord"
import * as Effect from "effect/Effect"
import { codeOf } from "./internal/errors.ts"
import { type QueueKeys, queueKeys, queuesKey } from "./internal/keys.ts"
import * as Link from "./internal/Link.ts"
import * as Looks from "./internal/rawLook.ts"
import { view } from "./internal/rawPieces.ts"
import { settingsOf } from "./internal/settings.ts"
import { RedisError } from "./RedisError.ts"
import type * as RedisServer from "./RedisServer.ts"

/**
 * A command that shows a piece again: its name and its arguments, as `redis-cli` takes them.
 *
 * @category models
 * @since 0.1.0
 */
export type Command = ReadonlyArray<string>

/**
 * How many ids of a waiting list are looked through from its head, and as many from its tail. A message between them is
 * waiting, but nobody knows before how many others.
 *
 * @category constants
 * @since 0.1.0
 */
export const searched: number = Looks.searched

/**
 * Where a message stands. One place is right; none, or two, is a fault.
 *
 * - `ready`: may be claimed. `ahead` others of its priority come first; `undefined`: neither among the first nor among the
 *   last thousand.
 * - `suspect`: crashed its workers twice, and is claimed alone.
 * - `scheduled`: falls due at `dueAt`.
 * - `held`: in the hands of a consumer. `revoked`: the message has ended, and its holder does not know that yet. `leaseEnd`:
 *   until when the consumer holds it if it does not renew; `undefined`: what it holds is being given back.
 *
 * Times are milliseconds since 1970 by the server's clock.
 *
 * @category models
 * @since 0.1.0
 */
export type Place =
  | {
      readonly _tag: "ready"
      readonly priority: number
      readonly ahead: number | undefined
      readonly length: number
      readonly read: Command
    }
  | { readonly _tag: "suspect"; readonly ahead: number | undefined; readonly length: number; readonly read: Command }
  | { readonly _tag: "scheduled"; readonly priority: number; readonly dueAt: number; readonly read: Command }
  | {
      readonly _tag: "held"
      readonly consumer: string
      /** Name of the worker; `undefined` when the consumer does not say it readably. */
      readonly worker: string | undefined
      readonly fence: number
      readonly revoked: boolean
      readonly leaseEnd: number | undefined
      readonly read: Command
    }

/**
 * A text, and what it says: either its content or why it has none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decoded<A> {
  readonly text: string
  readonly content: A | undefined
  readonly problem: string | undefined
}

/**
 * What is stored under the id beside the message: its record when it has ended, notes before. `expiresAt` is when the
 * server forgets it; what is beyond that is not valid any more, though it may still be there.
 *
 * @category models
 * @since 0.1.0
 */
export type Stored =
  | { readonly _tag: "record"; readonly expiresAt: number; readonly record: Decoded<TaskRecord.TaskRecord> }
  | {
      readonly _tag: "record with tombstone"
      readonly expiresAt: number
      readonly record: Decoded<TaskRecord.TaskRecord>
      readonly tombstone: Decoded<TaskRecord.TaskRecord>
      readonly tombstoneExpiresAt: number
    }
  | {
      readonly _tag: "notes"
      readonly expiresAt: number
      /** Of the delivery that wrote last. */
      readonly fence: number
      readonly progress: { readonly value: string; readonly expiresAt: number } | undefined
      readonly attempts: ReadonlyArray<Decoded<TaskRecord.AttemptNote> & { readonly expiresAt: number }>
    }
  | { readonly _tag: "unreadable"; readonly problem: string }

/**
 * What one queue has about the message.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly id: string
  readonly queue: string
  /** The address, without user and password. */
  readonly server: string
  /** When it was read, milliseconds since 1970 by the server's clock. */
  readonly now: number
  /** The wire form; `undefined`: the message does not live here (any more). */
  readonly message: (Decoded<Message.Message> & { readonly read: Command }) | undefined
  readonly places: ReadonlyArray<Place>
  /** Deliveries that ended with their worker. */
  readonly crashes: { readonly count: number; readonly read: Command } | undefined
  /** When it ends as `expired` if no run has ended by then; `waiting`: it is also among those that are swept. */
  readonly expires: { readonly at: number; readonly waiting: boolean; readonly read: Command } | undefined
  /**
   * Traces that an end left: `gone`, its id still stands in a list, and whoever meets it there skips it; `revoked`, its
   * holder has not let go of it.
   */
  readonly traces: ReadonlyArray<{ readonly name: "gone" | "revoked"; readonly read: Command }>
  readonly stored: (Stored & { readonly text: string; readonly read: Command }) | undefined
  readonly deadLetter:
    | {
        readonly diedAt: number | undefined
        readonly reason: string | undefined
        readonly message: Decoded<Message.Message> | undefined
        readonly text: string
        readonly problem: string | undefined
        readonly read: Command
      }
    | undefined
  /** Clients that are told of it: at its end, or at every change. */
  readonly watchers: ReadonlyArray<{ readonly client: string; readonly changes: boolean; readonly read: Command }>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly id: string
  readonly server: RedisServer.Options
  /** Where to look. Default: all queues that the server knows. */
  readonly queues?: ReadonlyArray<string> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** The queues that were looked through. */
  readonly queues: ReadonlyArray<string>
  /** Those that know the id: as a rule one, or none. */
  readonly found: ReadonlyArray<Found>
}

/**
 * Reads all about one id, on a connection of its own.
 *
 * @category running
 * @since 0.1.0
 */
export const find = ({ id, queues: given, server }: Options): Effect.Effect<Answer, RedisError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { address, prefix, redis } = yield* settingsOf({ clientName: "celeriac-raw", ...server })
      const wrong = (given ?? []).flatMap((queue) => Router.validateQueue(queue) ?? [])
      if (wrong.length > 0) {
        return yield* new RedisError({ reason: "InvalidOption", server: address, detail: wrong.join("; ") })
      }
      const link = yield* Link.make({ address, redis })
      const ask = asking(link, address)
      const queues = given ?? Looks.texts((yield* ask([["smembers", queuesKey(prefix)]]))[0]).toSorted()
      const found: Array<Found> = []
      for (let at = 0; at < queues.length; at += atOnce) {
        const some = queues.slice(at, at + atOnce).map((queue) => ({ queue, keys: queueKeys(prefix, queue) }))
        const traces = yield* ask(
          some.flatMap(({ keys }) => [...Object.values(Looks.firstLook(keys, id)), ...Looks.watcherCommands(keys, id)])
        )
        const size = traces.length / some.length
        for (const [nth, { keys, queue }] of some.entries()) {
          if (!traces.slice(nth * size, (nth + 1) * size).some(Looks.isThere)) continue
          found.push({ id, queue, server: address, ...(yield* lookInto(ask, keys, { id, queue })) })
        }
      }
      return { queues, found }
    })
  )

/** Queues in one round trip. */
const atOnce = 100

type Ask = (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<unknown>, RedisError>

/** Sends commands in one go. A refused one is an answer; without a connection there is none. */
const asking =
  (link: Link.Link, address: string): Ask =>
  (commands) =>
    Effect.forEach(
      commands,
      ([name = "", ...args]) =>
        Effect.catch(link.call(name, args), (error): Effect.Effect<unknown, RedisError> => {
          if (error.detail.startsWith("WRONGTYPE")) return Effect.succeed(new Looks.Refusal(error.detail))
          const reason = codeOf(Object.assign(new Error(error.detail), { name: "ReplyError" })) === "NOPERM"
          return new RedisError({
            reason: reason ? "NotAllowed" : "Unreachable",
            server: address,
            detail: error.detail
          })
        }),
      { concurrency: "unbounded" }
    )

/** Consumers come seldom: whoever meets new ones at each look is content with the last one. */
const mostLooks = 5

/** A message moves between its places in one step, so they are looked at in one step. */
const lookInto = Effect.fnUntraced(function* (
  ask: Ask,
  keys: QueueKeys,
  { id, queue }: { readonly id: string; readonly queue: string }
) {
  let consumers = Looks.texts((yield* ask([["zrange", keys.consumers, "0", "-1"]]))[0])
  for (let look = 1; ; look += 1) {
    const commands = Looks.commandsFor(keys, id, consumers)
    const flat = Object.values(commands).flat()
    const replies = yield* ask([["multi"], ...flat, ["exec"]])
    const executed = replies.at(-1)
    // a command that cannot be queued would have failed before
    const values: Array<unknown> = Array.isArray(executed) ? executed.map(Looks.refusalIn) : []
    const valuesOf = (group: keyof typeof commands): ReadonlyArray<unknown> => {
      let at = 0
      for (const [name, some] of Object.entries(commands)) {
        if (name === group) return values.slice(at, at + some.length)
        at += some.length
      }
      return []
    }
    const leases = Looks.pairs(valuesOf("consumers")[0])
    const missed = leases.map(([consumer]) => consumer).filter((consumer) => !consumers.includes(consumer))
    if (missed.length === 0 || look === mostLooks)
      return view({ id, queue, keys, consumers, leases: new Map(leases), commands, valuesOf })
    // one that came meanwhile may hold it: look again
    consumers = leases.map(([consumer]) => consumer)
  }
})
