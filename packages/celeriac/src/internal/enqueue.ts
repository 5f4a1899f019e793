/** From a call (task, payload, options) to an accepted message and its handle. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Publication } from "../Broker.ts"
import { Client, type EnqueueOptions } from "../Client.ts"
import { Defaults, type Priority } from "../Defaults.ts"
import { Duplicate, EnqueueError, InvalidOption, InvalidPayload, TooLarge } from "../EnqueueError.ts"
import * as Message from "../Message.ts"
import * as Router from "../Router.ts"
import type { AnyWithProps, ExecuteOptions } from "../Task.ts"
import { TaskContext } from "../TaskContext.ts"
import * as TaskId from "../TaskId.ts"
import * as TimeLimit from "../TimeLimit.ts"
import { Handle } from "./handle.ts"
import { printed } from "./payload.ts"
import * as Telemetry from "./Telemetry.ts"

/** The untyped half of `Signature`. */
export interface Call {
  readonly task: AnyWithProps
  readonly payload: unknown
  readonly options: EnqueueOptions
}

/** A call that was checked, before it is written. */
interface Draft {
  readonly task: AnyWithProps
  readonly message: Message.Message
  readonly placing: Pick<Publication, "delay" | "at" | "checked">
}

export const one = (task: AnyWithProps, payload: unknown, options: EnqueueOptions = {}) =>
  Effect.map(all([{ task, payload, options }]), ([handle]) => handle!)

export const all = Effect.fnUntraced(function* (calls: ReadonlyArray<Call>) {
  const client = yield* Client
  const context = yield* Effect.context<never>()
  const drafts: Array<Draft> = []
  for (const call of calls) drafts.push(yield* draft(call, context))
  const ids = drafts.map(({ message }) => message.id)
  const receipts = yield* Telemetry.sending(
    context,
    drafts.map(({ message }) => message),
    (trace) => Effect.flatMap(publications(drafts, trace, context), client.publish)
  )
  return yield* Effect.forEach(drafts, ({ message: { id, queue }, task }, index) =>
    receipts[index] === "accepted"
      ? Effect.succeed(new Handle(task, { id, queue }, client, context))
      : Effect.fail(new EnqueueError({ reason: new Duplicate({ id, queue }), ids }))
  )
})

export const execute = Effect.fnUntraced(function* (
  task: AnyWithProps,
  payload: unknown,
  options: ExecuteOptions = {}
) {
  if (options.onInterrupt === "detach")
    return yield* Effect.flatMap(one(task, payload, options), ({ await: end }) => end)
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(one(task, payload, options))), (sending) =>
      Effect.onInterrupt(restore(Effect.flatMap(Fiber.join(sending), ({ await: end }) => end)), () => revoked(sending))
    )
  )
})

/**
 * Revokes what is being sent, or was. It may be on its way, so that its receipt is waited for; while the broker is away
 * that goes on in the background, for whoever interrupts does so to get on.
 */
const revoked = Effect.fnUntraced(function* (sending: Fiber.Fiber<Handle, EnqueueError>) {
  const revoking = yield* Effect.flatMap(Fiber.join(sending), (handle) => handle.revoke()).pipe(
    Effect.timeoutOption("1 minute"),
    Effect.ignore,
    Effect.interruptible,
    Effect.forkDetach
  )
  yield* Effect.timeoutOption(Fiber.await(revoking), "1 second")
})

export const handle = Effect.fnUntraced(function* (task: AnyWithProps, id: string, queue: string | undefined) {
  const client = yield* Client
  const defaults = yield* Defaults
  const context = yield* Effect.context<never>()
  return new Handle(task, { id, queue: queue ?? task.options.queue ?? defaults.queue }, client, context)
})

