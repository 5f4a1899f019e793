/** From the exit of a handler to the outcome of the run: classified once, from the inner exit. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Message } from "../Message.ts"
import type { Outcome } from "../Outcome.ts"
import type { Stop } from "../Pool.ts"
import * as Retry from "../Retry.ts"
import type { AnyWithProps } from "../Task.ts"
import { SoftTimeLimitExceeded, TaskSignal } from "../TaskContext.ts"
import type { Limits } from "../TimeLimit.ts"
import { encodeDefect } from "./codecs.ts"
import { immediate } from "./immediate.ts"
import { spanOf } from "./worker/words.ts"

/** The run that ended. */
export interface Run {
  readonly task: AnyWithProps
  readonly message: Message
  readonly limits: Limits
  readonly startedAt: number
  /** The worker's, milliseconds; the retry schedule has as long for its answer. */
  readonly grace: number
}

/**
 * `stop` is the reason for which the run was stopped from outside, if it was. It decides when the handler was interrupted;
 * a handler that came to an end of its own all the same keeps it.
 */
export const conclude = (
  run: Run,
  exit: Exit.Exit<unknown, unknown>,
  stop: Stop | undefined
): Effect.Effect<Outcome> => {
  if (Exit.isSuccess(exit)) return succeeded(run, exit.value)
  const { reasons } = exit.cause
  if (stop !== undefined && reasons.some(Cause.isInterruptReason)) return stopped(run, stop)
  const failure = reasons.find(Cause.isFailReason)
  if (failure === undefined) {
    const died = reasons.find(Cause.isDieReason)
    // nobody interrupted it from outside: the handler did it itself
    return defect(run, died === undefined ? new Error("the handler interrupted itself") : died.defect)
  }
  if (failure.error instanceof TaskSignal) return signalled(run, failure.error)
  if (failure.error instanceof SoftTimeLimitExceeded) return stopped(run, "soft")
  return failed(run, failure.error)
}

/** What a stop means for the message; also for a run that does not give in. */
export const stopped = (run: Run, stop: Stop): Effect.Effect<Outcome> => {
  if (stop === "revoked") return Effect.succeed({ _tag: "Revoked" })
  if (stop === "released") return Effect.succeed({ _tag: "Released" })
  return Effect.map(decide(run, { _tag: "TimeLimitExceeded", limit: stop }), (retry): Outcome => ({
    _tag: "TimedOut",
    limit: stop,
    millis: run.limits[stop] ?? 0,
    retry
  }))
}

const succeeded = (run: Run, value: unknown): Effect.Effect<Outcome> => {
  const encoded = attempted(() => run.task["~codecs"]().success.encode(value))
  const exit = immediate(encoded)
  if (exit !== undefined && Exit.isSuccess(exit)) return Effect.succeed({ _tag: "Succeeded", value: exit.value })
  return encoded.pipe(
    Effect.map((value): Outcome => ({ _tag: "Succeeded", value })),
    Effect.catchCause((cause) => defect(run, misfit("success value", cause)))
  )
}

const failed = (run: Run, error: unknown): Effect.Effect<Outcome> =>
  Effect.flatMap(Effect.exit(attempted(() => run.task["~codecs"]().error.encode(error))), (encoded) =>
    Exit.isSuccess(encoded)
      ? Effect.map(decide(run, { _tag: "Failed", error }), (retry): Outcome => ({
          _tag: "Failed",
          error: encoded.value,
          retry
        }))
      : defect(run, misfit("error", encoded.cause))
  )

/** Looking at a value can throw: getters and proxies are the handler's code as well. */
const attempted = <A, E>(encode: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return encode()
  } catch (thrown) {
    return Exit.die(thrown)
  }
}

const misfit = (what: string, cause: Cause.Cause<unknown>): Error =>
  new Error(`the handler's ${what} does not fit the task's schema`, { cause: Cause.squash(cause) })

const defect = (run: Run, value: unknown): Effect.Effect<Outcome> =>
  Effect.map(decide(run, { _tag: "Died", defect: value }), (retry): Outcome => {
    const stack = stackOf(value)
    return { _tag: "Died", defect: encodeDefect(value), retry, ...(stack !== undefined && { stack }) }
  })

const longestStack = 4000

/** From here on up it is Effect's or our own, and says nothing of the handler. */
const machinery = /^ +at (?:Generator\.next|~effect\/|FiberImpl\.|misfit )/m

/** Without the message, down to the handler. Total: to read an error can throw. */
const stackOf = (defect: unknown): string | undefined => {
  try {
    const text: unknown = defect instanceof Error ? defect.stack : undefined
    if (typeof text !== "string") return undefined
    const from = text.search(/^ +at /m)
    const to = text.search(machinery)
    const frames = from < 0 ? "" : text.slice(from, to < 0 ? undefined : to).trimEnd()
    return frames === "" ? undefined : frames.slice(0, longestStack)
  } catch {
    return undefined
  }
}

const signalled = (run: Run, signal: TaskSignal): Effect.Effect<Outcome> => {
  switch (signal.verdict) {
    case "retry":
      return Effect.map(decide(run, { _tag: "Requested", after: signal.millis }), (retry): Outcome => ({
        _tag: "RetryRequested",
        retry
      }))
    case "snooze":
      return Effect.succeed({ _tag: "Snoozed", millis: signal.millis ?? 0 })
    case "reject":
      return Effect.succeed({ _tag: "Rejected", detail: signal.detail })
    case "requeue":
      return Effect.succeed({ _tag: "Requeued", detail: signal.detail })
    case "ignore":
      return Effect.succeed({ _tag: "Ignored" })
  }
}

const decide = (run: Run, ending: Retry.Ending<unknown>): Effect.Effect<Retry.Decision> => {
  const { message, startedAt, task } = run
  const { retry } = task.options
  const decision = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Retry.decide(retry, {
      id: message.id,
      attempt: (message.attempts ?? 0) + 1,
      ending,
      firstAttemptAt: message.attemptTimes?.[0] ?? startedAt,
      now,
      times: message.retries
    })
  )
  // nothing else in a policy can wait
  return typeof retry === "object" && retry.schedule !== undefined ? answeredInTime(run, decision) : decision
}

/** A schedule is the program's own code: one that never answers must not hold the slot and the message. */
const answeredInTime = ({ grace, message, task }: Run, decision: Effect.Effect<Retry.Decision>) => {
  const patience = Math.max(grace, leastPatience)
  return Effect.flatMap(
    // detached: it may not be interruptible either
    Effect.forkDetach(decision, { startImmediately: true }),
    (deciding) =>
      Effect.timeoutOrElse(Fiber.join(deciding), {
        duration: patience,
        orElse: () => {
          deciding.interruptUnsafe()
          const detail = `the retry schedule of task "${task._tag}" did not answer within ${spanOf(patience)}`
          return Effect.logError(`${detail}: there is no further attempt`).pipe(
            Effect.annotateLogs({ task: task._tag, id: message.id, attempt: (message.attempts ?? 0) + 1 }),
            Effect.as<Retry.Decision>({ _tag: "GiveUp", why: "policy failed", detail })
          )
        }
      })
  )
}

/** A worker may give its handlers no grace at all; many steps of a schedule take their time. Milliseconds. */
const leastPatience = 1000
