/**
 * A task: a name, four schemas and policies. It holds no handler, so producers and workers share this one file.
 *
 * ```ts nocheck
 * export class SmtpError extends Schema.TaggedError<SmtpError>()("SmtpError", { code: Schema.Number }) {}
 *
 * export class SendMail extends Task.make("mail.send", {
 *   payload: { to: Schema.String, template: Schema.String },
 *   success: Schema.Struct({ messageId: Schema.String }),
 *   error: SmtpError,
 *   queue: "mail",
 *   retry: { delay: "1 second", times: 5, while: (error) => error.code >= 400 },
 *   timeLimit: "30 seconds"
 * }) {}
 * ```
 *
 * The class form is the one to use (declarations stay short); `const SendMail = Task.make(…)` works too. Never put a Layer
 * on the class: it would drag handlers into producers.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import type { Client, EnqueueOptions } from "./Client.ts"
import type { Priority } from "./Defaults.ts"
import type { EnqueueError } from "./EnqueueError.ts"
import { refused } from "./internal/callOptions.ts"
import { build as buildCodecs, type Codecs } from "./internal/codecs.ts"
import * as Definition from "./internal/definition.ts"
import * as Enqueue from "./internal/enqueue.ts"
import { isObject, shown } from "./internal/misuse.ts"
import type { Retry } from "./Retry.ts"
import type { Signature } from "./Signature.ts"
import { type Running, type SoftTimeLimitExceeded, TaskContext, type TaskSignal, type Typed } from "./TaskContext.ts"
import type { TaskEnded } from "./TaskEnded.ts"
import type { TaskHandle } from "./TaskHandle.ts"
import type * as TaskMiddleware from "./TaskMiddleware.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~celeriac/Task"

/**
 * Says at the type level that a handler for task `Name` is there. `toLayer` provides it, `Worker.layer` asks for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskHandler<in out Name extends string> {
  readonly "~celeriac/TaskHandler": Name
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Task<
  in out Name extends string,
  Payload extends Schema.Top = Schema.Void,
  Success extends Schema.Top = Schema.Void,
  Error extends Schema.Top = Schema.Never,
  Progress extends Schema.Top = Schema.Never,
  Middleware extends TaskMiddleware.Any = never
> {
  new (_: never): {}

  readonly [TypeId]: typeof TypeId
  /** The name: `name` is taken, for a task is a class. */
  readonly _tag: Name
  readonly payloadSchema: Payload
  readonly successSchema: Success
  readonly errorSchema: Error
  readonly progressSchema: Progress
  readonly middlewares: ReadonlyArray<Middleware>
  // `any`: policies are functions of the task's error
  readonly options: Policies<any>
  readonly "~handler": TaskHandler<Name>
  readonly "~error": Error | Middleware["error"]
  readonly "~codecs": () => Codecs
  readonly "~problems": () => ReadonlyArray<string>

  /** The context of the running message, with this task's type of progress. */
  readonly context: Effect.Effect<Typed<Progress["Type"]>, never, Running<Name> | TaskContext>

  /** Sends a message. Succeeds once the broker has accepted it; the run goes on by itself. */
  readonly enqueue: (
    payload: Payload["~type.make.in"],
    options?: EnqueueOptions
  ) => Effect.Effect<
    TaskHandle<Success["Type"], Error["Type"] | Middleware["error"]["Type"], Progress["Type"]>,
    EnqueueError,
    Client | ServicesClient<this>
  >

  /** Sends many messages in as few round trips as possible. One that does not fit its schema refuses them all. */
  readonly enqueueAll: EnqueueAll<
    Payload["~type.make.in"],
    TaskHandle<Success["Type"], Error["Type"] | Middleware["error"]["Type"], Progress["Type"]>,
    ServicesClient<this>
  >

  /**
   * `enqueue`, then `await`. Interrupting it revokes the message, unless `onInterrupt` is `"detach"`.
   */
  readonly execute: (
    payload: Payload["~type.make.in"],
    options?: ExecuteOptions
  ) => Effect.Effect<
    Success["Type"],
    Error["Type"] | Middleware["error"]["Type"] | TaskEnded | EnqueueError,
    Client | ServicesClient<this>
  >

  /**
   * The handle of an id from elsewhere (a database row, another process). `queue`: where the message was sent to. Default:
   * the Router's, as far as it needs no payload; else the task's.
   */
  readonly handle: (
    id: string,
    options?: { readonly queue?: string | undefined }
  ) => Effect.Effect<
    TaskHandle<Success["Type"], Error["Type"] | Middleware["error"]["Type"], Progress["Type"]>,
    never,
    Client | ServicesClient<this>
  >

  /** A call as a value, to be sent together with calls of other tasks: see `enqueueAll` of this module. */
  readonly s: (
    payload: Payload["~type.make.in"],
    options?: EnqueueOptions
  ) => Signature<
    Name,
    Success["Type"],
    Error["Type"] | Middleware["error"]["Type"],
    Progress["Type"],
    ServicesClient<this>
  >

  /** The same task with a middleware around its handler. The one added last runs first. */
  readonly middleware: <M extends TaskMiddleware.Any>(
    middleware: M
  ) => Task<Name, Payload, Success, Error, Progress, Middleware | M>

  /** The handler, or an effect that builds it once for each worker. */
  readonly toLayer: <R, EX = never, RX = never>(
    handler: Handler<this, R> | Effect.Effect<Handler<this, R>, EX, RX>
  ) => Layer.Layer<
    TaskHandler<Name>,
    EX,
    | Exclude<R, TaskContext | Running<Name> | Scope | Middleware["~provides"]>
    | Exclude<RX, Scope>
    | ServicesWorker<this>
  >
}

