/**
 * How long one run of a task may take.
 *
 * - **Soft limit** (`softTimeLimit`): the handler is asked to end. A region under `TaskContext.withSoftTimeLimit` fails
 *   with a typed error; outside of one the handler is interrupted, and its finalizers run.
 * - **Hard limit** (`timeLimit`): the handler is interrupted, and given up if it does not end within the grace. Where there
 *   is none, a handler that caught its soft limit goes on for as long as it likes.
 *
 * Both count from the start of the handler. A limit of the call wins over one of the task, that over one of the worker;
 * an infinite duration says "none" and hides the limits below it. The two are looked up one by one, so they can come from
 * different places: the soft one must still be the shorter one.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { latest } from "./internal/misuse.ts"

/**
 * Limits as calls, tasks and workers state them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly softTimeLimit?: Duration.Input | undefined
  readonly timeLimit?: Duration.Input | undefined
}

/**
 * The limits of one run, whole milliseconds; `undefined` = none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly soft: number | undefined
  readonly hard: number | undefined
}

/**
 * Who may state limits, in the order of precedence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Levels {
  readonly call?: Options | undefined
  readonly task?: Options | undefined
  readonly worker?: Options | undefined
}

/**
 * `limits` can be used in any case: values that make no sense are left out, and so is a soft limit that the hard one
 * would cut off. `problems` are sentences that say what is wrong and what to do: whoever defines a task, starts a worker
 * or enqueues refuses when there are any; a worker that holds a message uses the limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resolved {
  readonly limits: Limits
  readonly problems: ReadonlyArray<string>
}

/**
 * The limits that hold when these levels state theirs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolve = (levels: Levels): Resolved => {
  const problems: Array<string> = []
  const soft = first("softTimeLimit", levels, problems)
  const hard = first("timeLimit", levels, problems)
  const cutOff = soft !== undefined && hard !== undefined && soft.millis >= hard.millis && soft.millis !== Infinity
  if (cutOff) {
    problems.push(
      `softTimeLimit of the ${soft.level} (${show(soft.millis)}) is not shorter than timeLimit of the ${hard.level} (${show(hard.millis)}): the handler would be ended before it is asked to end. Raise timeLimit or lower softTimeLimit.`
    )
  }
  return { limits: { soft: cutOff ? undefined : finite(soft), hard: finite(hard) }, problems }
}

/**
 * The fields of a message that carry the limits of a call: whole milliseconds, `0` = none. Values that make no sense are
 * left out: ask `resolve` first.
 *
 * @category conversions
 * @since 0.1.0
 */
export const encode = (options: Options): { readonly softTimeLimit?: number; readonly timeLimit?: number } => {
  const soft = encodeOne(options.softTimeLimit)
  const hard = encodeOne(options.timeLimit)
  return { ...(soft !== undefined && { softTimeLimit: soft }), ...(hard !== undefined && { timeLimit: hard }) }
}

/**
 * The limits of a call as a message carries them, see `encode`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const decode = (fields: {
  readonly softTimeLimit?: number | undefined
  readonly timeLimit?: number | undefined
}): Options => ({
  softTimeLimit: fields.softTimeLimit === 0 ? Infinity : fields.softTimeLimit,
  timeLimit: fields.timeLimit === 0 ? Infinity : fields.timeLimit
})

/**
 * Milliseconds of a duration; `NaN` for what is none, also where `Duration` would read `NaN` as zero.
 *
 * @internal
 */
export const readMillis = (input: Duration.Input): number =>
  hasNaN(input)
    ? Number.NaN
    : Option.match(Duration.fromInput(input), { onNone: () => Number.NaN, onSome: Duration.toMillis })

/**
 * Whether it is a finite span that no message can carry and no `Date` can hold the end of.
 *
 * @internal
 */
export const isTooLong = (input: unknown): boolean => {
  // what is no duration is NaN, and that is not too long
  const millis = input === undefined ? 0 : readMillis(input as Duration.Input)
  return millis > latest && millis !== Infinity
}

const hasNaN = (input: Duration.Input): boolean =>
  typeof input === "number"
    ? Number.isNaN(input)
    : typeof input === "object" &&
      input !== null &&
      !Duration.isDuration(input) &&
      Object.values(input).some(Number.isNaN)

interface Stated {
  readonly level: keyof Levels
  /** Whole milliseconds, or `Infinity`. */
  readonly millis: number
}

const precedence: ReadonlyArray<keyof Levels> = ["call", "task", "worker"]

/** The first level that states the option; all levels are checked, also those that are hidden. */
const first = (option: keyof Options, levels: Levels, problems: Array<string>): Stated | undefined => {
  let found: Stated | undefined
  for (const level of precedence) {
    const input = levels[level]?.[option]
    if (input === undefined) continue
    const millis = readMillis(input)
    if (millis > 0) found ??= { level, millis: Math.ceil(millis) }
    else problems.push(complaint(option, level, millis))
  }
  return found
}

const complaint = (option: keyof Options, level: keyof Levels, millis: number): string =>
  Number.isNaN(millis)
    ? `${option} of the ${level} is not a duration. Give milliseconds, or text such as "30 seconds".`
    : `${option} of the ${level} is ${millis === 0 ? "zero" : "negative"}: no run could ever succeed. Give a longer time, or Infinity for no limit.`

const finite = (stated: Stated | undefined): number | undefined =>
  stated === undefined || stated.millis === Infinity ? undefined : stated.millis

const encodeOne = (input: Duration.Input | undefined): number | undefined => {
  const millis = input === undefined ? Number.NaN : readMillis(input)
  return millis === Infinity ? 0 : millis > 0 ? Math.ceil(millis) : undefined
}

const show = (millis: number): string => Duration.format(Duration.millis(millis))
