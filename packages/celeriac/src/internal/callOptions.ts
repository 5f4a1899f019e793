/** The options of a call: what each may be, and how it is told that one is not. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { EnqueueOptions } from "../Client.ts"
import type { Priority } from "../Defaults.ts"
import { EnqueueError, InvalidOption } from "../EnqueueError.ts"
import * as Message from "../Message.ts"
import * as Router from "../Router.ts"
import type { AnyWithProps, ExecuteOptions } from "../Task.ts"
import * as TaskId from "../TaskId.ts"
import * as TimeLimit from "../TimeLimit.ts"
import { isObject, latest, shown, unknownOptions } from "./misuse.ts"

const ofEnqueue = {
  id: true,
  queue: true,
  priority: true,
  delay: true,
  at: true,
  expires: true,
  headers: true,
  resultTtl: true,
  ignoreResult: true,
  retries: true,
  softTimeLimit: true,
  timeLimit: true,
  ack: true
} as const satisfies Record<keyof EnqueueOptions, true>

/** One id cannot serve many messages. */
const { id: _, ...ofEnqueueAll } = ofEnqueue

/** Names of options. */
export const known = {
  enqueue: ofEnqueue,
  enqueueAll: ofEnqueueAll,
  execute: { ...ofEnqueue, onInterrupt: true } satisfies Record<keyof ExecuteOptions, true>
} as const

export const refused = (option: string, detail: string) =>
  new EnqueueError({ reason: new InvalidOption({ option, detail }), ids: [] })

/** Whether they are options at all. A misspelt one would be a delay that is not kept, a limit that does not hold. */
export const areOptions = (
  options: unknown,
  names: Readonly<Record<string, true>>
): Effect.Effect<void, EnqueueError> => {
  if (!isObject(options)) return Effect.fail(refused("options", `they must be an object, they are ${shown(options)}`))
  const [unknown] = unknownOptions(options, names)
  return unknown === undefined ? Effect.void : Effect.fail(refused(unknown.option, unknown.detail))
}

/** The times of a call, milliseconds since 1970 or from now. */
export interface Times {
  readonly delay: number | undefined
  readonly at: number | undefined
  readonly expiresAt: number | undefined
  readonly resultTtl: number | undefined
}

/** Most calls have none: nothing is to be read then. */
export const haveTimes = (task: AnyWithProps, { at, delay, expires, resultTtl }: EnqueueOptions): boolean =>
  delay !== undefined ||
  at !== undefined ||
  expires !== undefined ||
  resultTtl !== undefined ||
  task.options.expires !== undefined

export const timesOf = Effect.fnUntraced(function* (task: AnyWithProps, options: EnqueueOptions, now: number) {
  if (options.delay !== undefined && options.at !== undefined) {
    return yield* refused("at", `give either "delay" or "at", not both`)
  }
  const expires = options.expires === undefined ? task.options.expires : options.expires
  return {
    delay: options.delay === undefined ? undefined : yield* spanOf("delay", options.delay, now),
    at: options.at === undefined ? undefined : yield* timeOf("at", options.at),
    expiresAt:
      expires === undefined
        ? undefined
        : expires instanceof Date
          ? yield* timeOf("expires", expires)
          : now + (yield* spanOf("expires", expires, now)),
    resultTtl: options.resultTtl === undefined ? undefined : yield* spanOf("resultTtl", options.resultTtl, now)
  } satisfies Times
})

const spanOf = (option: string, input: Duration.Input, now: number): Effect.Effect<number, EnqueueError> => {
  const millis = Math.ceil(TimeLimit.readMillis(input))
  if (!(millis >= 0 && millis < Infinity)) {
    return Effect.fail(refused(option, `${shown(input)} is not a finite span of time of 0 or more`))
  }
  return now + millis <= latest
    ? Effect.succeed(millis)
    : Effect.fail(refused(option, `${shown(input)} ends after the last time that a Date can hold`))
}

const timeOf = (option: string, input: Date | number): Effect.Effect<number, EnqueueError> => {
  const millis = Math.round(input instanceof Date ? input.getTime() : typeof input === "number" ? input : Number.NaN)
  return millis >= 0 && millis <= latest
    ? Effect.succeed(millis)
    : Effect.fail(refused(option, `${shown(input)} is not a time after 1970 that a Date can hold`))
}

export const isPriority = (value: number): value is Priority => Number.isInteger(value) && value >= 0 && value <= 9

/** The first option that is not what it must be. Times are left to `timesOf`. */
export const checked = (
  task: AnyWithProps,
  options: ExecuteOptions,
  queue: string,
  priority: number
): Effect.Effect<Priority, EnqueueError> => {
  const { id, onInterrupt, retries } = options
  const queueProblem = Router.validateQueue(queue)
  if (queueProblem !== undefined) return Effect.fail(refused("queue", queueProblem))
  if (id !== undefined && !TaskId.isValid(id)) {
    return Effect.fail(refused("id", `${shown(id)} is not 1 to 256 printable ASCII characters without spaces`))
  }
  if (!isPriority(priority)) {
    return Effect.fail(refused("priority", `${shown(priority)} is not a whole number from 0 to 9 (9 runs first)`))
  }
  if (retries !== undefined && !(Number.isSafeInteger(retries) && retries >= 0)) {
    return Effect.fail(refused("retries", `${shown(retries)} is not a whole number of 0 or more`))
  }
  if (onInterrupt !== undefined && onInterrupt !== "revoke" && onInterrupt !== "detach") {
    return Effect.fail(refused("onInterrupt", `${shown(onInterrupt)} is not "revoke" or "detach"`))
  }
  for (const [option, { check, kind }] of otherOptions) {
    if (options[option] !== undefined && !check(options[option])) {
      return Effect.fail(refused(option, `it must be ${kind}`))
    }
  }
  for (const option of ["softTimeLimit", "timeLimit"] as const) {
    if (TimeLimit.isTooLong(options[option])) {
      return Effect.fail(refused(option, `${shown(options[option])} is too long; Infinity says that there is no limit`))
    }
  }
  const [limits] = TimeLimit.resolve({ call: options, task: task.options }).problems
  return limits === undefined ? Effect.succeed(priority) : Effect.fail(refused("timeLimit", limits))
}

/** Options of which it is only asked that they are of their kind. */
const otherOptions = [
  ["headers", Message.fields["hd"]!],
  ["ack", Message.fields["a"]!],
  ["ignoreResult", Message.fields["i"]!]
] as const
