/** Tasks that the tests of the kit share. */
import { it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Task from "../../src/Task.ts"
import { TaskTest } from "../../src/testing/index.ts"

export class SmtpError extends Schema.TaggedError<SmtpError>()("SmtpError", { code: Schema.Number }) {}

/** Every kind of value that JSON does not have: they must survive, and be compared by structure. */
export class SendMail extends Task.make("mail.send", {
  payload: {
    to: Schema.String,
    tags: Schema.Array(Schema.String),
    due: Schema.DateTimeUtc,
    size: Schema.BigInt
  },
  success: Schema.Struct({ messageId: Schema.String, at: Schema.DateTimeUtc }),
  error: SmtpError,
  progress: Schema.Struct({ done: Schema.Number }),
  queue: "mail",
  retry: { schedule: Schedule.exponential("1 second"), times: 3, while: (error) => error.code < 500 },
  softTimeLimit: "20 seconds",
  timeLimit: "30 seconds"
}) {}

export class Purge extends Task.make("purge") {}

/** Fails as often as it is told to, then succeeds. */
export class Flaky extends Task.make("flaky", {
  payload: { failures: Schema.Number },
  success: Schema.Number,
  error: SmtpError,
  retry: { delay: "10 seconds", backoff: "constant", jitter: false, times: 3 }
}) {}

export const FlakyLive = Flaky.toLayer(({ failures }, { attempt }) =>
  attempt <= failures ? Effect.fail(new SmtpError({ code: 400 + attempt })) : Effect.succeed(attempt)
)

export const due = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
export const mail = (to: string, tags: ReadonlyArray<string> = []) => ({ to, tags, due, size: 12n })

/** Services that a fixture test of `TaskTest.layer` may use; `layer` is one server for all of it. */
export const test = <E>(name: string, effect: () => Effect.Effect<unknown, E, Layer.Success<typeof TaskTest.layer>>) =>
  it.effect(name, () => Effect.provide(effect(), TaskTest.layer))
