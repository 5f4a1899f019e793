/** One run of one system on an empty server: the steps of which the workloads are made. */
import { Clock, Effect, Exit, Scope } from "effect"
import type { Server } from "../server.ts"
import { quantile } from "../statistics.ts"
import type { Command, Reply, Role } from "../systems/protocol.ts"
import type { System, SystemName } from "../systems/System.ts"
import * as Process from "./process.ts"

export type Figures = Readonly<Record<string, number>>

/** How often the server is asked how far the workers are. */
const look = "5 millis"
/** Nothing ends for so long: it will never end. */
const standstill = 30_000

/** Milliseconds since any fixed time. */
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const figure = (reply: Required<Reply>, name: string): number => reply.figures[name] ?? 0

/** For latencies in milliseconds: `p50`, `p99` and, when there are enough of them, `p999`. */
export const quantiles = (samples: ReadonlyArray<number>, prefix = ""): Figures =>
  samples.length === 0
    ? {}
    : {
        [`${prefix}p50`]: quantile(samples, 0.5),
        [`${prefix}p99`]: quantile(samples, 0.99),
        ...(samples.length >= 1000 && { [`${prefix}p999`]: quantile(samples, 0.999) })
      }

export interface WorkerOptions {
  /** How many worker processes. */
  readonly workers?: number
  /** Default: what was found to be the best for it, or its own default. */
  readonly concurrency?: number
  /** Milliseconds that each task waits. */
  readonly work?: number
}

export interface Run {
  readonly perSecond: number
  /** Microseconds of CPU per task: of all workers together, and of the server. */
  readonly workerCpu: number
  readonly redisCpu: number
  /** Latencies from enqueue to start, in milliseconds, of messages that carry their time. */
  readonly starts: ReadonlyArray<number>
  /** Bytes of the first worker's heap; 0 when it does not tell. */
  readonly heap: number
}

export interface Session {
  /** Bulk enqueue. */
  readonly fill: (options: {
    readonly count: number
    readonly bytes: number
    readonly dueIn?: number
  }) => Effect.Effect<{ readonly perSecond: number; readonly cpu: number }, Failure>
  /** So many callers, each of whom waits for its receipt. Enqueues a second. */
  readonly singles: (options: {
    readonly callers: number
    readonly millis: number
    readonly bytes: number
  }) => Effect.Effect<number, Failure>
  /** Asks the producer something else. What it enqueues is counted by whoever asks. */
  readonly produce: (command: Command, enqueues?: number) => Effect.Effect<Required<Reply>, Failure>
  /** From the start of the workers until so many have ended (default: all that were enqueued). */
  readonly run: (until?: number) => Effect.Effect<Run, Failure>
  /** The workers run while the effect does, and until so many have ended (default: all that were enqueued). */
  readonly during: <A>(
    effect: Effect.Effect<A, Failure>,
    until?: number
  ) => Effect.Effect<{ readonly value: A; readonly run: Run }, Failure>
  /** Each message ran exactly once, and its result is right. `ended`: when not all of them were to run. */
  readonly check: (ended?: number) => Effect.Effect<void, Failure>
  readonly enqueued: () => number
}

type Failure = Process.Spoilt | Effect.Error<Server["empty"]>

