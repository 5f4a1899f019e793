/**
 * Claims messages, runs them, settles them: one Layer, whose requirements name every handler that is missing.
 *
 * ```ts nocheck
 * const Main = Worker.layer({ tasks: [SendMail, Reports], queues: ["mail", "reports"], concurrency: 50 }).pipe(
 *   Layer.provide([SendMailLive, ReportsLive]),
 *   Layer.provide(CeleriacMemory.layer)
 * )
 * ```
 *
 * Closing the Layer's scope is the graceful stop: no further claims, what has not started goes back at once, what runs has
 * the `drainLimit` to end, and is interrupted and given back after it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Address, Broker, type BrokerError, revokeChannel, wakeChannel } from "./Broker.ts"
import { Defaults } from "./Defaults.ts"
import * as Deadlines from "./internal/Deadlines.ts"
import { fiberPool } from "./internal/FiberPool.ts"
import { printed } from "./internal/payload.ts"
import { supervise } from "./internal/supervise.ts"
import { drain } from "./internal/worker/drain.ts"
import * as Fetcher from "./internal/worker/Fetcher.ts"
import * as Housekeeping from "./internal/worker/Housekeeping.ts"
import * as Lease from "./internal/worker/Lease.ts"
import { handlersOf, type Served, servedBy, type Settings, settingsOf, unreadable } from "./internal/worker/options.ts"
import * as Progress from "./internal/worker/Progress.ts"
import { Runs } from "./internal/worker/Runs.ts"
import * as Settler from "./internal/worker/Settler.ts"
import { Notifier } from "./Notifier.ts"
import { Pool, type Runner } from "./Pool.ts"
import { ResultBackend } from "./ResultBackend.ts"
import * as Task from "./Task.ts"
import type * as TaskGroup from "./TaskGroup.ts"
import * as TaskId from "./TaskId.ts"

/**
 * A worker cannot start as it is configured. `problems` are sentences that say what to change.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkerError extends Schema.TaggedError<WorkerError>()("WorkerError", {
  reason: Schema.Literals(["DuplicateTask", "MissingHandler", "InvalidOption", "InvalidModule", "BrokerUnavailable"]),
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `the worker cannot start: ${this.problems.join("; ")}`
  }
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** A name for people, in logs and records. Default: `worker-` and a random part. */
  readonly name?: string | undefined
  /**
   * Queues in the order in which they are looked at: a later one gets its turn when those before it are empty. A record
   * gives weights instead: `{ mail: 3, reports: 1 }` claims three mails for each report while both wait. Default: the
   * queues of the tasks.
   */
  readonly queues?: ReadonlyArray<string> | Readonly<Record<string, number>> | undefined
  /** How many messages run at the same time. Default 20. */
  readonly concurrency?: number | undefined
  /**
   * How many messages are claimed beyond that, ready to start; 0: only for free slots. Default `"auto"`: what is started
   * within 50 ms at the present rate, at most 1 000.
   */
  readonly prefetch?: number | "auto" | undefined
  /** Most characters of messages held at the same time (one message is always allowed). Default 64 Mi. */
  readonly maxBytes?: number | undefined
  /** The lease: when this worker does not renew for so long, its messages run elsewhere. 1 second or more, default 30. */
  readonly visibilityTimeout?: Duration.Input | undefined
  /** How long running messages have to end when the worker stops. Default 25 seconds. */
  readonly drainLimit?: Duration.Input | undefined
  /** How long an interrupted handler has for its finalizers before it is abandoned. Default 5 seconds. */
  readonly grace?: Duration.Input | undefined
  /** For tasks that have none. */
  readonly softTimeLimit?: Duration.Input | undefined
  /** For tasks that have none. */
  readonly timeLimit?: Duration.Input | undefined
  /** How long a message of a task (or payload version) that this worker does not know is put off. Default 10 minutes. */
  readonly unknownTaskWindow?: Duration.Input | undefined
  /** Least time between two progress reports that are sent. Default 100 ms. */
  readonly progressInterval?: Duration.Input | undefined
}

