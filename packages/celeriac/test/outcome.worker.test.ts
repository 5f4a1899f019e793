/** The table of `Outcome` once more from outside: a real worker, a real handler, and what caller and broker see. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { Broker } from "../src/Broker.ts"
import { Client, type EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import type { TaskSignal, Typed } from "../src/TaskContext.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import type { State } from "../src/TaskRecord.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, epoch, exitWithin, pass, type Services, started, stores, type World, world } from "./fixture.ts"

const options = {
  payload: { n: Schema.Number },
  success: Schema.Number,
  error: Boom,
  queue: "q",
  retry: { delay: "10 seconds", backoff: "constant", jitter: false, times: 2 }
} as const

class Job extends Task.make("job", options) {}

/** Options that a call may leave to the task. */
class EarlyJob extends Task.make("job", { ...options, ack: "early" }) {}
class SparingJob extends Task.make("job", { ...options, ignoreResult: "success" }) {}

type Context = Typed<never>

/** What the handler does, run by run; the last one again and again. */
type Script = (context: Context) => Effect.Effect<number, Boom | TaskSignal>

interface Row {
  readonly name: string
  readonly script: Script
  /** Default `Job`. */
  readonly task?: typeof Job
  readonly enqueue?: EnqueueOptions
  readonly options?: Partial<Worker.Options>
  /** Happens once the first run has started. */
  readonly meanwhile?: (handle: Handle, world: World) => Effect.Effect<unknown, never, Services | Scope>
  /** Attempts that the handler saw. */
  readonly attempts: ReadonlyArray<number>
  readonly state: State
  /** In the record. */
  readonly counted: number
  readonly dead: RegExp | undefined
  /** What `await` yields: a value, the tag of an error, of a reason, or a defect. */
  readonly yields: string
  /** When it ended, milliseconds after the enqueue. */
  readonly at: number
}

type Handle = TaskHandle<number, Boom>

const twice = 20_000

