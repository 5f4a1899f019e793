/** A pool of one's own: what the worker tells it, and what it may do wrong without harm to the worker. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Client } from "../src/Client.ts"
import type { Outcome } from "../src/Outcome.ts"
import { type Listener, Pool, type PoolOptions, type Stop, type Work } from "../src/Pool.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { epoch, pass, started, stores, turns, within, world } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number },
  success: Schema.String,
  progress: Schema.Number
}) {}

/** Handlers are the pool's business: these are not called. */
const Live = Job.toLayer(() => Effect.die("the pool runs messages by itself"))

/** One run as the pool sees it. */
interface Run {
  readonly work: Work
  readonly listener: Listener
  readonly stops: Array<Stop>
}

const succeeded = (value: string): Outcome => ({ _tag: "Succeeded", value })

/** Runs do what is said, and no more. */
const recording = (
  behave: { readonly start?: (run: Run) => void; readonly stop?: (why: Stop, run: Run) => boolean } = {}
) => {
  const runs: Array<Run> = []
  const made: Array<PoolOptions> = []
  let closed = 0
  const layer = Layer.succeed(Pool, {
    make: (options) =>
      Effect.gen(function* () {
        made.push(options)
        yield* Effect.addFinalizer(() => Effect.sync(() => closed++))
        return {
          start: (work, listener) => {
            const run: Run = { work, listener, stops: [] }
            runs.push(run)
            behave.start?.(run)
            return {
              stop: (why) => {
                run.stops.push(why)
                return behave.stop?.(why, run) ?? true
              }
            }
          }
        }
      })
  })
  return { layer, runs, made, closed: () => closed }
}

const serve = (pool: Layer.Layer<Pool>, options?: Partial<Worker.Options>) =>
  started(
    Worker.layer({ tasks: [Job], name: "w", concurrency: 1, prefetch: 0, ...options }).pipe(Layer.provide([Live, pool]))
  )

const { layer } = stores[0]

