/** Reads the payload of a message, upgrading older versions. */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Message } from "../Message.ts"
import type { Outcome } from "../Outcome.ts"
import type { AnyWithProps } from "../Task.ts"

/** The payload is of a later version than this program knows: another worker may know it. */
export class NewerPayload extends Data.TaggedError("NewerPayload")<{ readonly detail: string }> {}

/** An `Exit` when the schema decodes at once. Defects of upgrade functions and schemas are failures like others. */
export const payloadOf = (task: AnyWithProps, message: Message): Effect.Effect<unknown, unknown> => {
  const { upgrades, version = 1 } = task.options
  const from = message.payloadVersion ?? 1
  if (from > version) {
    return Exit.fail(
      new NewerPayload({
        detail: `the payload of task "${task._tag}" has version ${from}; this worker knows version ${version}`
      })
    )
  }
  if (message.contentType !== undefined || message.compression !== undefined || message.keyId !== undefined) {
    return Exit.fail("its payload is encoded in a form (content type, compression, key) that this worker does not know")
  }
  try {
    let encoded: unknown = message.payload ?? null
    for (let at = from; at < version; at++) {
      const upgrade = upgrades?.[at]
      if (upgrade === undefined) {
        return Exit.fail(`its payload has version ${at}, and task "${task._tag}" has no upgrade from there`)
      }
      encoded = upgrade(encoded)
    }
    return task["~codecs"]().payload.decode(encoded)
  } catch (error) {
    return Exit.die(error)
  }
}

/** What a payload that could not be read means for its message. */
export const payloadFailure = (cause: Cause.Cause<unknown>): Outcome => {
  const error = Cause.squash(cause)
  return error instanceof NewerPayload
    ? { _tag: "Unknown", detail: error.detail }
    : { _tag: "Undecodable", detail: printed(error) }
}

const longest = 2000

/** Total. */
export const printed = (error: unknown): string => {
  try {
    return (error instanceof Error ? error.message : String(error)).slice(0, longest)
  } catch {
    return "an error that cannot be printed"
  }
}
