/** What a test asks about enqueued messages. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { payloadOf } from "../../internal/payload.ts"
import type * as Message from "../../Message.ts"
import type * as Task from "../../Task.ts"
import { differences, type Expected, line } from "./matching.ts"
import { Captures, type Entry, Recorder } from "./Recorder.ts"
import { settle } from "./settle.ts"

/**
 * A message that the broker accepted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Enqueued<P> {
  readonly id: string
  readonly queue: string
  /** Name of the task. */
  readonly task: string
  /** Decoded where the task was given, as it was sent where it was not. */
  readonly payload: P
  readonly priority: number
  /** Milliseconds since 1970. */
  readonly enqueuedAt: number
  /** When it falls due, milliseconds since 1970; `undefined`: at once. */
  readonly at: number | undefined
  readonly headers: Readonly<Record<string, string>>
  /** With everything else that was sent; `undefined` for something that is no message. */
  readonly message: Message.Message | undefined
}

/**
 * An expectation was not met. The message says what was enqueued instead, and in what it differs.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExpectationFailed extends Schema.TaggedError<ExpectationFailed>()("ExpectationFailed", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

const view = <P>(entry: Entry, payload: P): Enqueued<P> => ({
  id: entry.id,
  queue: entry.queue,
  task: entry.message?.task ?? "",
  payload,
  priority: entry.message?.priority ?? 0,
  enqueuedAt: entry.enqueuedAt,
  at: entry.at,
  headers: entry.message?.headers ?? {},
  message: entry.message
})

/** Inside of a `capture`: what that has seen. What is under way at this moment comes first. */
const entries: Effect.Effect<ReadonlyArray<Entry>, never, Recorder> = Effect.gen(function* () {
  yield* settle
  const recording = yield* Recorder
  return (yield* Captures).at(-1) ?? recording.enqueued
})

interface Decoded {
  readonly entry: Entry
  readonly payload: unknown
}

const decoded = (task: Task.AnyWithProps, among: ReadonlyArray<Entry>) =>
  Effect.forEach(
    among.filter(({ message }) => message?.task === task._tag),
    (entry) =>
      // the filter leaves those that have a message
      payloadOf(task, entry.message!).pipe(
        Effect.map((payload): Decoded => ({ entry, payload })),
        Effect.mapError(
          (error) =>
            new ExpectationFailed({
              detail: `a payload of task "${task._tag}" that was enqueued does not fit its schema: ${String(error)}\n${all(among)}`
            })
        )
      )
  )

/** The messages of the task that fit. */
const select = Effect.fnUntraced(function* (task: Task.AnyWithProps, expected: Expected<never>) {
  const found = yield* decoded(task, yield* entries)
  return found
    .filter(({ entry, payload }) => differences<unknown>(expected, entry, payload).length === 0)
    .map(({ entry, payload }) => view(entry, payload))
})

const assertFor = Effect.fnUntraced(function* (
  task: Task.AnyWithProps,
  expected: Expected<never> & { readonly count?: number | undefined }
) {
  const among = yield* entries
  const candidates = (yield* decoded(task, among)).map((candidate) => ({
    ...candidate,
    differences: differences<unknown>(expected, candidate.entry, candidate.payload)
  }))
  const fitting = candidates.filter((candidate) => candidate.differences.length === 0)
  const { count } = expected
  if (count === undefined ? fitting.length > 0 : fitting.length === count) {
    return fitting.map(({ entry, payload }) => view(entry, payload))
  }
  const wanted = count === undefined ? "a message" : count === 1 ? "1 message" : `${count} messages`
  const closest = candidates.toSorted((left, right) => left.differences.length - right.differences.length)
  return yield* new ExpectationFailed({
    detail: [
      `expected ${wanted} of task "${task._tag}"${hasConditions(expected) ? " that fits" : ""}; ${numbered(fitting.length)}`,
      ...closest.flatMap(({ differences, entry, payload }) =>
        differences.length === 0 && count === undefined
          ? []
          : [`  ${line(entry, payload)}`, ...differences.map((difference) => `    ${difference}`)]
      ),
      ...rest(among, task)
    ].join("\n")
  })
})

const refuteFor = Effect.fnUntraced(function* (task: Task.AnyWithProps, expected: Expected<never>) {
  const fitting = (yield* decoded(task, yield* entries)).filter(
    ({ entry, payload }) => differences<unknown>(expected, entry, payload).length === 0
  )
  if (fitting.length === 0) return
  return yield* new ExpectationFailed({
    detail: [
      `expected no message of task "${task._tag}"${hasConditions(expected) ? " that fits" : ""}; ${numbered(fitting.length)}`,
      ...fitting.map(({ entry, payload }) => `  ${line(entry, payload)}`)
    ].join("\n")
  })
})

