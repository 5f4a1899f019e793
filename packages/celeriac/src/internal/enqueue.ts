/** From a call (task, payload, options) to an accepted message and its handle. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Publication } from "../Broker.ts"
import { Client, type EnqueueOptions } from "../Client.ts"
import { Defaults } from "../Defaults.ts"
import { Duplicate, EnqueueError, InvalidPayload, InvalidTask, TooLarge } from "../EnqueueError.ts"
import * as Message from "../Message.ts"
import * as Router from "../Router.ts"
import type { AnyWithProps, ExecuteOptions } from "../Task.ts"
import { TaskContext } from "../TaskContext.ts"
import * as TaskId from "../TaskId.ts"
import * as TimeLimit from "../TimeLimit.ts"
import * as Options from "./callOptions.ts"
import { Handle } from "./handle.ts"
import { shown } from "./misuse.ts"
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

/** Payloads of one task. They are taken at once: an iterator could not be asked a second time. */
export const allOf = (task: AnyWithProps, payloads: Iterable<unknown>, options: EnqueueOptions = {}) => {
  let calls: ReadonlyArray<Call>
  try {
    calls = Array.from(iterable(payloads), (payload) => ({ task, payload, options }))
  } catch (thrown) {
    return Effect.fail(misfit(task, `the payloads cannot be listed: ${printed(thrown)}`))
  }
  return Effect.andThen(Options.areOptions(options, Options.known.enqueueAll), all(calls))
}

const iterable = (payloads: Iterable<unknown>): Iterable<unknown> => {
  // `Array.from` takes whatever it is given for an empty list
  if (typeof Reflect.get(Object(payloads) as object, Symbol.iterator) === "function") return payloads
  throw new TypeError(`they must be a list or another iterable, they are ${shown(payloads)}`)
}

export const all = Effect.fnUntraced(function* (calls: ReadonlyArray<Call>) {
  const client = yield* Client
  const context = yield* Effect.context<never>()
  const drafts: Array<Draft> = []
  for (const call of calls) drafts.push(yield* draft(call, context, Options.known.enqueue))
  return yield* send(drafts, client, context)
})

/** Sends what was checked. */
const send = Effect.fnUntraced(function* (
  drafts: ReadonlyArray<Draft>,
  client: Client["Service"],
  context: Context.Context<never>
) {
  const messages = drafts.map(({ message }) => message)
  const receipts = yield* Telemetry.sending(context, messages, (trace) =>
    Effect.flatMap(publications(drafts, trace, context), client.publish)
  )
  const first = messages[receipts.findIndex((receipt) => receipt !== "accepted")]
  if (first !== undefined) {
    const { id, queue } = first
    const told = messages.map(({ id, queue }, index) => ({ id, queue, accepted: receipts[index] === "accepted" }))
    return yield* new EnqueueError({
      reason: new Duplicate({ id, queue, receipts: told }),
      ids: messages.map(({ id }) => id)
    })
  }
  return drafts.map(({ message: { id, queue }, task }) => new Handle(task, { id, queue }, client, context))
})

export const execute = Effect.fnUntraced(function* (
  task: AnyWithProps,
  payload: unknown,
  options: ExecuteOptions = {}
) {
  const client = yield* Client
  const context = yield* Effect.context<never>()
  const checkedCall = yield* draft({ task, payload, options }, context, Options.known.execute)
  const { id, queue } = checkedCall.message
  const handle = new Handle(task, { id, queue }, client, context)
  const sent = Effect.as(send([checkedCall], client, context), handle)
  if (options.onInterrupt === "detach") return yield* Effect.flatMap(sent, ({ await: end }) => end)
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(sent)), (sending) =>
      Effect.onInterrupt(restore(Effect.flatMap(Fiber.join(sending), ({ await: end }) => end)), () =>
        revoked(handle, sending, options.id !== undefined)
      )
    )
  )
})

/**
 * Revokes what is being sent, or was. It may be on its way, so that its receipt is waited for; while the broker is away
 * that goes on in the background, for whoever interrupts does so to get on.
 */
