/**
 * Guards messages that are under way against changes of their schema.
 *
 * Messages wait for minutes or months, and a deploy does not empty the queues: a payload that was written by the last version
 * of a program is read by the next one. A snapshot is a text with encoded payloads of a task, stored beside the tests:
 * `make` writes it once, `check` reads it in each run of the tests with the schema of today (and its `upgrades`) and fails
 * when
 *
 * - a stored payload cannot be read any more, or
 * - it can, but would be written differently now, and the task's `version` was not raised: the workers that run while the
 *   deploy goes on would read what they do not understand, where a higher version makes them leave it to others.
 *
 * New fields that a reader may miss (optional, or with a default for decoding) change nothing for stored payloads. What a
 * new schema writes for values that the old one did not have (a wider union, say) is not seen by this.
 *
 * ```ts nocheck
 * it.effect("stored mails can be read", () =>
 *   Effect.gen(function* () {
 *     const files = yield* FileSystem.FileSystem
 *     // written once by PayloadSnapshot.make(SendMail)
 *     yield* PayloadSnapshot.check(SendMail, yield* files.readFileString("test/payloads/mail.send.json"))
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { payloadFailure, payloadOf } from "../internal/payload.ts"
import type * as Message from "../Message.ts"
import type * as Task from "../Task.ts"

/**
 * The text is no snapshot.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotASnapshot extends Schema.TaggedError<NotASnapshot>()("NotASnapshot", { detail: Schema.String }) {
  override get message(): string {
    return `the text is no snapshot that PayloadSnapshot.make wrote: ${this.detail}`
  }
}

/**
 * The snapshot belongs to another task. A task that is renamed does not get the messages of its old name.
 *
 * @category reasons
 * @since 0.1.0
 */
export class OtherTask extends Schema.TaggedError<OtherTask>()("OtherTask", { stored: Schema.String }) {
  override get message(): string {
    return `the snapshot is of task "${this.stored}": messages under way are looked up by that name`
  }
}

/**
 * No payload can be made up from the schema.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NoSamples extends Schema.TaggedError<NoSamples>()("NoSamples", { detail: Schema.String }) {
  override get message(): string {
    return `no payload can be made up from the schema: ${this.detail}. Give some as \`samples\`, and \`count: 0\`.`
  }
}

/**
 * A given sample does not fit the schema.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidSample extends Schema.TaggedError<InvalidSample>()("InvalidSample", {
  index: Schema.Number,
  issue: Schema.String
}) {
  override get message(): string {
    return `sample ${this.index} does not fit the schema: ${this.issue}`
  }
}

/**
 * A stored payload cannot be read any more.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", {
  version: Schema.Number,
  /** As it is stored. */
  payload: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `a payload of version ${this.version} cannot be read any more: ${this.issue}\n  ${this.payload}\nMake the new schema read it (optional fields, defaults), or raise the task's version and give an upgrade from ${this.version}.`
  }
}

/**
 * A stored payload can be read, but would be written differently under the same version.
 *
 * @category reasons
 * @since 0.1.0
 */
export class VersionNotRaised extends Schema.TaggedError<VersionNotRaised>()("VersionNotRaised", {
  version: Schema.Number,
  /** As it is stored. */
  payload: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `the encoding of payloads changed, and the version is still ${this.version}: ${this.issue}\n  ${this.payload}\nWorkers of before the change would misread new messages: raise the task's version and give an upgrade from ${this.version}.`
  }
}

/**
 * @category errors
 * @since 0.1.0
 */
export class PayloadSnapshotError extends Schema.TaggedError<PayloadSnapshotError>()("PayloadSnapshotError", {
  task: Schema.String,
  reason: Schema.Union([NotASnapshot, OtherTask, NoSamples, InvalidSample, Unreadable, VersionNotRaised])
}) {
  override get message(): string {
    return `task "${this.task}": ${this.reason.message}`
  }
}

const failed = (task: Task.AnyWithProps, reason: PayloadSnapshotError["reason"]) =>
  new PayloadSnapshotError({ task: task._tag, reason })

/** An encoded payload and the version of the schema that wrote it. */
const Stored = Schema.Struct({ version: Schema.Number, payload: Schema.Unknown })

const Snapshot = Schema.fromJsonString(Schema.Struct({ task: Schema.String, payloads: Schema.Array(Stored) }))

const decode = (task: Task.AnyWithProps, text: string) =>
  Effect.mapError(Schema.decodeEffect(Snapshot)(text), (error) =>
    failed(task, new NotASnapshot({ detail: error.message }))
  )

const printed = (issue: { readonly toString: () => string }): string => issue.toString()

/** So that a generated value is easily read. */
const size = 4