/**
 * Sends many payloads: what is not empty gives handles that are not empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface EnqueueAll<in In, out Handle, out Services> {
  (
    payloads: readonly [In, ...Array<In>],
    options?: Omit<EnqueueOptions, "id">
  ): Effect.Effect<NonEmptyReadonlyArray<Handle>, EnqueueError, Client | Services>
  (
    payloads: Iterable<In>,
    options?: Omit<EnqueueOptions, "id">
  ): Effect.Effect<ReadonlyArray<Handle>, EnqueueError, Client | Services>
}

/**
 * An ordinary function from payload (and context) to an effect. It may fail with the task's error, and let a signal or the
 * soft time limit pass. A `Scope` is there if it asks for one, closed when the run ends.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<T extends AnyWithProps, R> = (
  payload: T["payloadSchema"]["Type"],
  context: Typed<T["progressSchema"]["Type"]>
) => Effect.Effect<T["successSchema"]["Type"], T["errorSchema"]["Type"] | TaskSignal | SoftTimeLimitExceeded, R>

/**
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: typeof TypeId
  readonly _tag: string
  readonly "~handler": unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface AnyWithProps extends Any {
  readonly payloadSchema: Schema.Top
  readonly successSchema: Schema.Top
  readonly errorSchema: Schema.Top
  readonly progressSchema: Schema.Top
  readonly middlewares: ReadonlyArray<TaskMiddleware.Any>
  // `any`: policies are functions of the task's error
  readonly options: Policies<any>
  readonly "~error": Schema.Top
  /** Built at the first use. */
  readonly "~codecs": () => Codecs
  /** What is wrong with the definition: found at the first use, told to whoever enqueues or starts a worker. */
  readonly "~problems": () => ReadonlyArray<string>
}

/**
 * @category models
 * @since 0.1.0
 */
export type Success<T extends AnyWithProps> = T["successSchema"]["Type"]

/**
 * @category models
 * @since 0.1.0
 */
export type Error<T extends AnyWithProps> = T["~error"]["Type"]

/**
 * Services that a producer needs: to encode the payload, and to decode what comes back.
 *
 * @category models
 * @since 0.1.0
 */
export type ServicesClient<T extends AnyWithProps> =
  | T["payloadSchema"]["EncodingServices"]
  | T["successSchema"]["DecodingServices"]
  | T["~error"]["DecodingServices"]
  | T["progressSchema"]["DecodingServices"]

/**
 * Services that a worker needs: the other direction, and the middlewares.
 *
 * @category models
 * @since 0.1.0
 */
export type ServicesWorker<T extends AnyWithProps> =
  | T["payloadSchema"]["DecodingServices"]
  | T["successSchema"]["EncodingServices"]
  | T["~error"]["EncodingServices"]
  | T["progressSchema"]["EncodingServices"]
  | Context.Service.Identifier<T["middlewares"][number]>