describe("a pool of one's own", () => {
  it.effect("is made once for the worker, gets encoded work, and is closed with it", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording()
        const { stop } = yield* serve(pool.layer)
        assert.strictEqual(pool.made.length, 1)
        assert.strictEqual(pool.made[0]?.worker, "w")
        assert.deepStrictEqual(Array.from(pool.made[0]?.handlers.keys() ?? []), ["job"])
        const handle = yield* Job.enqueue({ n: 7 }, { softTimeLimit: 2000, timeLimit: "5 seconds" })
        yield* turns
        assert.strictEqual(pool.runs.length, 1)
        const [run] = pool.runs
        assert.deepInclude(run?.work, { deliveries: 1, startedAt: epoch, limits: { soft: 2000, hard: 5000 } })
        assert.deepInclude(run?.work.message, { id: handle.id, task: "job", payload: { n: 7 } })
        run?.listener.onEnd(succeeded("done"))
        assert.strictEqual(yield* within(0, handle.await), "done")
        assert.deepStrictEqual(run?.stops, [])
        assert.strictEqual(pool.closed(), 0)
        yield* within("1 second", stop)
        assert.strictEqual(pool.closed(), 1)
      })
    )
  )

  it.effect("may end a run before `start` returns", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording({ start: ({ listener, work }) => listener.onEnd(succeeded(work.message.id)) })
        yield* serve(pool.layer)
        const handles = yield* Job.enqueueAll(Array.from({ length: 50 }, (_, n) => ({ n })))
        const ends = yield* within(
          "1 second",
          Effect.forEach(handles, (handle) => handle.await)
        )
        assert.deepStrictEqual(
          ends,
          handles.map(({ id }) => id)
        )
      })
    )
  )

  it.effect("sees to progress: the latest value reaches whoever follows, none after the end", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const pool = recording()
        yield* serve(pool.layer)
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        const [run] = pool.runs
        const seen: Array<number> = []
        const following = yield* Effect.forkDetach(
          Stream.runForEach(handle.changes, (change) =>
            Effect.sync(() => void (change._tag === "Progress" && seen.push(change.value)))
          )
        )
        yield* turns
        for (const value of ["1", "2", "3", "4"]) run?.listener.onProgress(value)
        yield* pass("1 second")
        assert.strictEqual(seen.at(-1), 4)
        assert.isBelow(seen.length, 4, "values that are overtaken are not sent")
        run?.listener.onProgress("5")
        yield* pass("1 second")
        run?.listener.onEnd(succeeded("done"))
        const sent = wire.count("note")
        run?.listener.onProgress("6")
        yield* pass("1 second")
        assert.strictEqual(seen.at(-1), 5)
        assert.strictEqual(wire.count("note"), sent, "nothing is sent in vain")
        assert.isDefined(following.pollUnsafe(), "the stream has ended with the message")
      })
    )
  )

  it.effect("has no say in what becomes of a message that was revoked", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording({ stop: (_, { listener }) => (listener.onEnd(succeeded("all the same")), true) })
        yield* serve(pool.layer)
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        yield* handle.revoke()
        yield* turns
        assert.deepStrictEqual(yield* handle.state, Option.some("revoked"))
        const counted = (yield* Metric.snapshot).flatMap(({ attributes, id }) =>
          id === "messaging.client.consumed.messages" ? [attributes?.["messaging.celeriac.outcome"]] : []
        )
        assert.deepStrictEqual(counted, ["Revoked"])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  const stops: ReadonlyArray<
    readonly [name: string, limits: { softTimeLimit?: number; timeLimit?: number }, takes: boolean, stops: Array<Stop>]
  > = [
    ["a soft limit that is taken, then the hard one", { softTimeLimit: 1000, timeLimit: 2000 }, true, ["soft", "hard"]],
    ["a soft limit", { softTimeLimit: 1000, timeLimit: 2000 }, false, ["soft"]],
    ["a hard limit", { timeLimit: 2000 }, false, ["hard"]]
  ]
  it.effect.each(stops)("is told of %s", ([, limits, takes, expected]) =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording({
          stop: (why, { listener, work }) => {
            if (why === "soft" && takes) return false
            listener.onEnd({
              _tag: "TimedOut",
              limit: why === "soft" ? "soft" : "hard",
              millis: work.limits[why as "soft"] ?? 0,
              retry: { _tag: "GiveUp", why: "times" }
            })
            return true
          }
        })
        yield* serve(pool.layer)
        const handle = yield* Job.enqueue({ n: 1 }, limits)
        yield* pass("10 seconds")
        assert.deepStrictEqual(pool.runs[0]?.stops, expected)
        assert.deepStrictEqual(yield* handle.state, Option.some("failed"))
      })
    )
  )

  it.effect("is told once of a revoke, also when the worker stops after it, and of a stop", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording()
        const { stop } = yield* serve(pool.layer, { concurrency: 2, drainLimit: 0, grace: "2 seconds" })
        const [revoked, other] = yield* Job.enqueueAll([{ n: 0 }, { n: 1 }])
        yield* turns
        yield* revoked.revoke()
        yield* turns
        assert.deepStrictEqual(pool.runs[0]?.stops, ["revoked"])
        yield* Effect.forkDetach(stop)
        yield* pass("1 second")
        assert.deepStrictEqual(pool.runs[0]?.stops, ["revoked"])
        assert.deepStrictEqual(pool.runs[1]?.stops, ["released"])
        pool.runs[1]?.listener.onEnd({ _tag: "Released" })
        yield* pass("3 seconds")
        assert.deepStrictEqual(yield* other!.state, Option.some("queued"))
        assert.deepStrictEqual(yield* revoked.state, Option.some("revoked"))
      })
    )
  )
})

/** How a pool behaves with the first message; it succeeds with the others. */
interface Bad {
  readonly name: string
  readonly start: (run: Run) => void
  readonly stop?: (why: Stop, run: Run) => boolean
  readonly options?: { readonly timeLimit?: number }
  /** A second later. */
  readonly later?: (run: Run) => void
  readonly state: "succeeded" | "failed" | "revoked"
  readonly says: ReadonlyArray<RegExp>
  readonly abandoned?: true
}

