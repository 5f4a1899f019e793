/**
 * What holds for every task of a program unless the task or the call says otherwise.
 *
 * The order of precedence: options of the call, the `Router`, the task's definition, the worker's options, these.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { validateQueue } from "./Router.ts"
import { readMillis } from "./TimeLimit.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  /** Queue of tasks that name none. Default `"default"`. */
  readonly queue: string
  /** 0 to 9, 9 first. Default 5. */
  readonly priority: Priority
  /** How long records of ended messages are kept, from their end. Default 1 day. */
  readonly resultTtl: Duration.Duration
  /**
   * How long the id of an ended message is refused as a duplicate at least, also when its result is ignored, forgotten or
   * short-lived. Default 10 minutes.
   */
  readonly dedupeWindow: Duration.Duration
  /** How long publishing goes on trying while the broker is away. Default 5 seconds. */
  readonly publishTimeout: Duration.Duration
  /** How many messages may wait in memory for a broker that is away; further ones wait for room. Default 10 000. */
  readonly publishBuffer: number
  /** Largest message in characters of its wire form. Default 1 048 576. */
  readonly maxMessageSize: number
  /** Deliveries without an outcome (a worker died, or it was requeued) after which a message is dead. Default 5. */
  readonly maxDeliveries: number
}

/**
 * 9 runs first.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

const settings: Settings = {
  queue: "default",
  priority: 5,
  resultTtl: Duration.days(1),
  dedupeWindow: Duration.minutes(10),
  publishTimeout: Duration.seconds(5),
  publishBuffer: 10_000,
  maxMessageSize: 1_048_576,
  maxDeliveries: 5
}

/**
 * @category services
 * @since 0.1.0
 */
export class Defaults extends Context.Reference<Settings>("celeriac/Defaults", { defaultValue: () => settings }) {}

/**
 * Changes some of them. Durations are given in any form that Effect reads.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly [Key in keyof Settings]?:
    | (Settings[Key] extends Duration.Duration ? Duration.Input : Settings[Key])
    | undefined
}): Layer.Layer<never> =>
  Layer.effect(
    Defaults,
    Effect.map(Effect.andThen(checked(options), Defaults), (base): Settings => ({
      queue: options.queue ?? base.queue,
      priority: options.priority ?? base.priority,
      resultTtl: duration(options.resultTtl, base.resultTtl),
      dedupeWindow: duration(options.dedupeWindow, base.dedupeWindow),
      publishTimeout: duration(options.publishTimeout, base.publishTimeout),
      publishBuffer: options.publishBuffer ?? base.publishBuffer,
      maxMessageSize: options.maxMessageSize ?? base.maxMessageSize,
      maxDeliveries: options.maxDeliveries ?? base.maxDeliveries
    }))
  )

/** A mistake here is one of the program, not of its surroundings: it is a defect, which says what to change. */
const checked = (options: Readonly<Record<string, unknown>>): Effect.Effect<void> => {
  const problems = Object.entries(options).flatMap(([option, value]) =>
    value === undefined ? [] : (checks[option]?.(value) ?? [])
  )
  return problems.length === 0 ? Effect.void : Effect.die(new Error(`Defaults.layer: ${problems.join("; ")}`))
}

const wholeOf =
  (option: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: unknown): ReadonlyArray<string> =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most
      ? []
      : [`${option} must be a whole number of ${least} or more${most < 10 ? `, at most ${most}` : ""}`]

const spanOf =
  (option: string) =>
  (value: unknown): ReadonlyArray<string> => {
    const millis = readMillis(value as Duration.Input)
    return millis >= 0 && millis < Infinity ? [] : [`${option} must be a finite span of time of 0 or more`]
  }

const checks: Readonly<Record<string, (value: unknown) => ReadonlyArray<string>>> = {
  queue: (value) => {
    const problem = validateQueue(value as string)
    return problem === undefined ? [] : [`queue: ${problem}`]
  },
  priority: wholeOf("priority", 0, 9),
  resultTtl: spanOf("resultTtl"),
  dedupeWindow: spanOf("dedupeWindow"),
  publishTimeout: spanOf("publishTimeout"),
  publishBuffer: wholeOf("publishBuffer", 1),
  maxMessageSize: wholeOf("maxMessageSize", 1),
  maxDeliveries: wholeOf("maxDeliveries", 1)
}

const duration = (input: Duration.Input | undefined, fallback: Duration.Duration): Duration.Duration =>
  input === undefined ? fallback : Duration.fromInputUnsafe(input)