const revoked = Effect.fnUntraced(function* (
  handle: Handle,
  sending: Fiber.Fiber<Handle, EnqueueError>,
  isChosen: boolean
) {
  const revoking = yield* Effect.flatMap(Fiber.await(sending), (exit): Effect.Effect<unknown, unknown> => {
    const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
    if (error !== undefined && !mayBeAccepted(error)) return Effect.void
    // under an id that the caller chose there may be an earlier message, which is not ours to end
    return error !== undefined && isChosen ? Effect.fail(error) : Effect.timeout(handle.revoke(), "1 minute")
  }).pipe(
    Effect.interruptible,
    Effect.catchCause((cause) =>
      Effect.annotateLogs(
        Effect.logWarning(`task "${handle.task}" was interrupted by its caller, but not revoked: it may run`, cause),
        { task: handle.task, id: handle.id }
      )
    ),
    Effect.forkDetach
  )
  yield* Effect.timeoutOption(Fiber.await(revoking), "1 second")
})

const mayBeAccepted = ({ reason }: EnqueueError): boolean =>
  reason._tag === "BrokerUnavailable" && reason.accepted === "maybe"

/** Asks the Router what it can answer without a payload: a function that fails for lack of one has no say. */
export const handle = Effect.fnUntraced(function* (task: AnyWithProps, id: string, queue: string | undefined) {
  const client = yield* Client
  const defaults = yield* Defaults
  const router = yield* Router.Router
  const context = yield* Effect.context<never>()
  const wrong = typeof id === "string" ? Router.validateQueue(queue ?? defaults.queue) : `the id is ${shown(id)}`
  // nobody calls this with values of another kind on purpose
  if (wrong !== undefined) return yield* Effect.die(Options.refused("handle", wrong))
  const route = queue === undefined ? Router.routeWith(router, { task: task._tag }) : Result.succeed(undefined)
  const routed = Result.isSuccess(route) ? route.success?.queue : undefined
  return new Handle(task, { id, queue: queue ?? routed ?? task.options.queue ?? defaults.queue }, client, context)
})

const noTimes: Options.Times = { delay: undefined, at: undefined, expiresAt: undefined, resultTtl: undefined }

/** Checks a call. */
const draft = Effect.fnUntraced(function* (
  { options, payload, task }: Call,
  context: Context.Context<never>,
  known: Readonly<Record<string, true>>
) {
  const problems = task["~problems"]()
  if (problems.length > 0) {
    return yield* new EnqueueError({ reason: new InvalidTask({ task: task._tag, problems }), ids: [] })
  }
  yield* Options.areOptions(options, known)
  const defaults = Context.get(context, Defaults)
  // a clock may count fractions, a message does not
  const now = Math.floor(Context.get(context, Clock.Clock).currentTimeMillisUnsafe())
  const { encoded, value } = yield* checked(task, payload)
  const route = yield* Effect.mapError(
    Effect.fromResult(Router.routeWith(Context.get(context, Router.Router), { task: task._tag, payload: value })),
    (error) => Options.refused("Router", error.message)
  )
  const queue = options.queue ?? route?.queue ?? task.options.queue ?? defaults.queue
  const priority = yield* Options.checked(
    task,
    options,
    queue,
    options.priority ?? route?.priority ?? task.options.priority ?? defaults.priority
  )
  const { at, delay, expiresAt, resultTtl } = Options.haveTimes(task, options)
    ? yield* Options.timesOf(task, options, now)
    : noTimes
  const caller = Context.getOrUndefined(context, TaskContext)
  const id = options.id ?? Context.get(context, TaskId.Generator).next(now)
  const message: Message.Message = {
    id,
    queue,
    task: task._tag,
    priority,
    payload: encoded === null ? undefined : encoded,
    payloadVersion: task.options.version === 1 ? undefined : task.options.version,
    ownId: options.id !== undefined && TaskId.isGenerated(id) ? true : undefined,
    // the time in an id runs ahead of a clock that went back (tests begin at 0 again and again)
    enqueuedAt: TaskId.timeOf(id) === now ? undefined : now,
    ...TimeLimit.encode(options),
    retries: options.retries,
    expiresAt,
    resultTtl,
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
    Effect.mapError((issue) => misfit(task, issue))
  )

const misfit = ({ _tag: task }: AnyWithProps, issue: string) =>
  new EnqueueError({ reason: new InvalidPayload({ task, issue: issue.slice(0, longest) }), ids: [] })

const formatIssue = SchemaIssue.makeFormatterDefault()

/** Of an issue, in characters: it may show a part of the payload. */
const longest = 2000