/**
 * The text of a snapshot: one line for each payload. The same schema, samples and count give the same text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <T extends Task.AnyWithProps>(
  task: T,
  options: {
    /** Payloads of your own: the ones that matter. */
    readonly samples?: ReadonlyArray<T["payloadSchema"]["~type.make.in"]> | undefined
    /** How many more are made up from the schema. Default 10. */
    readonly count?: number | undefined
    /** The snapshot so far: its payloads of older versions are kept. */
    readonly previous?: string | undefined
  } = {}
): Effect.Effect<string, PayloadSnapshotError, T["payloadSchema"]["EncodingServices"]> =>
  Effect.gen(function* () {
    const { count = 10, previous, samples = [] } = options
    const { version = 1 } = task.options
    const kept = previous === undefined ? [] : yield* older(task, previous, version)
    const chosen = yield* Effect.forEach(samples, (sample, index) =>
      Effect.mapError(task.payloadSchema.makeEffect(sample), (error) =>
        failed(task, new InvalidSample({ index, issue: printed(error) }))
      )
    )
    const invented = count === 0 ? [] : yield* inventPayloads(task, count)
    const encoded = yield* Effect.forEach([...chosen, ...invented], (value, index) =>
      Effect.mapError(task["~codecs"]().payload.encode(value), (error) =>
        failed(task, new InvalidSample({ index, issue: String(error) }))
      )
    )
    const lines = [...kept, ...encoded.map((payload) => ({ version, payload }))].map((stored) => JSON.stringify(stored))
    return `{\n  "task": ${JSON.stringify(task._tag)},\n  "payloads": [\n    ${Array.from(new Set(lines)).join(",\n    ")}\n  ]\n}\n`
  })

const older = (task: Task.AnyWithProps, text: string, version: number) =>
  Effect.map(decode(task, text), ({ payloads }) => payloads.filter((stored) => stored.version < version))

/** From a seed that belongs to the task. */
const inventPayloads = (task: Task.AnyWithProps, count: number) =>
  Effect.try({
    try: () => Arbitrary.schema(task.payloadSchema),
    catch: (error) => failed(task, new NoSamples({ detail: String(error) }))
  }).pipe(
    Effect.flatMap((arbitrary) =>
      Effect.mapError(Arbitrary.sampleEffect(arbitrary, { count, seed: task._tag, size }), ({ discards }) =>
        failed(task, new NoSamples({ detail: `${discards} values were made up and did not fit` }))
      )
    )
  )

/**
 * Reads each stored payload as a worker of today would, and compares how it would be written today, see above.
 *
 * @category checking
 * @since 0.1.0
 */
export const check = <T extends Task.AnyWithProps>(
  task: T,
  text: string
): Effect.Effect<
  void,
  PayloadSnapshotError,
  T["payloadSchema"]["DecodingServices"] | T["payloadSchema"]["EncodingServices"]
> =>
  Effect.gen(function* () {
    const snapshot = yield* decode(task, text)
    if (snapshot.task !== task._tag) return yield* failed(task, new OtherTask({ stored: snapshot.task }))
    for (const stored of snapshot.payloads) {
      const payload = JSON.stringify(stored.payload)
      const { version } = stored
      const unreadable = (issue: string) => failed(task, new Unreadable({ version, payload, issue }))
      const value = yield* payloadOf(task, messageOf(task, stored)).pipe(
        Effect.catchCause((cause) => {
          const outcome = payloadFailure(cause)
          return unreadable("detail" in outcome ? (outcome.detail ?? "") : outcome._tag)
        })
      )
      if (version !== (task.options.version ?? 1)) continue
      const encoded = yield* Effect.mapError(task["~codecs"]().payload.encode(value), (error) =>
        unreadable(String(error))
      )
      // as JSON has it
      const issue = changeOf("payload", stored.payload, JSON.parse(JSON.stringify(encoded ?? null)) as unknown)
      if (issue !== undefined) return yield* failed(task, new VersionNotRaised({ version, payload, issue }))
    }
  })

const messageOf = (task: Task.AnyWithProps, { payload, version }: typeof Stored.Type): Message.Message => ({
  id: "snapshot",
  queue: "snapshot",
  task: task._tag,
  priority: 5,
  payload,
  payloadVersion: version
})

/** What a reader of the old form would miss or misread; more than it knows does not disturb it. */
const changeOf = (path: string, was: unknown, is: unknown): string | undefined => {
  if (Array.isArray(was) && Array.isArray(is) && was.length === is.length) {
    return first(was.map((item, index) => changeOf(`${path}[${index}]`, item, is[index])))
  }
  if (isRecord(was) && isRecord(is)) {
    return first(
      Object.entries(was).map(([key, value]) =>
        Object.hasOwn(is, key) ? changeOf(`${path}.${key}`, value, is[key]) : `${path}.${key} is not written any more`
      )
    )
  }
  return was === is ? undefined : `${path} was ${JSON.stringify(was)}, and is written as ${JSON.stringify(is)} now`
}

const first = (changes: ReadonlyArray<string | undefined>): string | undefined =>
  changes.find((change) => change !== undefined)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