type Services = Broker | ResultBackend | Notifier

/** Has a name of its own for the sake of the compiler's messages. */
type TaskOrGroup = Task.Any | TaskGroup.Any

/**
 * A worker for tasks and groups of tasks. The missing handlers are in its requirements.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <const Tasks extends ReadonlyArray<TaskOrGroup>>(
  options: Options & { readonly tasks: Tasks }
): Layer.Layer<never, WorkerError, Tasks[number]["~handler"] | Services> =>
  Layer.effectDiscard(
    // the handlers are read from the context by name; the requirement is what makes the compiler ask for them
    Effect.flatMap(Effect.context<Tasks[number]["~handler"]>(), (context) =>
      Effect.andThen(
        named(options, "layer"),
        Effect.suspend(() => start(options, servedBy(options.tasks), Task.registeredIn(context)))
      )
    )
  )

/**
 * A worker for the handlers of a module, which is imported when the Layer is built: its `default` export (or the one named
 * by `export`) is a Layer of handlers, as `toLayer` makes them, with its services provided.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerModule = (
  options: Options & { readonly module: URL | string; readonly export?: string | undefined }
): Layer.Layer<never, WorkerError, Services> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* named(options, "layerModule")
      const name = options.export ?? "default"
      const invalid = (problem: string) => new WorkerError({ reason: "InvalidModule", problems: [problem] })
      const module = yield* Effect.tryPromise({
        try: (): Promise<Record<string, unknown>> => import(String(options.module)),
        catch: (error) => invalid(`module ${String(options.module)} cannot be imported: ${printed(error)}`)
      })
      const exported = module[name]
      if (!Layer.isLayer(exported)) {
        return yield* invalid(`module ${String(options.module)} has no Layer under its export "${name}"`)
      }
      // what it needs beyond this worker's surroundings would show up as a missing service
      const handlers = exported as unknown as Layer.Layer<never, unknown>
      const context = yield* Layer.build(handlers).pipe(
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.interrupt
            : invalid(`the handlers of ${String(options.module)} cannot be built: ${printed(Cause.squash(cause))}`)
        )
      )
      const registered = Task.registeredIn(context)
      if (registered.size === 0) return yield* invalid(`the Layer of ${String(options.module)} holds no handler`)
      yield* start(options, { tasks: Array.from(registered.values(), ({ task }) => task), problems: [] }, registered)
    })
  )

/** A misspelt option is refused before anything is read. */
const named = (options: unknown, of: "layer" | "layerModule"): Effect.Effect<void, WorkerError> => {
  const problems = unreadable(options, of)
  return problems.length === 0 ? Effect.void : Effect.fail(new WorkerError({ reason: "InvalidOption", problems }))
}

const start = Effect.fnUntraced(function* (
  options: Options,
  served: Served,
  registered: ReadonlyMap<string, Task.Registered>
) {
  const name = options.name ?? `worker-${(yield* TaskId.make).slice(-8)}`
  const { queue } = yield* Defaults
  const { handlers, settings } = yield* validated(options, name, served, registered, queue)
  const pool = Option.getOrElse(yield* Effect.serviceOption(Pool), () => fiberPool)
  const runner = yield* pool.make({ worker: name, grace: settings.grace, handlers })
  // a program may have several workers
  yield* Effect.annotateLogs(work(settings, handlers, runner), "worker", name)
})