/** Checks a call. */
const draft = Effect.fnUntraced(function* ({ options, payload, task }: Call, context: Context.Context<never>) {
  const defaults = Context.get(context, Defaults)
  // a clock may count fractions, a message does not
  const now = Math.floor(Context.get(context, Clock.Clock).currentTimeMillisUnsafe())
  const { encoded, value } = yield* checked(task, payload)
  const route = yield* Effect.mapError(
    Effect.fromResult(Router.routeWith(Context.get(context, Router.Router), { task: task._tag, payload: value })),
    (error) => refused("Router", error.message)
  )
  const queue = options.queue ?? route?.queue ?? task.options.queue ?? defaults.queue
  const problem = Router.validateQueue(queue)
  if (problem !== undefined) return yield* refused("queue", problem)
  if (options.id !== undefined && !TaskId.isValid(options.id)) {
    return yield* refused(
      "id",
      `${JSON.stringify(options.id)} is not 1 to 256 printable ASCII characters without spaces`
    )
  }
  const priority = options.priority ?? route?.priority ?? task.options.priority ?? defaults.priority
  if (!isPriority(priority)) {
    return yield* refused("priority", `${priority} is not a whole number from 0 to 9 (9 runs first)`)
  }
  if (options.delay !== undefined && options.at !== undefined) {
    return yield* refused("at", `give either "delay" or "at", not both`)
  }
  const delay = options.delay === undefined ? undefined : yield* millisOf("delay", options.delay)
  const at = options.at === undefined ? undefined : yield* timeOf("at", options.at)
  const expires = options.expires ?? task.options.expires
  const expiresAt =
    expires === undefined
      ? undefined
      : expires instanceof Date
        ? yield* timeOf("expires", expires)
        : now + (yield* millisOf("expires", expires))
  if (options.retries !== undefined && !(Number.isInteger(options.retries) && options.retries >= 0)) {
    return yield* refused("retries", `${options.retries} is not a whole number of 0 or more`)
  }
  for (const [option, { check, kind }] of otherOptions) {
    if (options[option] !== undefined && !check(options[option])) return yield* refused(option, `it must be ${kind}`)
  }
  const [limits] = TimeLimit.resolve({ call: options, task: task.options }).problems
  if (limits !== undefined) return yield* refused("timeLimit", limits)
  const caller = Context.getOrUndefined(context, TaskContext)
  const id = options.id ?? Context.get(context, TaskId.Generator).next(now)
  const message: Message.Message = {
    id,
    queue,
    task: task._tag,
    priority,
    payload: encoded === null ? undefined : encoded,
    payloadVersion: task.options.version === 1 ? undefined : task.options.version,
    // the time in an id runs ahead of a clock that went back (tests begin at 0 again and again)
    enqueuedAt: TaskId.timeOf(id) === now ? undefined : now,
    ...TimeLimit.encode(options),
    retries: options.retries,
    expiresAt,
    resultTtl: options.resultTtl === undefined ? undefined : yield* millisOf("resultTtl", options.resultTtl),
    ignoreResult: options.ignoreResult,
    ack: options.ack,
    parentId: caller?.id,
    rootId: caller?.rootId,
    headers: options.headers
  }
  return { task, message, placing: { delay, at, checked: options.id !== undefined } } satisfies Draft
})

/** Writes the messages: all of them, or none when one is too large. */
const publications = (
  drafts: ReadonlyArray<Draft>,
  trace: Telemetry.Trace,
  context: Context.Context<never>
): Effect.Effect<ReadonlyArray<Publication>, EnqueueError> => {
  const limit = Context.get(context, Defaults).maxMessageSize
  return Effect.forEach(drafts, ({ message, placing }) => {
    const { expiresAt, id, queue, task } = message
    return Effect.try({
      try: () => Message.encode(trace.traceparent === undefined ? message : { ...message, ...trace }),
      // a schema that checks nothing let a value pass that has no JSON
      catch: (thrown) => new EnqueueError({ reason: new InvalidPayload({ task, issue: printed(thrown) }), ids: [] })
    }).pipe(
      Effect.flatMap((wire) =>
        wire.length <= limit
          ? Effect.succeed({ id, queue, wire, expiresAt, ...placing })
          : Effect.fail(new EnqueueError({ reason: new TooLarge({ task, size: wire.length, limit }), ids: [] }))
      )
    )
  })
}

/** The payload as it is and encoded. A getter or a codec that throws is a misfit like others. */
const checked = (task: AnyWithProps, payload: unknown) =>
  Effect.suspend(() =>
    Effect.flatMap(
      // `enqueue` of a task without payload is called without an argument; what the caller gave is checked here
      Effect.mapError(task.payloadSchema.makeEffect(payload as never), formatIssue),
      (value) =>
        Effect.map(Effect.mapError(task["~codecs"]().payload.encode(value), printed), (encoded) => ({ encoded, value }))
    )
  ).pipe(
    Effect.catchDefect((defect) => Effect.fail(printed(defect))),
    Effect.mapError(
      (issue) =>
        new EnqueueError({ reason: new InvalidPayload({ task: task._tag, issue: issue.slice(0, longest) }), ids: [] })
    )
  )

const formatIssue = SchemaIssue.makeFormatterDefault()

/** Of an issue, in characters: it may show a part of the payload. */
const longest = 2000

/** Options of which it is only asked that they are of their kind. */
const otherOptions = [
  ["headers", Message.fields["hd"]!],
  ["ack", Message.fields["a"]!],
  ["ignoreResult", Message.fields["i"]!]
] as const

const refused = (option: string, detail: string) =>
  new EnqueueError({ reason: new InvalidOption({ option, detail }), ids: [] })

const millisOf = (option: string, input: Duration.Input): Effect.Effect<number, EnqueueError> => {
  const millis = TimeLimit.readMillis(input)
  return Number.isFinite(millis) && millis >= 0
    ? Effect.succeed(Math.ceil(millis))
    : Effect.fail(refused(option, `${format(input)} is not a finite span of time of 0 or more`))
}

const format = (input: Duration.Input): string => (typeof input === "object" ? JSON.stringify(input) : String(input))

const timeOf = (option: string, input: Date | number): Effect.Effect<number, EnqueueError> => {
  const millis = input instanceof Date ? input.getTime() : typeof input === "number" ? input : Number.NaN
  return Number.isSafeInteger(Math.round(millis)) && millis >= 0
    ? Effect.succeed(Math.round(millis))
    : Effect.fail(refused(option, `${String(input)} is not a time after 1970`))
}

const isPriority = (value: number): value is Priority => Number.isInteger(value) && value >= 0 && value <= 9
