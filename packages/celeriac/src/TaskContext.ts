/**
 * What a running handler sees of its message, and what it can say about it.
 *
 * The signals (`retry`, `snooze`, `reject`, `ignore`) fail with a `TaskSignal`: it travels in the error channel, where the
 * types show it, and the worker takes it out again; it is no part of the task's own errors. A `catch` that takes every
 * error takes the signal too.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * Fails an effect that runs under `TaskContext.withSoftTimeLimit` when the soft limit comes.
 *
 * @category errors
 * @since 0.1.0
 */
export class SoftTimeLimitExceeded extends Schema.TaggedError<SoftTimeLimitExceeded>()("SoftTimeLimitExceeded", {
  millis: Schema.Number
}) {
  override get message(): string {
    return `the soft time limit of ${this.millis} ms is reached`
  }
}

/**
 * A handler's own verdict on its message.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskSignal extends Schema.TaggedError<TaskSignal>()("TaskSignal", {
  verdict: Schema.Literals(["retry", "snooze", "reject", "requeue", "ignore"]),
  millis: Schema.optionalKey(Schema.Number),
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `the handler said "${this.verdict}"; only the worker understands this: let it pass`
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Info {
  readonly id: string
  /** Name of the task. */
  readonly task: string
  readonly queue: string
  /** Name of the worker that runs it. */
  readonly worker: string
  /** 1 on the first run; snoozes, releases and crashes do not count. */
  readonly attempt: number
  /** 1 on the first delivery; one more for each worker that died with it and each `reject({ requeue: true })`. */
  readonly deliveries: number
  readonly enqueuedAt: DateTime.Utc
  /** When the soft and the hard time limit of this run come, if it has any. */
  readonly softDeadline: DateTime.Utc | undefined
  readonly deadline: DateTime.Utc | undefined
  readonly headers: Readonly<Record<string, string>>
  /** The message whose handler enqueued this one. */
  readonly parentId: string | undefined
  /** The first message of the lineage; its own id when it has no parent. */
  readonly rootId: string
  /** Ends a region with a typed error when the soft limit comes: catch it, tidy up, return what there is. */
  readonly withSoftTimeLimit: <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SoftTimeLimitExceeded, R>
  /** Run again, after the policy's delay or the one given. Counts as an attempt. */
  readonly retry: (options?: { readonly after?: Duration.Input | undefined }) => Effect.Effect<never, TaskSignal>
  /** Run again after a while (10 years at most); does not count as an attempt. */
  readonly snooze: (duration: Duration.Input) => Effect.Effect<never, TaskSignal>
  /** Never run again: the message fails and is kept among the dead letters. With `requeue`: somebody else shall run it. */
  readonly reject: (options?: {
    readonly requeue?: boolean | undefined
    readonly detail?: string | undefined
  }) => Effect.Effect<never, TaskSignal>
  /** Done, with nothing to say: the message ends as `ignored`. */
  readonly ignore: Effect.Effect<never, TaskSignal>
}

/**
 * `Info` and progress of the task's own type; `never` when the task declares none, so that a call cannot compile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Typed<in P> extends Info {
  /**
   * Tells whoever follows the message how far it is. The latest value counts; values in between may be skipped. Does not
   * wait for the broker and never fails the handler: a value that does not fit the schema, or is larger than `maxResultSize`
   * (`Defaults`) as JSON, is dropped with a warning.
   */
  readonly progress: (value: P) => Effect.Effect<void>
}

/**
 * The context of the running message, for code that serves any task: `yield* TaskContext`.
 *
 * @category services
 * @since 0.1.0
 */
export class TaskContext extends Context.Service<TaskContext, Info>()("celeriac/TaskContext") {}

/**
 * Says at the type level that code runs inside the handler of task `Name`; `yield* MyTask.context` asks for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running<in out Name extends string> {
  readonly "~celeriac/Running": Name
}