const bad: ReadonlyArray<Bad> = [
  {
    name: "start throws",
    start: () => {
      throw new Error("no thread left")
    },
    state: "failed",
    says: [/^Error task "job" died: no thread left/]
  },
  {
    name: "start throws what cannot be read",
    start: () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw {
        get message() {
          throw new Error("no")
        },
        toString: () => {
          throw new Error("no")
        }
      }
    },
    state: "failed",
    says: [/^Error task "job" died/]
  },
  {
    name: "start ends the run and then throws",
    start: ({ listener }) => {
      listener.onEnd(succeeded("first"))
      throw new Error("too late")
    },
    state: "succeeded",
    says: []
  },
  {
    name: "it reports twice",
    start: ({ listener }) => {
      listener.onEnd(succeeded("first"))
      listener.onEnd({ _tag: "Rejected", detail: "second" })
    },
    later: ({ listener }) => listener.onEnd({ _tag: "Ignored" }),
    state: "succeeded",
    says: []
  },
  {
    name: "it never ends, and ignores its limit",
    start: () => {},
    options: { timeLimit: 1000 },
    state: "failed",
    says: [/^Error task "job" ran longer than its hard time limit of 1s/, /^Error task "job" did not end within 2s/],
    abandoned: true
  },
  {
    name: "it reports after it was abandoned",
    start: () => {},
    options: { timeLimit: 1000 },
    later: ({ listener }) => {
      listener.onEnd(succeeded("too late"))
      listener.onProgress("1")
      listener.onEnd(succeeded("too late again"))
    },
    state: "failed",
    says: [/ran longer/, /did not end/],
    abandoned: true
  },
  {
    name: "stop throws",
    start: () => {},
    stop: () => {
      throw new Error("no such thread")
    },
    options: { timeLimit: 1000 },
    state: "failed",
    says: [
      /^Error the pool failed to stop task "job": no such thread/,
      /^Error task "job" ran longer/,
      /^Error task "job" did not end/
    ],
    abandoned: true
  },
  {
    name: "stop ends the run and then throws",
    start: () => {},
    stop: (_, { listener }) => {
      listener.onEnd({ _tag: "TimedOut", limit: "hard", millis: 1000, retry: { _tag: "GiveUp", why: "times" } })
      throw new Error("too late")
    },
    options: { timeLimit: 1000 },
    state: "failed",
    says: [/ran longer/, /failed to stop/]
  },
  {
    name: "its value has no JSON",
    start: ({ listener }) => listener.onEnd({ _tag: "Succeeded", value: 1n }),
    state: "failed",
    says: [/^Error task "job" died: the outcome of the run is no JSON/]
  }
]

describe.each(stores)("a pool that misbehaves: $store", ({ layer }) => {
  it.effect.each(bad)("$name", ({ abandoned = false, later, options, says, start, state, stop }) =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        const pool = recording({
          start: (run) => (pool.runs.length === 1 ? start(run) : run.listener.onEnd(succeeded("fine"))),
          ...(stop !== undefined && { stop })
        })
        yield* serve(pool.layer, { grace: "2 seconds" })
        const handle = yield* Job.enqueue({ n: 0 }, { retries: 0, ...options })
        yield* pass("4 seconds")
        later?.(pool.runs[0]!)
        yield* pass("1 second")
        assert.deepStrictEqual(yield* handle.state, Option.some(state))
        assert.strictEqual((yield* (yield* Client).poll(handle))?.state, state, "G2: what comes later changes nothing")
        const said = lines.filter(({ level }) => level !== "Info").map(({ level, text }) => `${level} ${text}`)
        assert.strictEqual(said.length, says.length, said.join("\n"))
        for (const expected of says)
          assert(
            said.some((line) => expected.test(line)),
            `${expected} of ${said.join("\n")}`
          )
        const counted = (yield* Metric.snapshot).filter(({ id }) => id === "messaging.celeriac.abandoned.messages")
        assert.deepStrictEqual(
          counted.map(({ attributes, state }) => [attributes?.["messaging.celeriac.task.name"], state]),
          abandoned ? [["job", { count: 1, incremental: true }]] : []
        )
        // its slot is free, and it is one
        const next = yield* Job.enqueueAll([{ n: 1 }, { n: 2 }])
        assert.deepStrictEqual(
          yield* within(
            "1 second",
            Effect.forEach(next, ({ await: end }) => end)
          ),
          ["fine", "fine"]
        )
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("runs that nobody ends hold their slots, and give none away twice", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const pool = recording()
        yield* serve(pool.layer, { concurrency: 2, grace: "2 seconds" })
        const handles = yield* Job.enqueueAll(Array.from({ length: 6 }, (_, n) => ({ n })))
        yield* pass("1 minute", "1 second")
        assert.strictEqual(pool.runs.length, 2)
        yield* handles[0]!.revoke()
        yield* pass("1 second")
        assert.strictEqual(pool.runs.length, 2, "asked to end")
        yield* pass("2 seconds")
        assert.strictEqual(pool.runs.length, 3, "abandoned")
        pool.runs[0]?.listener.onEnd(succeeded("too late"))
        yield* turns
        assert.strictEqual(pool.runs.length, 3)
        for (let at = 1; at < 6; at++) {
          pool.runs[at]?.listener.onEnd(succeeded("done"))
          yield* turns
        }
        assert.strictEqual(pool.runs.length, 6)
      })
    )
  )
})
