/** Works off what waits, and moves the clock where nothing can happen without it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Address, Broker } from "../../Broker.ts"
import { Defaults } from "../../Defaults.ts"
import type { Notifier } from "../../Notifier.ts"
import type { ResultBackend } from "../../ResultBackend.ts"
import type * as Task from "../../Task.ts"
import type * as TaskRecord from "../../TaskRecord.ts"
import * as Worker from "../../Worker.ts"
import { Recorder, type Recording, type Waiting } from "./Recorder.ts"
import { advance, advanceTo, settle, testClock } from "./settle.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface DrainOptions {
  /** Default: those of the `tasks`; without tasks, all queues. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** Also what waits for its time: the `TestClock` is moved to it, and what falls due on the way runs. Default `false`. */
  readonly withScheduled?: boolean | undefined
  /** Also what waits for another attempt, or was snoozed: the `TestClock` is moved to it. Default `false`. */
  readonly withRetries?: boolean | undefined
  /** Runs and moves of the clock after which a queue that never empties is given up. Default 10 000. */
  readonly maxSteps?: number | undefined
}

/**
 * How many messages came to which end, and how often one went back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Drained {
  readonly succeeded: number
  readonly failed: number
  readonly dead: number
  readonly expired: number
  readonly revoked: number
  readonly ignored: number
  /** Failed attempts that another follows, now or later. */
  readonly retried: number
  /** Runs without a verdict: snoozed, requeued, released, put off because the task is unknown. */
  readonly putBack: number
  /** The messages that failed or are dead. */
  readonly failures: ReadonlyArray<Failure>
  /** Messages that wait: for a time, or another attempt, that was not asked for. */
  readonly left: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly id: string
  readonly queue: string
  /** Name of the task. */
  readonly task: string
  readonly state: TaskRecord.TerminalState
  readonly attempts: number
  /** Encoded; `yield* MyTask.handle(id)` gives the way to the decoded one. */
  readonly ending: TaskRecord.Ending
}

/**
 * The queues do not empty. `TooManySteps`: there is always more; `StillRunning`: a handler waits for something outside of the
 * program that does not come; `NobodyWorks`: no worker takes the messages.
 *
 * @category errors
 * @since 0.1.0
 */
