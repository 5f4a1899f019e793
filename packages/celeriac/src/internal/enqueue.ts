/** From a call (task, payload, options) to an accepted message and its handle. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
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
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(one(task, payload, options)), (handle) =>
      options.onInterrupt === "detach"
        ? restore(handle.await)
        : Effect.onInterrupt(restore(handle.await), () => handle.revoke())
    )
  )
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
  const value = yield* made(task, payload)
  const encoded = yield* Effect.mapError(task["~codecs"]().payload.encode(value), (error) => misfit(task, error))
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
    enqueuedAt: options.id === undefined ? undefined : now,
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
    const wire = Message.encode(trace.traceparent === undefined ? message : { ...message, ...trace })
    return wire.length <= limit
      ? Effect.succeed({ id, queue, wire, expiresAt, ...placing })
      : Effect.fail(new EnqueueError({ reason: new TooLarge({ task, size: wire.length, limit }), ids: [] }))
  })
}

const made = (task: AnyWithProps, payload: unknown) =>
  // `enqueue` of a task without payload is called without an argument; what the caller gave is checked here
  Effect.mapError(task.payloadSchema.makeEffect(payload as never), (issue) => misfit(task, issue))

const misfit = (task: AnyWithProps, issue: Schema.SchemaError | { readonly toString: () => string }) =>
  new EnqueueError({ reason: new InvalidPayload({ task: task._tag, issue: String(issue) }), ids: [] })

const refused = (option: string, detail: string) =>
  new EnqueueError({ reason: new InvalidOption({ option, detail }), ids: [] })

const millisOf = (option: string, input: Duration.Input): Effect.Effect<number, EnqueueError> => {
  const duration = Duration.fromInput(input)
  const millis = duration._tag === "Some" ? Duration.toMillis(duration.value) : Number.NaN
  return Number.isFinite(millis) && millis >= 0
    ? Effect.succeed(Math.ceil(millis))
    : Effect.fail(refused(option, `${format(input)} is not a finite span of time of 0 or more`))
}

const format = (input: Duration.Input): string => (typeof input === "object" ? JSON.stringify(input) : String(input))

const timeOf = (option: string, input: Date | number): Effect.Effect<number, EnqueueError> => {
  const millis = typeof input === "number" ? input : input.getTime()
  return Number.isSafeInteger(Math.round(millis)) && millis >= 0
    ? Effect.succeed(Math.round(millis))
    : Effect.fail(refused(option, `${String(input)} is not a time after 1970`))
}

const isPriority = (value: number): value is Priority => Number.isInteger(value) && value >= 0 && value <= 9
