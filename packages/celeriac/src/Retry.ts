/**
 * When a run that did not succeed is tried again: a plain shape, or any Effect `Schedule` whose input is the task's error.
 *
 * - `times` counts retries, not runs: `times: 3` means at most 4 runs.
 * - `retry: true` means 3 retries after 1 s, 2 s and 4 s, each shortened by full jitter. No `retry` means no retries.
 * - A handler that says `TaskContext.retry` asks for a retry itself: `times` limits it as well, `while`, `defects` and
 *   `timeLimits` have no say, and a task without a policy is treated as `retry: true`.
 *
 * **Schedules are replayed.** A message may be run by another worker each time, so no worker keeps a schedule's state. For
 * the n-th attempt a fresh schedule is stepped n times; each step sees the last error, and the last step's delay counts.
 * Its first step sees the time of the first attempt, its last one the time of now; steps between see the sum of the
 * delays. Random numbers are drawn from the message's id, so that a replay takes the way that earlier ones took, on any
 * worker. When the schedule ends, so do the retries. Steps beyond the first 10 000 are not replayed: from there on
 * the schedule stands still and only `times` ends the retries.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import * as Pull from "effect/Pull"
import { Random } from "effect/Random"
import * as Schedule from "effect/Schedule"
import { readMillis } from "./TimeLimit.ts"

/**
 * What every policy may say.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conditions<in E> {
  /**
   * Number of retries after the first run. Default 3, or without end for a policy with a `schedule` (which ends by itself).
   * The `retries` of a call wins.
   */
  readonly times?: number | undefined
  /**
   * Whether this error is worth a retry. Sees typed errors only, so that `(error) => error.code < 500` needs no case for
   * endings that are none: those have `timeLimits` and `defects`.
   */
  readonly while?: ((error: E) => boolean) | undefined
  /** Whether a run that hit its soft or hard time limit is tried again. Default `true`. */
  readonly timeLimits?: boolean | undefined
  /** Whether a run that died of a defect is tried again. Default `true`. */
  readonly defects?: boolean | undefined
}

/**
 * Delays by a formula.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plain<in E> extends Conditions<E> {
  /** Before the first retry. Default 1 second. */
  readonly delay?: Duration.Input | undefined
  /** How `delay` grows with the n-th retry: not, n times, or 2ⁿ⁻¹ times. Default `"exponential"`. */
  readonly backoff?: "constant" | "linear" | "exponential" | undefined
  /** Longest delay. Default 10 minutes; no limit if `delay` itself is that long. */
  readonly max?: Duration.Input | undefined
  /** Takes a random part of each delay (full jitter), so that messages that failed together come back apart. Default `true`. */
  readonly jitter?: boolean | undefined
  readonly schedule?: never
}

/**
 * Delays by a schedule.
 *
 * Its input is the task's error, or after another ending what there is: a `TimeLimitExceeded`, the defect, or `undefined`
 * when the handler asked for the retry. A schedule that reads its input and cannot cope with those is best used with
 * `timeLimits: false` and `defects: false`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scheduled<in E> extends Conditions<E> {
  readonly schedule: Schedule.Schedule<unknown, E, unknown>
  readonly delay?: never
  readonly backoff?: never
  readonly max?: never
  readonly jitter?: never
}

/**
 * The policy of a task whose error is `E`. `true`: 3 retries, exponential from 1 second to 10 minutes, full jitter.
 *
 * @category models
 * @since 0.1.0
 */
export type Retry<E> = true | Plain<E> | Scheduled<E>

/**
 * The run took longer than its soft or hard time limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeLimitExceeded {
  readonly _tag: "TimeLimitExceeded"
  readonly limit: "soft" | "hard"
}

/**
 * How the run ended. `Requested`: the handler said `retry`, after `after` milliseconds if it is given.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending<E> =
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Died"; readonly defect: unknown }
  | TimeLimitExceeded
  | { readonly _tag: "Requested"; readonly after?: number | undefined }

/**
 * A run that did not succeed. All that a decision depends on is here or in the policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run<E> {
  /** Id of the message. */
  readonly id: string
  /** Counted runs so far, this one included: 1 after the first. */
  readonly attempt: number
  readonly ending: Ending<E>
  /** When the first counted run started, milliseconds since 1970. */
  readonly firstAttemptAt: number
  /** Milliseconds since 1970. */
  readonly now: number
  /** The call's own number of retries: wins over the policy's `times`. */
  readonly times?: number | undefined
}