const hasConditions = (expected: Expected<never> & { readonly count?: number | undefined }) =>
  Object.entries(expected).some(([name, condition]) => name !== "count" && condition !== undefined)

const numbered = (count: number): string =>
  count === 0 ? "there is none" : count === 1 ? "there is 1" : `there are ${count}`

/** What else was enqueued: the task's name may be the mistake. */
const rest = (among: ReadonlyArray<Entry>, task: Task.AnyWithProps): ReadonlyArray<string> => {
  const others = among.filter(({ message }) => message?.task !== task._tag)
  if (others.length > 0) return ["of other tasks was enqueued:", ...lines(others)]
  return among.length === 0 ? ["nothing was enqueued at all"] : []
}

const all = (among: ReadonlyArray<Entry>): string => ["what was enqueued:", ...lines(among)].join("\n")

const mostLines = 20

const lines = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> => [
  ...entries.slice(0, mostLines).map((entry) => `  ${line(entry, entry.message?.payload)}`),
  ...(entries.length > mostLines ? [`  … and ${entries.length - mostLines} more`] : [])
]

/**
 * The messages of a task that were enqueued, in their order, with decoded payloads; without a task, all of them. Inside of
 * `capture`: by that effect.
 *
 * What counts is that a message was accepted, by whomever (the test, a handler, a continuation), not where it is now.
 *
 * @category enqueued messages
 * @since 0.1.0
 */
export const enqueued: {
  (): Effect.Effect<ReadonlyArray<Enqueued<unknown>>, never, Recorder>
  <T extends Task.AnyWithProps>(
    task: T,
    filter?: Expected<T["payloadSchema"]["Type"]>
  ): Effect.Effect<
    ReadonlyArray<Enqueued<T["payloadSchema"]["Type"]>>,
    ExpectationFailed,
    Recorder | T["payloadSchema"]["DecodingServices"]
  >
} = (task?: Task.AnyWithProps, filter: Expected<never> = {}): Effect.Effect<never, never, Recorder> =>
  // the payloads are decoded with the task's schema
  (task === undefined ? everything : select(task, filter)) as Effect.Effect<never, never, Recorder>

const everything = Effect.map(entries, (entries) => entries.map((entry) => view(entry, entry.message?.payload)))

/**
 * Fails with `ExpectationFailed` unless a message of the task was enqueued that is as expected; with `count`, exactly so many.
 * Answers those that are.
 *
 * @category enqueued messages
 * @since 0.1.0
 */
export const assertEnqueued = <T extends Task.AnyWithProps>(
  task: T,
  expected: Expected<T["payloadSchema"]["Type"]> & { readonly count?: number | undefined } = {}
): Effect.Effect<
  ReadonlyArray<Enqueued<T["payloadSchema"]["Type"]>>,
  ExpectationFailed,
  Recorder | T["payloadSchema"]["DecodingServices"]
> =>
  // the payloads are decoded with the task's schema
  assertFor(task, expected as Expected<never>)

/**
 * Fails with `ExpectationFailed` if a message of the task was enqueued that is as described.
 *
 * @category enqueued messages
 * @since 0.1.0
 */
export const refuteEnqueued = <T extends Task.AnyWithProps>(
  task: T,
  expected: Expected<T["payloadSchema"]["Type"]> = {}
): Effect.Effect<void, ExpectationFailed, Recorder | T["payloadSchema"]["DecodingServices"]> =>
  refuteFor(task, expected as Expected<never>)

/**
 * The result of an effect, and the messages that it enqueued, its child fibers included: not those that handlers enqueue
 * meanwhile. Assertions inside of it see these only.
 *
 * @category enqueued messages
 * @since 0.1.0
 */
export const capture = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<[result: A, enqueued: ReadonlyArray<Enqueued<unknown>>], E, R> =>
  Effect.flatMap(Captures, (outer) => {
    const own: Array<Entry> = []
    return effect.pipe(
      Effect.provideService(Captures, [...outer, own]),
      Effect.map((result) => [result, own.map((entry) => view(entry, entry.message?.payload))])
    )
  })

/**
 * Forgets what was enqueued so far; the messages stay where they are.
 *
 * @category enqueued messages
 * @since 0.1.0
 */
export const forgetEnqueued: Effect.Effect<void, never, Recorder> = Effect.map(Recorder, ({ enqueued }) => {
  enqueued.length = 0
})
