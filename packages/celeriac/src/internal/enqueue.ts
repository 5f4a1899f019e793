/** From a call (task, payload, options) to an accepted message and its handle. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Publication, Receipt } from "../Broker.ts"
import { Client, type EnqueueOptions } from "../Client.ts"
import { Defaults, type Priority } from "../Defaults.ts"
import { Duplicate, EnqueueError, InvalidPayload, InvalidTask, TooLarge } from "../EnqueueError.ts"
import * as Message from "../Message.ts"
import * as Router from "../Router.ts"
import type { AnyWithProps, ExecuteOptions } from "../Task.ts"
import { TaskContext } from "../TaskContext.ts"
import * as TaskId from "../TaskId.ts"
import * as TimeLimit from "../TimeLimit.ts"
import * as Options from "./callOptions.ts"
import { Handle } from "./handle.ts"
import { andThen, immediate } from "./immediate.ts"
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

export const one = (
  task: AnyWithProps,
  payload: unknown,
  options: EnqueueOptions = {}
): Effect.Effect<Handle, EnqueueError, Client> =>
  Effect.contextWith((context: Context.Context<Client>) =>
    andThen(draft({ task, payload, options }, context, Options.known.enqueue), (draft) =>
      send([draft], context, ([handle]) => handle!)
    )
  )

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
  const context = yield* Effect.context<Client>()
  const drafts: Array<Draft> = []
  let form: Form | undefined
  for (const { options, payload, task } of calls) {
    if (form?.task !== task || form.options !== options) {
      form = yield* formOf(task, options, context, Options.known.enqueue)
    }
    const made = draftOf(form, payload, context)
    const exit = immediate(made)
    drafts.push(exit !== undefined && Exit.isSuccess(exit) ? exit.value : yield* made)
  }
  return yield* send(drafts, context, (handles) => handles)
})

/** Sends what was checked. */
const send = <A>(
  drafts: ReadonlyArray<Draft>,
  context: Context.Context<Client>,
  then: (handles: ReadonlyArray<Handle>) => A
): Effect.Effect<A, EnqueueError> => {
  const client = Context.get(context, Client)
  const messages = drafts.map(({ message }) => message)
  return Telemetry.sending(context, messages, (trace) =>
    Effect.flatMap(andThen(publications(drafts, trace, context), client.publish), (receipts) => {
      Telemetry.countSent(context, messages, receipts)
      const first = messages[receipts.findIndex((receipt) => receipt !== "accepted")]
      return first === undefined
        ? Effect.succeed(then(drafts.map(({ message, task }) => new Handle(task, message, client, context))))
        : Effect.fail(duplicate(first, messages, receipts))
    })
  )
}

const duplicate = (
  { id, queue }: Message.Message,
  messages: ReadonlyArray<Message.Message>,
  receipts: ReadonlyArray<Receipt>
): EnqueueError => {
  const told = messages.map(({ id, queue }, index) => ({ id, queue, accepted: receipts[index] === "accepted" }))
  return new EnqueueError({ reason: new Duplicate({ id, queue, receipts: told }), ids: messages.map(({ id }) => id) })
}

