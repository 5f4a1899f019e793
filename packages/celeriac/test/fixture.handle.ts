/** The task of tests about handles, whose result, error and progress all have to be decoded, and the worker that serves it. */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import type { TaskSignal, Typed } from "../src/TaskContext.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, errorOf, started } from "./fixture.ts"

export class Job extends Task.make("job", {
  payload: { n: Schema.Number },
  success: Schema.Struct({ at: Schema.DateTimeUtcFromMillis }),
  error: Boom,
  progress: Schema.Struct({ done: Schema.DurationFromMillis }),
  retry: { delay: "1 minute", jitter: false, times: 1 }
}) {}

export type Success = typeof Job.successSchema.Type
export type Progress = typeof Job.progressSchema.Type
type Context = Typed<Progress>
export type Handler = (n: number, context: Context) => Effect.Effect<Success, Boom | TaskSignal>

export const serve = (handler: Handler, options?: Worker.Options) =>
  started(
    Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Job.toLayer(({ n }, context) => handler(n, context))))
  )

export const success: Success = Schema.decodeSync(Job.successSchema)({ at: 5 })

/** How a wait for a job ended: `Success`, or the tag of what went wrong. */
export const tagOf = (exit: Exit.Exit<unknown, Boom | TaskEnded>): string => {
  if (Exit.isSuccess(exit)) return "Success"
  const reason = exit.cause.reasons[0]!
  if (Cause.isDieReason(reason)) return `defect ${String(reason.defect)}`
  const error = errorOf(exit)
  if (!(error instanceof TaskEnded)) return error._tag
  assert.strictEqual(error.task, "job")
  return error.reason._tag
}
