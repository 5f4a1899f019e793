/** The `TaskContext` of one run. Getters make each method at its first use: most handlers use none. */
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Defaults } from "../Defaults.ts"
import * as Message from "../Message.ts"
import type { Listener, Work } from "../Pool.ts"
import { maxDelay } from "../Retry.ts"
import type { AnyWithProps } from "../Task.ts"
import { SoftTimeLimitExceeded, TaskSignal, type Typed } from "../TaskContext.ts"
import * as TimeLimit from "../TimeLimit.ts"

const noHeaders: Readonly<Record<string, string>> = {}

const ignore = Effect.fail(new TaskSignal({ verdict: "ignore" }))

export class RunContext implements Typed<unknown> {
  private readonly work: Work
  private readonly definition: AnyWithProps
  private readonly listener: Listener
  /** Name of the worker that runs it. */
  readonly worker: string
  /** Regions under `withSoftTimeLimit` that are open now. */
  private readonly regions = new Set<Deferred.Deferred<never, SoftTimeLimitExceeded>>()
  private softLimitCame = false

  constructor(work: Work, definition: AnyWithProps, listener: Listener, worker: string) {
    this.worker = worker
    this.work = work
    this.definition = definition
    this.listener = listener
  }

  get id() {
    return this.work.message.id
  }
  get task() {
    return this.work.message.task
  }
  get queue() {
    return this.work.message.queue
  }
  get attempt() {
    return (this.work.message.attempts ?? 0) + 1
  }
  get deliveries() {
    return this.work.deliveries
  }
  get enqueuedAt() {
    return DateTime.makeUnsafe(Message.enqueuedAt(this.work.message))
  }
  get softDeadline() {
    return this.after(this.work.limits.soft)
  }
  get deadline() {
    return this.after(this.work.limits.hard)
  }
  get headers() {
    return this.work.message.headers ?? noHeaders
  }
  get parentId() {
    return this.work.message.parentId
  }
  get rootId() {
    return this.work.message.rootId ?? this.work.message.id
  }

  get retry(): Typed<unknown>["retry"] {
    return (options) =>
      Effect.suspend(() =>
        Effect.fail(
          new TaskSignal(
            options?.after === undefined ? { verdict: "retry" } : { verdict: "retry", millis: millisOf(options.after) }
          )
        )
      )
  }
  get snooze(): Typed<unknown>["snooze"] {
    return (duration) =>
      Effect.suspend(() => Effect.fail(new TaskSignal({ verdict: "snooze", millis: millisOf(duration) })))
  }
  get reject(): Typed<unknown>["reject"] {
    return (options) =>
      Effect.suspend(() =>
        Effect.fail(
          new TaskSignal({
            verdict: options?.requeue === true ? "requeue" : "reject",
            ...(options?.detail !== undefined && { detail: options.detail })
          })
        )
      )
  }
  get ignore() {
    return ignore
  }

  get progress(): Typed<unknown>["progress"] {
    return (value) =>
      Effect.suspend(() => this.definition["~codecs"]().progress.encode(value)).pipe(
        Effect.flatMap((encoded) =>
          Effect.flatMap(Defaults, ({ maxResultSize }) => {
            const text = JSON.stringify(encoded)
            return text.length > maxResultSize
              ? Effect.fail(`it has ${text.length} characters, maxResultSize is ${maxResultSize}`)
              : Effect.sync(() => this.listener.onProgress(text))
          })
        ),
        Effect.catchCause((cause) => Effect.logWarning("a progress value was dropped, for it cannot be sent", cause))
      )
  }

  get withSoftTimeLimit(): Typed<unknown>["withSoftTimeLimit"] {
    return (effect) =>
      Effect.suspend(() => {
        if (this.softLimitCame) return Effect.fail(this.exceeded())
        const region = Deferred.makeUnsafe<never, SoftTimeLimitExceeded>()
        this.regions.add(region)
        return Effect.ensuring(
          Effect.raceFirst(effect, Deferred.await(region)),
          Effect.sync(() => this.regions.delete(region))
        )
      })
  }

  /** The soft limit came. Whether a region took it; if not, the run is to be interrupted. */
  endRegions(): boolean {
    this.softLimitCame = true
    if (this.regions.size === 0) return false
    const exit = Exit.fail(this.exceeded())
    for (const region of this.regions) Deferred.doneUnsafe(region, exit)
    return true
  }

  private exceeded(): SoftTimeLimitExceeded {
    return new SoftTimeLimitExceeded({ millis: this.work.limits.soft ?? 0 })
  }

  private after(millis: number | undefined): DateTime.Utc | undefined {
    return millis === undefined ? undefined : DateTime.makeUnsafe(this.work.startedAt + millis)
  }
}

/**
 * Throws for what is no span of time: a message must not come back at once, again and again, by mistake. Longer ones than
 * any policy can ask for are cut.
 */
const millisOf = (input: Duration.Input): number => {
  const millis = TimeLimit.readMillis(input)
  if (Number.isFinite(millis) && millis >= 0) return Math.ceil(Math.min(millis, maxDelay))
  throw new RangeError(
    `${typeof input === "object" ? JSON.stringify(input) : String(input)} is no finite span of time of 0 or more: a handler cannot wait for it`
  )
}
