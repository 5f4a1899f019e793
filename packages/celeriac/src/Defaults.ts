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
import * as Schema from "effect/Schema"
import { isObject, latest, shown } from "./internal/misuse.ts"
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
  /**
   * Largest result in characters: of the record of a success or a typed error (a larger one fails with a defect that says
   * so), and of a progress value as JSON (a larger one is dropped with a warning). Default 1 048 576.
   */
  readonly maxResultSize: number
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
  maxResultSize: 1_048_576,
  maxDeliveries: 5
}

/**
 * @category services
 * @since 0.1.0
 */
export class Defaults extends Context.Reference<Settings>("celeriac/Defaults", { defaultValue: () => settings }) {}

/**
 * Some of the settings make no sense. `problems` are sentences that say what to change.
 *
 * @category errors
 * @since 0.1.0
 */
export class DefaultsError extends Schema.TaggedError<DefaultsError>()("DefaultsError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Defaults.layer: ${this.problems.join("; ")}`
  }
}

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
}): Layer.Layer<never, DefaultsError> =>
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
      maxResultSize: options.maxResultSize ?? base.maxResultSize,
      maxDeliveries: options.maxDeliveries ?? base.maxDeliveries
    }))
  )

const checked = (options: unknown): Effect.Effect<void, DefaultsError> => {
  const problems = isObject(options)
    ? Object.entries(options).flatMap(([option, value]) =>
        !Object.hasOwn(checks, option)
          ? [`${option}: there is no such setting; there are ${Object.keys(checks).join(", ")}`]
          : value === undefined
            ? []
            : checks[option as keyof Settings](value)
      )
    : [`the settings must be an object, they are ${shown(options)}`]
  return problems.length === 0 ? Effect.void : Effect.fail(new DefaultsError({ problems }))
}

const wholeOf =
  (option: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: unknown): ReadonlyArray<string> =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most
      ? []
      : [
          `${option} must be a whole number of ${least} or more${most < 10 ? `, at most ${most}` : ""}; it is ${shown(value)}`
        ]

const spanOf =
  (option: string) =>
  (value: unknown): ReadonlyArray<string> => {
    const millis = readMillis(value as Duration.Input)
    return millis >= 0 && millis <= latest
      ? []
      : [`${option} must be a finite span of time of 0 or more, at most ${latest} ms; it is ${shown(value)}`]
  }

const checks: Readonly<Record<keyof Settings, (value: unknown) => ReadonlyArray<string>>> = {
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
  maxResultSize: wholeOf("maxResultSize", 1),
  maxDeliveries: wholeOf("maxDeliveries", 1)
}

const duration = (input: Duration.Input | undefined, fallback: Duration.Duration): Duration.Duration =>
  input === undefined ? fallback : Duration.fromInputUnsafe(input)