/**
 * What holds for every message of a task unless the call or the Router says otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policies<E> {
  /** Default: the program's, see `Defaults`. */
  readonly queue?: string | undefined
  readonly priority?: Priority | undefined
  /** None: a failure is final. `true`: 3 retries, exponential from 1 s to 10 min, full jitter. */
  readonly retry?: Retry<E> | undefined
  /** Regions under `context.withSoftTimeLimit` end with an error; without one the handler is interrupted. */
  readonly softTimeLimit?: Duration.Input | undefined
  /** The handler is interrupted, and abandoned when it does not end. */
  readonly timeLimit?: Duration.Input | undefined
  /** Messages that waited longer end as `expired`. */
  readonly expires?: Duration.Input | undefined
  readonly resultTtl?: Duration.Input | undefined
  /** Keeps no result; `"success"` keeps failures. */
  readonly ignoreResult?: boolean | "success" | undefined
  /** Deliveries without an outcome after which a message is dead. */
  readonly maxDeliveries?: number | undefined
  /**
   * `late` (default): a message whose worker died runs again. `early`: it runs at most once, and ends as `WorkerLost` when
   * its worker died.
   */
  readonly ack?: "late" | "early" | undefined
  /** Version of the payload's schema. Default 1. Workers that know an older one leave newer messages to others. */
  readonly version?: number | undefined
  /**
   * How to read payloads of older versions: under the key `n`, a function from the encoded payload of version `n` to the
   * encoded payload of version `n + 1`. `Task.upgrade` makes one from schemas.
   */
  readonly upgrades?: { readonly [version: number]: (encoded: unknown) => unknown } | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ExecuteOptions extends EnqueueOptions {
  /** What interrupting the caller does to the message. Default `"revoke"`. */
  readonly onInterrupt?: "revoke" | "detach" | undefined
}

/**
 * Defines a task.
 *
 * Never throws: what is wrong with a definition fails `enqueue` (`EnqueueError`, reason `InvalidTask`) and the start of a
 * worker (`WorkerError`), with a sentence for each problem.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  Payload extends Schema.Top | Schema.Struct.Fields = Schema.Void,
  Success extends Schema.Top | Schema.Struct.Fields = Schema.Void,
  Error extends Schema.Top = Schema.Never,
  Progress extends Schema.Top | Schema.Struct.Fields = Schema.Never
>(
  /** 1 to 256 characters. */
  name: Name,
  options?: {
    /** Fields of a struct, or any schema. Default: no payload. */
    readonly payload?: Payload
    /** Fields of a struct, or any schema. Default: no value. */
    readonly success?: Success
    /** Default: no typed error. */
    readonly error?: Error
    /** Fields of a struct, or any schema. Default: no progress. */
    readonly progress?: Progress
  } & Policies<Error["Type"]>
): Task<Name, SchemaOf<Payload>, SchemaOf<Success>, Error, SchemaOf<Progress>> => {
  const { error, payload, progress, success, ...policies } = Definition.optionsOf(options)
  return makeTask({
    _tag: typeof name === "string" ? name : "(no name)",
    payloadSchema: Definition.schemaOf(payload, Schema.Void),
    successSchema: Definition.schemaOf(success, Schema.Void),
    errorSchema: Definition.schemaOf(error, Schema.Never),
    progressSchema: Definition.schemaOf(progress, Schema.Never),
    middlewares: [],
    options: policies,
    given: { name, options }
    // the schemas of the definition are those of the type parameters; the untyped half is `makeTask`
  }) as unknown as ReturnType<typeof make<Name, Payload, Success, Error, Progress>>
}

type SchemaOf<S extends Schema.Top | Schema.Struct.Fields> = S extends Schema.Struct.Fields ? Schema.Struct<S> : S

interface Parts extends Omit<AnyWithProps, typeof TypeId | "~handler" | "~error" | "~codecs" | "~problems"> {
  readonly given: Definition.Given
}

/** A function, so that `class SendMail extends Task.make(…) {}` is possible. */
const makeTask = ({ given, ...definition }: Parts): AnyWithProps => {
  let codecs: Codecs | undefined
  let problems: ReadonlyArray<string> | undefined
  const methods = {
    "~codecs": () => (codecs ??= buildCodecs(definition)),
    "~problems": () => (problems ??= Definition.problemsOf(given, definition.middlewares)),
    context: TaskContext,
    enqueue: (payload: unknown, options?: EnqueueOptions) => Enqueue.one(self, payload, options),
    enqueueAll: (payloads: Iterable<unknown>, options?: EnqueueOptions) => Enqueue.allOf(self, payloads, options),
    execute: (payload: unknown, options?: ExecuteOptions) => Enqueue.execute(self, payload, options),
    handle: (id: string, options?: { readonly queue?: string | undefined }) => Enqueue.handle(self, id, options?.queue),
    s: (payload: unknown, options: EnqueueOptions = {}) => ({ task: self, payload, options }),
    middleware: (middleware: TaskMiddleware.Any) =>
      makeTask({ ...definition, given, middlewares: [...definition.middlewares, middleware] }),
    toLayer: (handler: HandlerFunction | Effect.Effect<HandlerFunction>) =>
      Layer.effectContext(
        Effect.gen(function* () {
          const services = yield* Effect.context<never>()
          const run = Effect.isEffect(handler) ? yield* handler : handler
          return registered([{ task: self, run, services }])
        })
      )
  }
  // `Object.assign` cannot know the phantom members `~handler` and `~error`, which have no value
  const self = Object.assign(function () {}, definition, { [TypeId]: TypeId }, methods) as unknown as AnyWithProps
  return self
}