const rows: ReadonlyArray<Row> = [
  {
    name: "success",
    script: () => Effect.succeed(42),
    attempts: [1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "42",
    at: 0
  },
  {
    name: "success at the third attempt",
    script: ({ attempt }) => (attempt < 3 ? Effect.fail(new Boom({ code: attempt })) : Effect.succeed(attempt)),
    attempts: [1, 2, 3],
    state: "succeeded",
    counted: 3,
    dead: undefined,
    yields: "3",
    at: twice
  },
  {
    name: "typed failure",
    script: ({ attempt }) => Effect.fail(new Boom({ code: attempt })),
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /typed failure \(times\)/,
    yields: "Boom 3",
    at: twice
  },
  {
    name: "defect",
    script: () => Effect.die(new Error("broken")),
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /defect \(times\)/,
    yields: "defect Error: broken",
    at: twice
  },
  {
    name: "soft limit",
    script: () => Effect.never,
    enqueue: { softTimeLimit: "1 second" },
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /soft time limit \(times\)/,
    yields: "TaskEnded TimeLimitExceeded soft",
    at: twice + 3000
  },
  {
    name: "hard limit",
    script: () => Effect.never,
    enqueue: { timeLimit: "2 seconds" },
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /hard time limit \(times\)/,
    yields: "TaskEnded TimeLimitExceeded hard",
    at: twice + 6000
  },
  {
    name: "retry",
    script: (context) => (context.attempt === 1 ? context.retry() : Effect.succeed(context.attempt)),
    attempts: [1, 2],
    state: "succeeded",
    counted: 2,
    dead: undefined,
    yields: "2",
    at: 10_000
  },
  {
    name: "retry after a time of its own, until the policy allows no more",
    script: (context) => context.retry({ after: "3 seconds" }),
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /retries exhausted/,
    yields: "TaskEnded RetriesExhausted",
    at: 6000
  },
  {
    name: "snooze",
    script: (context) => (context.deliveries === 1 && !snoozed.has(context.id) ? snooze(context) : Effect.succeed(7)),
    attempts: [1, 1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "7",
    at: 60_000
  },
  {
    name: "reject",
    script: (context) => context.reject({ detail: "no such user" }),
    attempts: [1],
    state: "failed",
    counted: 1,
    dead: /no such user/,
    yields: "TaskEnded Rejected",
    at: 0
  },
  {
    name: "requeue",
    script: (context) =>
      context.deliveries < 3 ? context.reject({ requeue: true }) : Effect.succeed(context.deliveries),
    attempts: [1, 1, 1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "3",
    at: 0
  },
  {
    name: "requeue without end",
    script: (context) => context.reject({ requeue: true }),
    attempts: [1, 1, 1, 1, 1],
    state: "dead",
    counted: 0,
    dead: /delivered 5 times/,
    yields: "TaskEnded TooManyDeliveries",
    at: 0
  },
  {
    name: "ignore",
    script: (context) => context.ignore,
    attempts: [1],
    state: "ignored",
    counted: 1,
    dead: undefined,
    yields: "TaskEnded Ignored",
    at: 0
  },
  {
    name: "revoked while it runs",
    script: () => Effect.never,
    meanwhile: (handle) => handle.revoke(),
    attempts: [1],
    state: "revoked",
    counted: 0,
    dead: undefined,
    yields: "TaskEnded Revoked",
    at: 0
  },
  {
    name: "its own interruption",
    script: () => Effect.interrupt,
    enqueue: { retries: 0 },
    attempts: [1],
    state: "failed",
    counted: 1,
    dead: /defect/,
    yields: "defect Error: the handler interrupted itself",
    at: 0
  },
  {
    name: "worker dies, once",
    script: (context) => (context.deliveries === 1 ? Effect.never : Effect.succeed(context.deliveries)),
    options: { visibilityTimeout: "2 seconds" },
    meanwhile: (_, { wire }) => loseWorkers(wire, 1),
    attempts: [1, 1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "2",
    at: Number.NaN
  },
  {
    name: "early acknowledged, and its worker dies",
    script: () => Effect.never,
    enqueue: { ack: "early" },
    options: { visibilityTimeout: "2 seconds" },
    meanwhile: (_, { wire }) => loseWorkers(wire, 1),
    attempts: [1],
    state: "failed",
    counted: 1,
    dead: /at most once/,
    yields: "TaskEnded WorkerLost",
    at: Number.NaN
  },
  {
    name: "early acknowledged by its task's option, and its worker dies",
    script: () => Effect.never,
    task: EarlyJob,
    options: { visibilityTimeout: "2 seconds" },
    meanwhile: (_, { wire }) => loseWorkers(wire, 1),
    attempts: [1],
    state: "failed",
    counted: 1,
    dead: /at most once/,
    yields: "TaskEnded WorkerLost",
    at: Number.NaN
  },
  {
    name: "late acknowledged by the call, early by its task, and its worker dies",
    script: (context) => (context.deliveries === 1 ? Effect.never : Effect.succeed(context.deliveries)),
    task: EarlyJob,
    enqueue: { ack: "late" },
    options: { visibilityTimeout: "2 seconds" },
    meanwhile: (_, { wire }) => loseWorkers(wire, 1),
    attempts: [1, 1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "2",
    at: Number.NaN
  },
  {
    name: "success of a task that keeps failures only",
    script: () => Effect.succeed(42),
    task: SparingJob,
    attempts: [1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "TaskEnded ResultGone",
    at: 0
  },
  {
    name: "typed failure of a task that keeps failures only",
    script: ({ attempt }) => Effect.fail(new Boom({ code: attempt })),
    task: SparingJob,
    attempts: [1, 2, 3],
    state: "failed",
    counted: 3,
    dead: /typed failure \(times\)/,
    yields: "Boom 3",
    at: twice
  },
  {
    name: "success that the call keeps, of a task that keeps failures only",
    script: () => Effect.succeed(42),
    task: SparingJob,
    enqueue: { ignoreResult: false },
    attempts: [1],
    state: "succeeded",
    counted: 1,
    dead: undefined,
    yields: "42",
    at: 0
  }
]

const snoozed = new Set<string>()
const snooze = (context: Context) =>
  Effect.suspend(() => {
    snoozed.add(context.id)
    return context.snooze("1 minute")
  })

/** The wires of the first workers are cut, for good. */
const loseWorkers = (wire: World["wire"], count: number) =>
  Effect.sync(() => {
    const lost = new Set(Array.from({ length: count }, (_, index) => `w${index + 1}-`))
    wire.fate = ({ connection }) =>
      Array.from(lost).some((prefix) => connection.startsWith(prefix)) ? "refused" : "carried out"
  })

const describeEnd = (handle: Handle) =>
  handle.await.pipe(
    Effect.map(String),
    Effect.catchTag("TaskEnded", ({ reason }) =>
      Effect.succeed(`TaskEnded ${reason._tag}${reason._tag === "TimeLimitExceeded" ? ` ${reason.limit}` : ""}`)
    ),
    Effect.catchTag("Boom", (error) => {
      assert.instanceOf(error, Boom, "an instance of its class")
      return Effect.succeed(`Boom ${error.code}`)
    }),
    Effect.catchDefect((defect) => Effect.succeed(`defect ${String(defect)}`))
  )

describe.each(stores)("the table, through a worker: $store", ({ layer }) => {
  it.effect.each(rows)("$name", (row) =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const running = yield* Deferred.make<void>()
        const seen: Array<number> = []
        const Served = row.task ?? Job
        const Live = Served.toLayer((_, context) =>
          Effect.suspend(() => {
            seen.push(context.attempt)
            Deferred.doneUnsafe(running, Effect.void)
            return row.script(context)
          })
        )
        const worker = (name: string) =>
          started(Worker.layer({ tasks: [Served], name, ...row.options }).pipe(Layer.provide(Live)))
        yield* worker("w1")
        const handle = yield* Served.enqueue({ n: 1 }, row.enqueue)
        if (row.meanwhile !== undefined) {
          yield* Deferred.await(running)
          yield* worker("w2")
          yield* row.meanwhile(handle, world)
        }
        const end = yield* exitWithin("3 minutes", describeEnd(handle), "500 millis")
        assert.deepStrictEqual(yield* end, row.yields)
        assert.deepStrictEqual(yield* handle.state, Option.some(row.state))
        const record = yield* (yield* Client).poll(handle)
        assert.strictEqual(record?.attempts, row.counted)
        if (!Number.isNaN(row.at)) assert.strictEqual(record?.endedAt, epoch + row.at)
        assert.deepStrictEqual(seen, row.attempts)
        // on two stores the message is settled after its record, perhaps by another worker
        yield* pass("5 seconds", "500 millis")
        const broker = yield* Broker
        const letters = yield* broker.deadLetters("q", { limit: 10 })
        if (row.dead === undefined) assert.deepStrictEqual(letters, [])
        else {
          assert.strictEqual(letters.length, 1)
          assert.match(letters[0]!.reason, row.dead)
          assert.strictEqual(letters[0]!.id, handle.id)
        }
        const { active, queued, scheduled } = yield* broker.counts("q")
        assert.deepStrictEqual({ active, queued, scheduled }, { active: 0, queued: 0, scheduled: 0 })
        // nothing comes after the end
        yield* pass("2 minutes", "20 seconds")
        assert.deepStrictEqual(seen, row.attempts)
        assert.deepStrictEqual(yield* handle.state, Option.some(row.state))
      })
    )
  )
})
