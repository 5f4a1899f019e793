/** `celeriac worker <module>`: runs the handlers of a module. */
import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import { fileURLToPath } from "node:url"
import { CeleriacRedis } from "@celeriac/redis"
import { Defaults, type Task, Worker } from "celeriac"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { CommandFailure } from "../failure.ts"
import { connection, queues, redisOptions, serversOf, span, whole } from "../flags.ts"
import * as Handlers from "../handlers.ts"
import { aligned, paint, print, shownUrl } from "../output.ts"
import { watchOutside } from "../outside.ts"
import { Running } from "../Running.ts"
import { Shutdown } from "../Shutdown.ts"
import * as TaskLog from "../taskLog.ts"

const flags = {
  module: Argument.String("module").pipe(
    Argument.withDescription("JavaScript or TypeScript file that exports the handlers")
  ),
  ...connection,
  queues: queues("queues").pipe(
    Flag.withAlias("Q"),
    Flag.withDescription("mail,reports or mail=3,reports=1 (all of the tasks)"),
    Flag.optional
  ),
  concurrency: whole("concurrency", 1).pipe(
    Flag.withAlias("c"),
    Flag.withDescription("Messages that run at the same time (20)"),
    Flag.optional
  ),
  name: Flag.String("name").pipe(
    Flag.withAlias("n"),
    Flag.withMetavar("text"),
    Flag.withDescription("A name for people (host and process id)"),
    Flag.optional
  ),
  export: Flag.String("export").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("The export that holds the handlers"),
    Flag.optional
  ),
  prefetch: whole("prefetch", 0).pipe(
    Flag.withDescription("Messages claimed beyond those (by their rate)"),
    Flag.optional
  ),
  visibilityTimeout: span("visibility-timeout").pipe(
    Flag.withDescription("The lease of what it holds (30s)"),
    Flag.optional
  ),
  timeLimit: span("time-limit").pipe(Flag.withDescription("Of tasks that have none"), Flag.optional),
  softTimeLimit: span("soft-time-limit").pipe(Flag.withDescription("Of tasks that have none"), Flag.optional),
  drainLimit: span("drain-timeout").pipe(
    Flag.withDescription("For running tasks to end at a stop (25s)"),
    Flag.optional
  ),
  grace: span("grace").pipe(Flag.withDescription("For interrupted tasks to tidy up (5s)"), Flag.optional),
  unknownTaskWindow: span("unknown-task-window").pipe(
    Flag.withDescription("How long unknown tasks are put off (10m)"),
    Flag.optional
  ),
  logLevel: Flag.ChoiceWithValue("log-level", [
    ["debug", "Debug"],
    ["info", "Info"],
    ["warning", "Warn"],
    ["error", "Error"]
  ] as const).pipe(Flag.withAlias("l"), Flag.withMetavar("level"), Flag.withDescription("(info)"), Flag.optional),
  logFormat: Flag.Literals("log-format", TaskLog.formats).pipe(
    Flag.withMetavar("format"),
    Flag.withDescription("(pretty in a terminal, else logfmt)"),
    Flag.optional
  )
}

/** A task whose handler nobody has to be asked for. */
type Served = Task.AnyWithProps & { readonly "~handler": never }

type Input = Command.Command.Config.Infer<typeof flags>

export const worker = Command.make(
  "worker",
  flags,
  Effect.fnUntraced(function* (input) {
    const painter = yield* paint
    const level = Option.getOrElse(input.logLevel, () => "Info" as const)
    const format = Option.getOrElse(input.logFormat, () => (process.stdout.isTTY ? "pretty" : "logfmt"))
    return yield* Effect.provide(run(input, level, format), TaskLog.layer({ level, format, paint: painter }))
  })
).pipe(
  Command.withDescription("Run the handlers of a module until a signal comes"),
  Command.withExamples([
    { command: "celeriac worker ./handlers.ts", description: "All queues of its tasks, on the local Redis" },
    { command: "celeriac worker ./handlers.ts -Q mail,reports -c 50", description: "Two queues, 50 at a time" },
    {
      command: "celeriac worker dist/handlers.js -b redis://10.0.0.7:6379/0 -l warning --log-format json",
      description: "Another server, and only what went wrong, as JSON"
    }
  ])
)