export class DrainFailed extends Schema.TaggedError<DrainFailed>()("DrainFailed", {
  reason: Schema.Literals(["TooManySteps", "NobodyWorks", "StillRunning"]),
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/** What a test waits for in real time when a handler is busy with something outside of the program. Milliseconds. */
const patience = { beforeTimeMoves: 100, atMost: 5000 }

/** Workers look by themselves within this time, pushes or not. Milliseconds. */
const lookWithin = 5000

/** The worker of a drain, which stands still while time passes: nothing is due then, and its lease costs a day of renewals. */
interface Crew<E, R> {
  readonly start: Effect.Effect<void, E, R>
  readonly stop: Effect.Effect<void>
}

const workOff = Effect.fnUntraced(function* <E, R>(
  options: DrainOptions,
  crew: Crew<E, R>
): Effect.fn.Return<Drained, DrainFailed | E, Recorder | R> {
  const recording = yield* Recorder
  yield* testClock("drain")
  const { maxSteps = 10_000, queues, withRetries = false, withScheduled = false } = options
  const before = { ended: recording.ended.length, returned: recording.returned.length }
  const concerned = (address: Address) => queues === undefined || queues.includes(address.queue)
  const waiting = () => Array.from(recording.waiting.values()).filter(concerned)
  const results = () => recording.ended.length + recording.returned.length
  const start = results()

  let moves = 0
  let idleLooks = 0
  for (;;) {
    const results0 = results()
    yield* crew.start
    yield* settle
    if (results() - start + moves > maxSteps) return yield* tooMany(maxSteps, waiting())
    if (results() > results0) {
      idleLooks = 0
      continue
    }
    const now = yield* Clock.currentTimeMillis
    const left = waiting()
    const due = left.filter(({ dueAt }) => dueAt <= now)
    const next = Math.min(
      Infinity,
      ...left
        .filter((one) => one.dueAt > now && (one.for === "first" ? withScheduled : withRetries))
        .map(({ dueAt }) => dueAt)
    )
    if (due.length === 0) {
      if (next === Infinity) return summary(recording, before, concerned, left.length)
      moves++
      yield* crew.stop
      yield* advanceTo(next)
      continue
    }
    // something is due, and nothing happens at this moment
    const awake = Math.min(next, recording.sleepers.firstEnd())
    if (awake < Infinity && (recording.sleepers.firstEnd() < Infinity || (yield* isStill(recording)))) {
      moves++
      yield* advanceTo(awake)
    } else if (recording.sleepers.running > 0) {
      moves++
      if (yield* isStill(recording, patience.atMost)) return yield* stillRunning(recording, due)
    } else if (idleLooks++ < 3) {
      yield* advanceTo(now + lookWithin)
    } else return yield* nobodyWorks(due)
  }
})

/** Where messages of the tasks go, and where some wait already. */
const queuesOf = Effect.fnUntraced(function* (tasks: ReadonlyArray<Task.AnyWithProps>) {
  const { waiting } = yield* Recorder
  const defaults = yield* Defaults
  const names = new Set(tasks.map(({ _tag }) => _tag))
  const queues = new Set(tasks.map(({ options }) => options.queue ?? defaults.queue))
  for (const { message, queue } of waiting.values()) if (message && names.has(message.task)) queues.add(queue)
  return Array.from(queues)
})

/** Waits in real time for handlers that are busy with something outside of the program. */
const isStill = Effect.fnUntraced(function* (recording: Recording, millis: number = patience.beforeTimeMoves) {
  if (recording.sleepers.running === 0) return true
  const activity = recording.activity()
  for (let waited = 0; waited < millis; waited++) {
    yield* TestClock.withLive(Effect.sleep(1))
    if (recording.activity() !== activity) return false
  }
  return true
})

const summary = (
  recording: Recording,
  before: { readonly ended: number; readonly returned: number },
  concerned: (address: Address) => boolean,
  left: number
): Drained => {
  const ended = recording.ended.slice(before.ended).filter(concerned)
  const returned = recording.returned.slice(before.returned).filter(concerned)
  const count = (state: TaskRecord.TerminalState) => ended.filter(({ record }) => record.state === state).length
  return {
    succeeded: count("succeeded"),
    failed: count("failed"),
    dead: count("dead"),
    expired: count("expired"),
    revoked: count("revoked"),
    ignored: count("ignored"),
    retried: returned.filter(({ retried }) => retried).length,
    putBack: returned.filter(({ retried }) => !retried).length,
    failures: ended
      .filter(({ record }) => record.state === "failed" || record.state === "dead")
      .map(({ id, message, queue, record: { attempts, ending, state } }) => ({
        id,
        queue,
        task: message?.task ?? "",
        state,
        attempts,
        ending
      })),
    left
  }
}

const tooMany = (maxSteps: number, left: ReadonlyArray<Waiting>) =>
  new DrainFailed({
    reason: "TooManySteps",
    detail: `the queues are not empty after ${maxSteps} steps: does a handler enqueue itself, or retry without end? Still there:\n${list(left)}`
  })

const stillRunning = ({ sleepers }: Recording, due: ReadonlyArray<Waiting>) =>
  new DrainFailed({
    reason: "StillRunning",
    detail: `${sleepers.running} handlers have neither ended nor slept for ${patience.atMost / 1000} seconds of real time. Running or waiting:\n${list(due)}`
  })

const nobodyWorks = (due: ReadonlyArray<Waiting>) =>
  new DrainFailed({
    reason: "NobodyWorks",
    detail: `no worker takes these messages: give drain their \`tasks\`, or build a worker for their queues:\n${list(due)}`
  })

const mostLines = 20

const list = (waiting: ReadonlyArray<Waiting>): string =>
  [
    ...waiting
      .slice(0, mostLines)
      .map(({ id, message, queue }) => `  ${message?.task ?? "something unreadable"} (${id}) in queue "${queue}"`),
    ...(waiting.length > mostLines ? [`  … and ${waiting.length - mostLines} more`] : [])
  ].join("\n")

/**
 * Works off what waits, and what that enqueues in turn, until nothing is due any more, and tells what came of it.
 *
 * With `tasks` a worker for them runs meanwhile, and their handlers are required; without, the workers that the test has
 * built do the work. The `TestClock` moves where a handler sleeps, and to the next due time where that is asked for.
 *
 * @category working off
 * @since 0.1.0
 */
export const drain: {
  (options?: DrainOptions & { readonly tasks?: undefined }): Effect.Effect<Drained, DrainFailed, Recorder>
  <const Tasks extends ReadonlyArray<Task.AnyWithProps>>(
    options: DrainOptions & { readonly tasks: Tasks }
  ): Effect.Effect<
    Drained,
    DrainFailed | Worker.WorkerError,
    Recorder | Broker | ResultBackend | Notifier | Tasks[number]["~handler"]
  >
} = (
  options: DrainOptions & { readonly tasks?: ReadonlyArray<Task.AnyWithProps> | undefined } = {}
): Effect.Effect<Drained, never, Recorder> => {
  const { tasks, ...rest } = options
  const drained =
    tasks === undefined
      ? workOff(rest, { start: Effect.void, stop: Effect.void })
      : Effect.gen(function* () {
          const queues = options.queues ?? (yield* queuesOf(tasks))
          const crew = yield* crewOf(Worker.layer({ tasks, name: "drain", queues, drainLimit: 0 }))
          return yield* workOff({ ...rest, queues }, crew)
        }).pipe(Effect.scoped)
  // the overloads say more than one signature can
  return drained as Effect.Effect<Drained, never, Recorder>
}

/** A worker that can be stopped and started again. */
const crewOf = Effect.fnUntraced(function* <E, R>(worker: Layer.Layer<never, E, R>) {
  let running: Scope.Closeable | undefined
  const stop = Effect.gen(function* () {
    if (running === undefined) return
    const closing = yield* Effect.forkChild(Scope.close(running, Exit.void))
    running = undefined
    yield* settle
    // a handler that does not give in is waited for until the end of its grace
    if (closing.pollUnsafe() === undefined) yield* advance("1 minute")
    yield* Fiber.join(closing)
  })
  yield* Effect.addFinalizer(() => stop)
  const start = Effect.suspend(() => {
    if (running !== undefined) return Effect.void
    running = Scope.makeUnsafe()
    return Effect.asVoid(Layer.buildWithScope(Layer.fresh(worker), running))
  })
  return { start, stop } satisfies Crew<E, R>
})
