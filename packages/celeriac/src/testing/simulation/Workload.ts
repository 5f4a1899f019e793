/**
 * The tasks of the simulation, and handlers that behave as the plan says.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../../Task.ts"
import type { SoftTimeLimitExceeded, TaskSignal, Typed } from "../../TaskContext.ts"
import type { Run } from "./Ledger.ts"
import type { Behaviour } from "./Plan.ts"

/**
 * @category errors
 * @since 0.1.0
 */
export class Trouble extends Schema.TaggedError<Trouble>()("Trouble", { run: Schema.String }) {}

const common = {
  payload: { index: Schema.Number },
  success: Schema.Struct({ run: Schema.String }),
  error: Trouble,
  progress: Schema.Number
}

/**
 * @category tasks
 * @since 0.1.0
 */
export class Plain extends Task.make("simulation.plain", { ...common, retry: { delay: "200 millis", times: 2 } }) {}

/**
 * @category tasks
 * @since 0.1.0
 */
export class Limited extends Task.make("simulation.limited", {
  ...common,
  retry: { delay: "100 millis", times: 1 },
  softTimeLimit: "400 millis",
  timeLimit: "700 millis"
}) {}

/**
 * How often each may be tried.
 *
 * @category constants
 * @since 0.1.0
 */
export const mostAttempts = { plain: 3, limited: 2 } as const

/**
 * What the handlers of one process tell and can do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly start: (index: number, context: Typed<number>) => { readonly run: Run; readonly behaviour: Behaviour }
  readonly end: (run: Run, how: "done" | "interrupted") => void
  /** How long a finalizer may take, milliseconds. */
  readonly tidying: number
  readonly block: (millis: number, then: () => void) => void
  readonly crash: () => void
}

/**
 * @category layers
 * @since 0.1.0
 */
export const handlers = (stage: Stage) => {
  const handler = ({ index }: { readonly index: number }, context: Typed<number>) =>
    Effect.suspend(() => {
      const { behaviour, run } = stage.start(index, context)
      return Effect.onExit(perform(stage, behaviour, run, context), (exit) =>
        Effect.sync(() => stage.end(run, wasInterrupted(exit) ? "interrupted" : "done"))
      )
    })
  return Layer.merge(Plain.toLayer(handler), Limited.toLayer(handler))
}

const wasInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && exit.cause.reasons.some(Cause.isInterruptReason)

const perform = (
  stage: Stage,
  { manner, millis }: Behaviour,
  run: Run,
  context: Typed<number>
): Effect.Effect<{ readonly run: string }, Trouble | TaskSignal | SoftTimeLimitExceeded> => {
  const success = { run: run.token }
  const work = Effect.sleep(millis)
  switch (manner) {
    case "succeed":
      return Effect.as(work, success)
    case "fail":
      return Effect.andThen(work, Effect.fail(new Trouble(success)))
    case "die":
      return Effect.andThen(work, Effect.die(new Error(run.token)))
    case "snooze":
      return Effect.andThen(work, context.snooze(millis))
    case "retry":
      return Effect.andThen(work, context.retry({ after: millis }))
    case "requeue":
      return Effect.andThen(work, context.reject({ requeue: true }))
    case "reject":
      return Effect.andThen(work, context.reject({ detail: run.token }))
    case "ignore":
      return Effect.andThen(work, context.ignore)
    case "tidy":
      return Effect.as(
        Effect.onInterrupt(work, () => Effect.sleep(stage.tidying)),
        success
      )
    case "stubborn":
      return Effect.uninterruptible(Effect.as(work, success))
    case "block":
      return Effect.callback<typeof success>((resume) => stage.block(millis, () => resume(Effect.succeed(success))))
    case "crash":
      return Effect.andThen(
        work,
        Effect.suspend(() => {
          stage.crash()
          return Effect.never
        })
      )
    case "chatty":
      return Effect.as(
        Effect.forEach([1, 2, 3], (step) =>
          Effect.andThen(context.progress(step), Effect.sleep(Math.ceil(millis / 3)))
        ),
        success
      )
    case "hang":
      return Effect.as(context.withSoftTimeLimit(Effect.never), success)
  }
}
