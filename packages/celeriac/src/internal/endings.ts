/**
 * What is written when a message ends where no run of it is there to say so, and where results live in another store than
 * messages.
 *
 * **Two stores.** Who ends a message writes twice then, and may die in between. The store of results is the truth: the first
 * record there wins, and nobody goes by anything else.
 *
 * - A worker writes the record, then settles. After a crash in between the message comes back, and its record is found.
 * - So does a revoke that means running messages too. It must not take a message from a worker that has just written its
 *   record, for what follows from that (continuations) comes with the settle.
 * - A revoke of waiting messages and the sweep of expired ones would end messages that are being claimed at that moment. So
 *   the broker decides, and keeps the record in the same step. After a crash in between, the first who looks finds it there
 *   (`Broker.locate`), and writes it to the results before going by it.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { Overdue, Written } from "../Broker.ts"
import type { Settings as Defaults } from "../Defaults.ts"
import * as Message from "../Message.ts"
import * as Outcome from "../Outcome.ts"
import type { AnyWithProps } from "../Task.ts"
import * as TaskId from "../TaskId.ts"
import * as TaskRecord from "../TaskRecord.ts"

/** What a task says of its records. */
export type Policies = Pick<AnyWithProps["options"], "resultTtl" | "ignoreResult">

/** How long a record is kept, and whether: the message's own options win over its task's, and those over the defaults. */
export const keeping = (
  message: Message.Message | undefined,
  policies: Policies | undefined,
  defaults: Defaults
): Pick<Outcome.End, "resultTtl" | "dedupeWindow" | "ignoreResult"> => ({
  resultTtl:
    message?.resultTtl ?? Duration.toMillis(Duration.fromInputUnsafe(policies?.resultTtl ?? defaults.resultTtl)),
  dedupeWindow: Duration.toMillis(defaults.dedupeWindow),
  ignoreResult: message?.ignoreResult ?? policies?.ignoreResult ?? false
})

/** The record of a message that ends without a run. */
export const recordWithoutRun = (
  tag: "Revoked" | "Expired",
  message: Message.Message | undefined,
  policies: Policies | undefined,
  endedAt: number,
  defaults: Defaults
): Written =>
  Outcome.endWithoutRun(tag, { message, endedAt: Math.floor(endedAt), ...keeping(message, policies, defaults) })

export const messageOf = ({ id, queue, wire }: Overdue): Message.Message | undefined =>
  Result.getOrUndefined(Message.decode({ id, queue }, wire))

/**
 * What the broker keeps in place of a record that lives elsewhere: by it, it refuses the id. `message`: `undefined` when it
 * could not be read.
 */
export const tombstoneOf = (
  id: string,
  message: Message.Message | undefined,
  record: Written,
  dedupeWindow: number
): Written => ({
  value: TaskRecord.tombstone(record.value),
  // an id of the caller's comes again: while its record lives, a second message would get the first one's result
  ttl:
    message !== undefined && message.ownId !== true && TaskId.isGenerated(id)
      ? dedupeWindow
      : Math.max(record.ttl, record.tombstone?.ttl ?? 0)
})

/** The same record, written so many milliseconds later; `undefined`: nothing would be left of it. */
export const later = ({ tombstone, ttl, value }: Written, millis: number): Written | undefined =>
  ttl > millis
    ? { value, ttl: ttl - millis, tombstone: tombstone && { ...tombstone, ttl: tombstone.ttl - millis } }
    : tombstone !== undefined && tombstone.ttl > millis
      ? { ...tombstone, ttl: tombstone.ttl - millis }
      : undefined