export interface Bench {
  readonly server: Server
  /** The best concurrency of a system, once that is known. */
  readonly concurrency: Map<SystemName, number>
  /** A session of its own on the emptied server. */
  readonly session: <A, E>(
    system: System,
    options: WorkerOptions,
    body: (session: Session) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E | Failure>
}

export const make = Effect.fnUntraced(function* (server: Server) {
  const scope = yield* Effect.scope
  const processes = new Map<string, Process.Process>()
  const concurrency = new Map<SystemName, number>()
  let sessions = 0

  /** Processes go on between sessions: only what is measured is warm, and nothing of it is started twice. */
  const processOf = Effect.fnUntraced(function* (system: System, role: Role, index = 0) {
    const name = `${system.title} ${role}${index === 0 ? "" : ` ${index + 1}`}`
    const running = processes.get(name)
    if (running !== undefined) return running
    const started = yield* Scope.provide(Process.start(name, system.program(role)), scope)
    processes.set(name, started)
    return started
  })

  const open = Effect.fnUntraced(function* (system: System, options: WorkerOptions, within: Scope.Scope) {
    yield* server.empty
    const name = `bench-${++sessions}`
    const where = { url: server.url, name }
    const bounded = options.concurrency ?? concurrency.get(system.name) ?? 0
    const producer = yield* processOf(system, "producer")
    const workers = yield* Effect.forEach(Array.from({ length: options.workers ?? 1 }), (_, index) =>
      processOf(system, "worker", index)
    )
    const opened = (process: Process.Process, command: Command) =>
      Effect.andThen(
        // a process that failed is asked to close, too
        Scope.addFinalizer(within, Effect.ignore(process.ask({ _tag: "Close" }))),
        process.ask(command)
      )
    yield* opened(producer, { _tag: "Open", ...where })
    for (const worker of workers) {
      yield* opened(worker, { _tag: "Open", ...where, concurrency: bounded, work: options.work ?? 0 })
    }

    let enqueued = 0
    let runs = 0
    const ended = server.ask((redis) => system.ended(redis, name, enqueued))
    const ask = (command: Command) => Effect.forEach(workers, (worker) => worker.ask(command))

    /** Waits until so many have ended; how many have, and when that was seen. */
    const arrived = Effect.fnUntraced(function* (until: number) {
      let [seen, changed] = [-1, yield* now]
      while (true) {
        const count = yield* ended
        const at = yield* now
        if (count >= until) return { count, at }
        if (count !== seen) [seen, changed] = [count, at]
        if (at - changed > standstill) {
          return yield* new Process.Spoilt({
            problem: `${system.title} stands still: ${count} of ${until} messages have ended`
          })
        }
        yield* Effect.sleep(look)
      }
    })

    /** Starts the workers, does something, and tells what happened from then on until all is done. */
    const measured = Effect.fnUntraced(function* <A>(body: Effect.Effect<A, Failure>, until: () => number) {
      const [cpuBefore, endedBefore] = [yield* server.cpu, yield* ended]
      const starts = yield* ask({ _tag: "Start" })
      const value = yield* body
      const { at, count } = yield* arrived(until())
      const reports = yield* ask({ _tag: "Report" })
      const redisCpu = ((yield* server.cpu) - cpuBefore) / (count - endedBefore)
      yield* ask({ _tag: "Stop" })
      // what ended while the workers stopped counts as delivered
      const final = yield* ask({ _tag: "Report" })
      runs = final.reduce((sum, report) => sum + figure(report, "runs"), 0)
      const began = Math.min(...starts.map((start) => figure(start, "at"))) / 1e6
      const cpu = reports.reduce((sum, report, index) => sum + figure(report, "cpu") - figure(starts[index]!, "cpu"), 0)
      const run: Run = {
        perSecond: ((count - endedBefore) / (at - began)) * 1000,
        workerCpu: cpu / (count - endedBefore),
        redisCpu,
        starts: final.flatMap((report) => report.samples["start"] ?? []),
        heap: figure(reports[0]!, "heap")
      }
      return { value, run }
    })

    const session: Session = {
      fill: Effect.fnUntraced(function* (options) {
        const reply = yield* producer.ask({ _tag: "Fill", ...options })
        enqueued += options.count
        return {
          perSecond: (options.count * 1e9) / figure(reply, "nanos"),
          cpu: figure(reply, "cpu") / options.count
        }
      }),
      singles: Effect.fnUntraced(function* (options) {
        const reply = yield* producer.ask({ _tag: "Singles", ...options })
        enqueued += figure(reply, "count")
        return (figure(reply, "count") * 1e9) / figure(reply, "nanos")
      }),
      produce: (command, enqueues = 0) =>
        Effect.map(producer.ask(command), (reply) => {
          enqueued += enqueues
          return reply
        }),
      run: (until) =>
        Effect.map(
          measured(Effect.void, () => until ?? enqueued),
          ({ run }) => run
        ),
      during: (effect, until) => measured(effect, () => until ?? enqueued),
      check: Effect.fnUntraced(function* (least) {
        const reply = yield* producer.ask({ _tag: "Check" })
        const [count, missing, wrong] = [figure(reply, "count"), figure(reply, "missing"), figure(reply, "wrong")]
        const there = count - missing
        const complete = least === undefined ? missing === 0 : there >= least
        // as many runs as results, and a result for each id: no id ran twice
        if (count === enqueued && complete && wrong === 0 && runs === there) return
        return yield* new Process.Spoilt({
          problem: `${system.title} did not deliver each message exactly once: ${enqueued} enqueued, ${runs} runs, ${missing} without a result, ${wrong} with a wrong one`
        })
      }),
      enqueued: () => enqueued
    }
    return session
  })

  const bench: Bench = {
    server,
    concurrency,
    session: (system, options, body) =>
      Effect.acquireUseRelease(
        Scope.make(),
        (within) => Effect.flatMap(open(system, options, within), body),
        (within) => Scope.close(within, Exit.void)
      ).pipe(
        // a process in an unknown state is of no use to the next session
        Effect.tapError(() =>
          Effect.sync(() => {
            for (const name of processes.keys()) if (name.startsWith(`${system.title} `)) processes.delete(name)
          })
        )
      )
  }
  return bench
})