/**
 * Why there is no further retry. `policy failed`: the `while` or the schedule threw or failed; `detail` says how.
 *
 * @category models
 * @since 0.1.0
 */
export type GiveUpReason =
  | "no policy"
  | "times"
  | "while"
  | "time limits"
  | "defects"
  | "schedule ended"
  | "policy failed"

/**
 * `delay` in whole milliseconds, from 0 to `maxDelay`.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision =
  | { readonly _tag: "RetryAfter"; readonly delay: number }
  | { readonly _tag: "GiveUp"; readonly why: GiveUpReason; readonly detail?: string | undefined }

/**
 * The longest delay that any policy can ask for, in milliseconds: 10 years. Longer ones, infinite ones too, are cut.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxDelay = 10 * 365 * 24 * 60 * 60 * 1000

const maxReplay = 10_000

const defaults = { times: 3, delay: 1000, max: 10 * 60 * 1000 }

/**
 * Whether and when the message is run again. Never fails: a policy that throws gives up.
 *
 * @category deciding
 * @since 0.1.0
 */
export const decide = <E>(policy: Retry<E> | undefined, run: Run<E>): Effect.Effect<Decision> =>
  Effect.suspend(() => consider(policy, run)).pipe(
    Effect.catchCause((cause) => Effect.map(describe(Cause.squash(cause)), (detail) => giveUp("policy failed", detail)))
  )

const consider = <E>(policy: Retry<E> | undefined, run: Run<E>): Effect.Effect<Decision, unknown> => {
  if (policy === undefined && run.times === undefined && run.ending._tag !== "Requested") {
    return Effect.succeed(giveUp("no policy"))
  }
  const chosen: Plain<E> | Scheduled<E> = policy === undefined || policy === true ? {} : policy
  const times = run.times ?? chosen.times ?? (chosen.schedule === undefined ? defaults.times : Infinity)
  // written so that a NaN gives up
  if (!(run.attempt <= times)) return Effect.succeed(giveUp("times"))
  const refused = refusal(chosen, run.ending)
  if (refused !== undefined) return Effect.succeed(giveUp(refused))
  if (run.ending._tag === "Requested" && run.ending.after !== undefined) {
    return Effect.succeed(retryAfter(run.ending.after))
  }
  return chosen.schedule === undefined
    ? Effect.succeed(retryAfter(formula(chosen, run)))
    : Effect.provideService(replay(chosen.schedule, run), Random, randomOf(run.id))
}

const refusal = <E>(policy: Conditions<E>, ending: Ending<E>): GiveUpReason | undefined => {
  if (ending._tag === "Failed" && policy.while !== undefined && !policy.while(ending.error)) return "while"
  if (ending._tag === "Died" && policy.defects === false) return "defects"
  if (ending._tag === "TimeLimitExceeded" && policy.timeLimits === false) return "time limits"
  return undefined
}

const formula = (policy: Plain<never>, run: Run<unknown>): number => {
  const delay = policy.delay === undefined ? defaults.delay : Duration.toMillis(policy.delay)
  const max =
    policy.max === undefined ? (delay < defaults.max ? defaults.max : maxDelay) : Duration.toMillis(policy.max)
  const grown = delay * growth[policy.backoff ?? "exponential"](run.attempt)
  const part = policy.jitter === false ? 1 : randomOf(`${run.attempt}:${run.id}`).nextDoubleUnsafe()
  return Math.min(grown, max, maxDelay) * part
}

const growth = {
  constant: () => 1,
  linear: (attempt: number) => attempt,
  exponential: (attempt: number) => 2 ** (attempt - 1)
}

const replay = Effect.fnUntraced(function* <E>(
  schedule: Schedule.Schedule<unknown, E, unknown>,
  run: Run<E>
): Effect.fn.Return<Decision, unknown> {
  // an ending that is no typed error is told as it is, see `Scheduled`
  const input = inputOf(run.ending) as E
  if (!Schedule.isSchedule(schedule)) return giveUp("policy failed", "retry.schedule is not an Effect Schedule")
  const step = yield* Schedule.toStep(schedule)
  const steps = Math.min(run.attempt, maxReplay)
  let waited = 0
  for (let at = 1; ; at++) {
    const now = at === steps ? run.now : Math.min(run.firstAttemptAt + waited, run.now)
    const next = yield* Pull.catchDone(step(now, input), () => Effect.undefined)
    if (next === undefined) return giveUp("schedule ended")
    const delay = Duration.toMillis(next[1])
    if (at === steps) return retryAfter(delay)
    waited += bounded(delay)
  }
})