export const execute = Effect.fnUntraced(function* (
  task: AnyWithProps,
  payload: unknown,
  options: ExecuteOptions = {}
) {
  const context = yield* Effect.context<Client>()
  const checked = yield* draft({ task, payload, options }, context, Options.known.execute)
  const handle = new Handle(task, checked.message, Context.get(context, Client), context)
  const sent = send([checked], context, () => handle)
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

/** What all calls of a task with the same options have in common, checked. */
interface Form {
  readonly task: AnyWithProps
  readonly options: EnqueueOptions
  /** Where nothing else is said. */
  readonly queue: string
  readonly priority: Priority
  readonly times: Options.Times
  readonly limits: ReturnType<typeof TimeLimit.encode>
  readonly caller: TaskContext["Service"] | undefined
}

const noTimes: Effect.Effect<Options.Times> = Effect.succeed({
  delay: undefined,
  at: undefined,
  expiresAt: undefined,
  resultTtl: undefined
})

const formOf = (
  task: AnyWithProps,
  options: EnqueueOptions,
  context: Context.Context<never>,
  known: Readonly<Record<string, true>>
): Effect.Effect<Form, EnqueueError> => {
  const problems = task["~problems"]()
  if (problems.length > 0) {
    return Effect.fail(new EnqueueError({ reason: new InvalidTask({ task: task._tag, problems }), ids: [] }))
  }
  return andThen(Options.areOptions(options, known), () => {
    const defaults = Context.get(context, Defaults)
    const queue = options.queue ?? task.options.queue ?? defaults.queue
    const asked = options.priority ?? task.options.priority ?? defaults.priority
    const times = Options.haveTimes(task, options) ? Options.timesOf(task, options, nowIn(context)) : noTimes
    return andThen(Options.checked(task, options, queue, asked), (priority) =>
      andThen(times, (times) => {
        const limits = TimeLimit.encode(options)
        return Effect.succeed({ task, options, queue, priority, times, limits, caller: callerIn(context) })
      })
    )
  })
}

const callerIn = (context: Context.Context<never>) => Context.getOrUndefined(context, TaskContext)

/** A clock may count fractions, a message does not. */
const nowIn = (context: Context.Context<never>): number =>
  Math.floor(Context.get(context, Clock.Clock).currentTimeMillisUnsafe())

/** Checks a call. */
const draft = (
  { options, payload, task }: Call,
  context: Context.Context<never>,
  known: Readonly<Record<string, true>>
): Effect.Effect<Draft, EnqueueError> =>
  andThen(formOf(task, options, context, known), (form) => draftOf(form, payload, context))

/** One message by the form: nearly always done at once. */
const draftOf = (form: Form, payload: unknown, context: Context.Context<never>): Effect.Effect<Draft, EnqueueError> =>
  andThen(coded(form.task, payload), (coded) => fillIn(form, coded, context))

const fillIn = (
  { caller, limits, options, priority, queue, task, times }: Form,
  { encoded, value }: Coded,
  context: Context.Context<never>
): Effect.Effect<Draft, EnqueueError> => {
  const routed = Router.routeWith(Context.get(context, Router.Router), { task: task._tag, payload: value })
  if (Result.isFailure(routed)) return Effect.fail(Options.refused("Router", routed.failure.message))
  const route = routed.success
  const asked = route?.priority
  const now = nowIn(context)
  const id = options.id ?? Context.get(context, TaskId.Generator).next(now)
  const message: Message.Message = {
    id,
    // what the call says counts before the route, the route before the task
    queue: options.queue ?? route?.queue ?? queue,
    task: task._tag,
    priority: options.priority === undefined && asked !== undefined && Options.isPriority(asked) ? asked : priority,
    payload: encoded === null ? undefined : encoded,
    payloadVersion: task.options.version === 1 ? undefined : task.options.version,
    ownId: options.id !== undefined && TaskId.isGenerated(id) ? true : undefined,
    // the time in an id runs ahead of a clock that went back (tests begin at 0 again and again)
    enqueuedAt: TaskId.timeOf(id) === now ? undefined : now,
    ...limits,
    retries: options.retries,
    expiresAt: times.expiresAt,
    resultTtl: times.resultTtl,
    ignoreResult: options.ignoreResult,
    ack: options.ack,
    parentId: caller?.id,
    rootId: caller?.rootId,
    headers: options.headers
  }
  const placing = { delay: times.delay, at: times.at, checked: options.id !== undefined }
  return Effect.succeed({ task, message, placing })
}

/** Writes the messages: all of them, or none when one is too large. */
const publications = (
  drafts: ReadonlyArray<Draft>,
  trace: Telemetry.Trace,
  context: Context.Context<never>
): Effect.Effect<ReadonlyArray<Publication>, EnqueueError> => {
  const limit = Context.get(context, Defaults).maxMessageSize
  const written: Array<Publication> = []
  for (const { message, placing } of drafts) {
    const { expiresAt, id, queue, task } = message
    let wire: string
    try {
      wire = Message.encode(trace.traceparent === undefined ? message : { ...message, ...trace })
    } catch (thrown) {
      // a schema that checks nothing let a value pass that has no JSON
      return Effect.fail(new EnqueueError({ reason: new InvalidPayload({ task, issue: printed(thrown) }), ids: [] }))
    }
    if (wire.length > limit) {
      return Effect.fail(new EnqueueError({ reason: new TooLarge({ task, size: wire.length, limit }), ids: [] }))
    }
    const { at, checked, delay } = placing
    written.push({ id, queue, wire, expiresAt, at, checked, delay })
  }
  return Effect.succeed(written)
}

/** A payload as it is and encoded. */
interface Coded {
  readonly value: unknown
  readonly encoded: unknown
}

/** Nearly always done at once, and then an `Exit`. */
const coded = (task: AnyWithProps, payload: unknown): Effect.Effect<Coded, EnqueueError> => {
  try {
    // `enqueue` of a task without payload is called without an argument; what the caller gave is checked here
    const made = immediate(task.payloadSchema.makeEffect(payload as never))
    if (made !== undefined && Exit.isSuccess(made)) {
      const encoded = immediate(task["~codecs"]().payload.encode(made.value))
      if (encoded !== undefined && Exit.isSuccess(encoded)) {
        return Exit.succeed({ value: made.value, encoded: encoded.value })
      }
    }
  } catch {
    // told below
  }
  return codedSlowly(task, payload)
}

/** Schemas that wait, and misfits: a getter or a codec that throws is one like others. */
const codedSlowly = (task: AnyWithProps, payload: unknown) =>
  Effect.suspend(() =>
    Effect.flatMap(Effect.mapError(task.payloadSchema.makeEffect(payload as never), formatIssue), (value) =>
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
