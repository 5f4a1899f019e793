/**
 * Ends waiting messages past their `expires`, of all queues: nobody waits for ever, also where no worker consumes.
 *
 * The broker says when the next message expires. One that is published after it was asked is seen with the next look, so a
 * sweep is late by `longest` at most, and there is one a minute where nothing expires.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Broker, Overdue, Written } from "../../Broker.ts"
import type { Settings as Defaults } from "../../Defaults.ts"
import type * as Message from "../../Message.ts"
import type { ResultBackend } from "../../ResultBackend.ts"
import type { Registered } from "../../Task.ts"
import { messageOf, recordWithoutRun } from "../endings.ts"
import * as Telemetry from "../Telemetry.ts"

/** Between two looks, milliseconds: so that many workers with one message to expire do not look without end. */
const shortest = 1000

/** While nothing is known to expire, milliseconds. */
const longest = 60_000

/** Of one sweep's portion: messages, and characters of their wire forms. */
const portion = { count: 1000, bytes: 4_194_304 }

interface Expiring extends Overdue {
  readonly message: Message.Message | undefined
  readonly record: Written
}

export const loop = (options: {
  readonly context: Context.Context<never>
  readonly broker: Broker["Service"]
  readonly results: ResultBackend["Service"]
  readonly defaults: Defaults
  readonly handlers: ReadonlyMap<string, Registered>
}) => {
  const { broker, context, defaults, handlers, results } = options
  const together = broker.location === results.location

  const expiring = (one: Overdue, now: number): Expiring => {
    const message = messageOf(one)
    const policies = message && handlers.get(message.task)?.task.options
    return { ...one, message, record: recordWithoutRun("Expired", message, policies, now, defaults) }
  }

  /** Ends one portion. Answers how many have ended, and when to go on. */
  const sweep = Effect.gen(function* () {
    const { messages, nextIn } = yield* broker.overdue(portion)
    if (messages.length === 0) return { ended: 0, nextIn }
    const now = yield* Clock.currentTimeMillis
    const all = messages.map((one) => expiring(one, now))
    // only those that still are: a worker may claim one now
    const replies = yield* broker.end(
      all.map(({ id, queue, record }) => ({ id, queue, record })),
      "overdue"
    )
    const ended = all.filter((_, index) => replies[index] === "ended")
    for (const { message, queue } of ended) {
      const task = message !== undefined && handlers.has(message.task) ? message.task : Telemetry.other
      Telemetry.runMetrics(context, queue, task, "Expired")(undefined)
    }
    if (ended.length > 0) {
      const queues = Array.from(new Set(ended.map(({ queue }) => queue))).join(",")
      yield* Effect.annotateLogs(Effect.logInfo(`${ended.length} messages expired before a run of them`), { queues })
    }
    // on two stores the broker keeps the records as well: after a crash here, whoever looks makes up for this
    if (!together && ended.length > 0) {
      yield* results.commit(ended.map(({ id, queue, record }) => ({ id, queue, ...record })))
    }
    return { ended: ended.length, nextIn }
  })

  const sweepAll = Effect.gen(function* () {
    while (true) {
      const { ended, nextIn } = yield* sweep
      if (nextIn !== 0 || ended === 0) return nextIn
    }
  })

  return Effect.forever(
    Effect.flatMap(
      Effect.catch(sweepAll, (error) => Effect.as(Effect.logDebug(`housekeeping put off: ${error.message}`), retryIn)),
      (nextIn = longest) => Effect.sleep(Math.min(Math.max(nextIn, shortest), longest))
    )
  )
}

/** After a failure, milliseconds. */
const retryIn = 5000