const work = Effect.fnUntraced(function* (
  settings: Settings,
  handlers: ReadonlyMap<string, Task.Registered>,
  runner: Runner
) {
  const broker = yield* Broker
  const results = yield* ResultBackend
  const notifier = yield* Notifier
  const defaults = yield* Defaults
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<Scope>()
  const { lease, name, queues } = settings

  const deadlines = yield* Deadlines.make
  const consumer = yield* broker
    .consume({ worker: name, queues: queues.map((queue) => queue.name), lease: Duration.millis(lease) })
    .pipe(Effect.mapError(unavailable))
  const settler = yield* Settler.make({
    broker,
    results,
    consumer,
    dedupeWindow: Duration.toMillis(defaults.dedupeWindow)
  })
  const progress = yield* Progress.make({ results, consumer: consumer.id, interval: settings.progressInterval })
  const stirred = Latch.makeUnsafe(true)
  const runs = new Runs({
    context,
    clock,
    settings,
    defaults,
    handlers,
    runner,
    deadlines,
    settler,
    progress,
    onRoom: () => stirred.openUnsafe(),
    recordOf:
      broker.location === results.location
        ? undefined
        : (address: Address) =>
            Effect.map(Effect.orDie(Effect.retry(results.read([address]), untilAnswered)), ([stored]) => stored?.record)
  })

  const exclusive = yield* Semaphore.make(1)
  const registration = Latch.makeUnsafe(true)
  const keeper = yield* Lease.make({ consumer, runs, lease, exclusive, registered: registration })
  const fetcher = Fetcher.make({
    consumer,
    runs,
    settings,
    exclusive,
    registered: registration,
    stirred,
    onDoubt: keeper.doubt
  })
  yield* notifier.subscribe(revokeChannel(consumer.id), {
    onMessage: (message) => {
      const address = addressIn(message)
      if (address !== undefined) runs.revoke(address)
    },
    onReset: keeper.doubt
  })
  yield* notifier.subscribe(wakeChannel(consumer.id), { onMessage: fetcher.wake, onReset: fetcher.wake })
  yield* supervise("worker.housekeeping", Housekeeping.loop({ context, broker, results, defaults, handlers }))

  // closed in the opposite order: first the fetch loop, then the runs, then all that they need
  yield* Effect.addFinalizer(() => Effect.annotateLogs(drain({ runs, settler, settings }), "worker", name))
  yield* supervise("worker.fetch", fetcher.loop)
  yield* Effect.logInfo(`worker ${name} is ready`).pipe(
    Effect.annotateLogs({ queues: queues.map((queue) => queue.name).join(","), tasks: handlers.size })
  )
})

/** A message whose record cannot be looked up waits for the answer: its slot is worth less than a second run. */
const untilAnswered = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

/** What `revokeChannel` carries; a push that is something else is lost like others. */
const addressIn = (message: string): Address | undefined =>
  Option.match(decodeAddress(message), { onNone: () => undefined, onSome: ([id, queue]) => ({ id, queue }) })

const decodeAddress = Schema.decodeOption(Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String])))

const unavailable = (error: BrokerError) => new WorkerError({ reason: "BrokerUnavailable", problems: [error.message] })

const validated = (
  options: Options,
  name: string,
  { problems: unserved, tasks }: Served,
  registered: ReadonlyMap<string, Task.Registered>,
  defaultQueue: string
) => {
  const { problems, settings } = settingsOf(options, name, tasks, defaultQueue)
  const found = handlersOf(tasks, registered, options)
  const refuse = (reason: WorkerError["reason"], problems: ReadonlyArray<string>) =>
    Effect.fail(new WorkerError({ reason, problems }))
  // without tasks there is nothing else to say
  if (unserved.length > 0) return refuse("InvalidOption", unserved)
  if (problems.length + found.problems.length > 0) return refuse("InvalidOption", [...problems, ...found.problems])
  if (found.duplicates.length > 0) {
    return refuse(
      "DuplicateTask",
      found.duplicates.map((task) => `two tasks are called "${task}": give each its own name`)
    )
  }
  if (found.missing.length > 0) {
    return refuse(
      "MissingHandler",
      found.missing.map((task) => `task "${task}" has no handler: provide the Layer that its toLayer makes`)
    )
  }
  return Effect.succeed({ settings, handlers: found.handlers })
}