/**
 * Sends calls of different tasks together: `Task.enqueueAll([SendMail.s({ … }), Purge.s()])` gives a tuple of handles.
 *
 * @category enqueueing
 * @since 0.1.0
 */
export const enqueueAll = <const Signatures extends ReadonlyArray<Signature.Any>>(
  signatures: Signatures
): Effect.Effect<
  { readonly [I in keyof Signatures]: Signature.Handle<Signatures[I]> },
  EnqueueError,
  Client | Signature.Services<Signatures[number]>
> =>
  // one handle a signature, of its types
  Effect.andThen(areSignatures(signatures), Enqueue.all(signatures)) as ReturnType<typeof enqueueAll<Signatures>>

const areSignatures = (signatures: unknown): Effect.Effect<void, EnqueueError> => {
  const calls: ReadonlyArray<unknown> = Array.isArray(signatures) ? signatures : [signatures]
  const wrong = calls.findIndex((call) => !isObject(call) || !isTask(call["task"]))
  return wrong === -1
    ? Effect.void
    : Effect.fail(
        refused("signatures", `a list of calls such as SendMail.s({ … }) is wanted, not ${shown(calls[wrong])}`)
      )
}

/**
 * Whether the value is a task: what `make` gave, or a class that extends it.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTask = (value: unknown): value is AnyWithProps =>
  (typeof value === "function" || isObject(value)) && Reflect.get(value, TypeId) === TypeId

/**
 * An upgrade function from schemas: decodes a payload of the older version and gives the value to encode as the next one.
 *
 * @category versions
 * @since 0.1.0
 */
export const upgrade = <From extends Schema.Codec<unknown, unknown>, To extends Schema.Codec<unknown, unknown>>(
  from: From,
  to: To,
  change: (old: From["Type"]) => To["Type"]
): ((encoded: unknown) => unknown) => {
  const decode = Schema.decodeUnknownSync(Schema.toCodecJson(from))
  const encode = Schema.encodeSync(Schema.toCodecJson(to))
  return (encoded) => encode(change(decode(encoded)))
}

/**
 * A handler as workers and pools call it: with the decoded payload, and free of types. Its requirements, but for
 * `TaskContext` and the `Scope` of the run, are among the services of its `Registered`.
 *
 * @category handlers
 * @since 0.1.0
 */
export type HandlerFunction = (payload: unknown, context: Typed<unknown>) => Effect.Effect<unknown, unknown>

/**
 * What `toLayer` puts into the context: the handler, its task, and the services it was built with.
 *
 * @category handlers
 * @since 0.1.0
 */
export interface Registered {
  readonly task: AnyWithProps
  readonly run: HandlerFunction
  readonly services: Context.Context<never>
}

const handlerPrefix = "celeriac/TaskHandler/"

/**
 * A context with these handlers, for programs that wrap what `registeredIn` found: a count of runs, a lock around them. The
 * handlers are found by the names of their tasks; of several with one name the last one counts. The type of the context
 * does not tell which they are.
 *
 * @category handlers
 * @since 0.1.0
 */
export const registered = (handlers: ReadonlyArray<Registered>): Context.Context<never> =>
  Context.makeUnsafe(new Map(handlers.map((handler) => [handlerPrefix + handler.task._tag, handler])))

/**
 * The handlers in a context, by the names of their tasks: for programs that find out at run time what there is to be
 * served, such as the handlers of a module.
 *
 * Of two handlers of one task the context has kept the last one. That is how an inner Layer overrides an outer one, and a
 * context does not know it from two handlers side by side in one `Layer.mergeAll`.
 *
 * @category handlers
 * @since 0.1.0
 */
export const registeredIn = <R>(context: Context.Context<R>): ReadonlyMap<string, Registered> => {
  const found = new Map<string, Registered>()
  for (const [key, service] of context.mapUnsafe) {
    // under this prefix stands what `registered` put there
    if (key.startsWith(handlerPrefix)) found.set(key.slice(handlerPrefix.length), service as Registered)
  }
  return found
}