const inputOf = (ending: Ending<unknown>): unknown => {
  if (ending._tag === "Failed") return ending.error
  if (ending._tag === "Died") return ending.defect
  return ending._tag === "TimeLimitExceeded" ? ending : undefined
}

const retryAfter = (millis: number): Decision => ({ _tag: "RetryAfter", delay: bounded(millis) })

const bounded = (millis: number): number => (millis > 0 ? Math.ceil(Math.min(millis, maxDelay)) : 0)

const giveUp = (why: GiveUpReason, detail?: string): Decision =>
  detail === undefined ? { _tag: "GiveUp", why } : { _tag: "GiveUp", why, detail }

/** Thrown values can be anything, also something that throws when it is printed. */
const describe = (thrown: unknown): Effect.Effect<string> =>
  Effect.sync(() =>
    (thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : format(thrown)).slice(0, 1000)
  ).pipe(Effect.catchDefect(() => Effect.succeed("something that cannot be printed was thrown")))

/**
 * Random numbers that depend on the text alone (FNV-1a, then splitmix32). `Random.withSeed` would do the same, but takes
 * 12 µs, and when something that all tasks need is down every message of a busy worker comes through here.
 */
const randomOf = (text: string): Random => {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++) state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  return {
    nextDoubleUnsafe: () => next() / 2 ** 32,
    nextIntUnsafe: () => (next() - 2 ** 31) * 2 ** 21 + (next() >>> 11)
  }
}

/**
 * What is wrong with a policy, in sentences that say what to do; empty when nothing is. For programs whose options do not
 * come from a type checker, and for numbers that no type can check.
 *
 * @category deciding
 * @since 0.1.0
 */
export const validate = <E>(policy: Retry<E> | undefined): ReadonlyArray<string> => {
  if (policy === undefined || policy === true) return []
  if (typeof policy !== "object" || policy === null) return ["retry must be true, or an object with the policy."]
  const problems: Array<string> = []
  const { backoff, delay, max, schedule, times } = policy as Conditions<E> & { readonly [K in keyof Plain<E>]: unknown }
  if (times !== undefined && times !== Infinity && !(Number.isInteger(times) && times >= 0)) {
    problems.push("retry.times must be a whole number of retries: 0, 1, 2 and so on, or Infinity.")
  }
  if (policy.while !== undefined && typeof policy.while !== "function") {
    problems.push("retry.while must be a function that takes the error and says whether to try again.")
  }
  if (schedule !== undefined) {
    if (!Schedule.isSchedule(schedule)) problems.push("retry.schedule must be an Effect Schedule.")
    if ([delay, backoff, max, policy.jitter].some((option) => option !== undefined)) {
      problems.push("retry has a schedule and also delay, backoff, max or jitter: leave out one or the other.")
    }
    return problems
  }
  const delayMillis = span("delay", delay, problems)
  const maxMillis = span("max", max, problems)
  if (delayMillis === Infinity) {
    problems.push("retry.delay is infinite, so no retry would ever come: give a finite one, or leave `retry` out.")
  } else if (delayMillis !== undefined && maxMillis !== undefined && delayMillis > maxMillis) {
    problems.push("retry.max is shorter than retry.delay: raise max, or lower delay.")
  }
  if (backoff !== undefined && !Object.hasOwn(growth, backoff as string)) {
    problems.push(`retry.backoff must be one of ${Object.keys(growth).join(", ")}.`)
  }
  return problems
}

const span = (option: string, input: unknown, problems: Array<string>): number | undefined => {
  if (input === undefined) return undefined
  const millis = readMillis(input as Duration.Input)
  if (millis >= 0) return millis
  problems.push(
    Number.isNaN(millis)
      ? `retry.${option} is not a duration. Give milliseconds, or text such as "10 seconds".`
      : `retry.${option} is negative. Give 0 or more.`
  )
  return undefined
}