const run = Effect.fnUntraced(
  function* (input: Input, level: TaskLog.Level, format: TaskLog.Format) {
    const servers = serversOf(input, "celeriac-worker")
    const running = new Running()
    yield* watchOutside(() => `${running.count} running, to be delivered again when the lease of this worker ends`)
    // what is wrong with the module is told without a server
    const exported = yield* Handlers.load(input.module, Option.getOrUndefined(input.export))
    const redis = CeleriacRedis.layer(redisOptions(servers))
    return yield* Effect.gen(function* () {
      const handlers = yield* Handlers.build(input.module, exported)
      const name = Option.getOrElse(input.name, () => `${hostname()}-${process.pid}`)
      // their handlers are in the context that the worker is given, by their names; no type can say of a module which these are
      const tasks = Array.from(handlers.values(), ({ task }) => task as Served)
      const { queue } = yield* Defaults.Defaults
      yield* announce(format, {
        worker: name,
        broker: shownUrl(servers.broker.url),
        "result backend": servers.together ? "the same" : shownUrl(servers.resultBackend.url),
        prefix: servers.broker.prefix,
        queues: queueNames(Option.getOrElse(input.queues, () => queuesOf(tasks, queue))),
        concurrency: String(Option.getOrElse(input.concurrency, () => 20)),
        tasks: tasks.map((task) => task._tag).toSorted()
      })
      return yield* serve(
        Worker.layer({ ...optionsOf(input), name, tasks }).pipe(
          Layer.provide(Layer.succeedContext(running.watch(handlers, { starts: level === "Debug" })))
        ),
        { running, level }
      )
    }).pipe(Effect.scoped, Effect.provide(redis))
  },
  Effect.scoped,
  Effect.catchTags({
    RedisError: (error) => Effect.fail(new CommandFailure({ detail: `${error.message} (${error.reason})` })),
    WorkerError: ({ problems }) =>
      Effect.fail(new CommandFailure({ detail: `the worker cannot start: ${problems.join("; ")}` }))
  })
)

/** Until a signal interrupts it. What runs then is drained when the scope of the layer closes. */
const serve = Effect.fnUntraced(function* <E, R>(
  layer: Layer.Layer<never, E, R>,
  { level, running }: { readonly running: Running; readonly level: TaskLog.Level }
) {
  const shutdown = yield* Shutdown
  yield* Effect.provideService(Layer.build(layer), References.MinimumLogLevel, TaskLog.workerLevel(level))
  shutdown.graceful = true
  shutdown.leaves = () => running.leaves()
  yield* Effect.addFinalizer(() =>
    Effect.logInfo(`${shutdown.signal ?? "stop"}: draining, ${running.count} running; once more exits at once`)
  )
  return yield* Effect.never
})

const optionsOf = (input: Input): Worker.Options => ({
  queues: Option.getOrUndefined(input.queues),
  concurrency: Option.getOrUndefined(input.concurrency),
  prefetch: Option.getOrUndefined(input.prefetch),
  visibilityTimeout: Option.getOrUndefined(input.visibilityTimeout),
  timeLimit: Option.getOrUndefined(input.timeLimit),
  softTimeLimit: Option.getOrUndefined(input.softTimeLimit),
  drainLimit: Option.getOrUndefined(input.drainLimit),
  grace: Option.getOrUndefined(input.grace),
  unknownTaskWindow: Option.getOrUndefined(input.unknownTaskWindow)
})

const queuesOf = (tasks: ReadonlyArray<Task.AnyWithProps>, fallback: string): ReadonlyArray<string> =>
  Array.from(new Set(tasks.map((task) => task.options.queue ?? fallback)))

const queueNames = (queues: Worker.Options["queues"] & {}): string =>
  Array.isArray(queues)
    ? queues.join(", ")
    : Object.entries(queues)
        .map(([name, weight]) => `${name} (weight ${weight})`)
        .join(", ")

/** Who works for whom: lines for people, one line for programs. */
const announce = Effect.fnUntraced(function* (
  format: TaskLog.Format,
  facts: Readonly<Record<string, string | ReadonlyArray<string>>>
) {
  const version = celeriacVersion()
  if (format !== "pretty") {
    const annotations = Object.entries(facts).map(([name, value]) => [
      name.replace(" ", "_"),
      typeof value === "string" ? value : value.join(",")
    ])
    return yield* Effect.annotateLogs(Effect.logInfo(`celeriac ${version}`), Object.fromEntries(annotations))
  }
  const painter = yield* paint
  const rows = Object.entries(facts).map(([name, value]): [string, string] => [
    name,
    typeof value === "string" ? value : value.join("\n")
  ])
  yield* print(`${painter("bold", `celeriac ${version}`)}\n\n${aligned(rows, painter)}\n`)
})

/** Of the core that the worker runs, which may be another one than that of this command. */
const celeriacVersion = (): string => {
  // a manifest of ours
  const { version } = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve("celeriac/package.json")), "utf8")) as {
    readonly version: string
  }
  return version
}
