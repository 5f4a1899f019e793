/** Soft and hard limits: what they end, what they leave time for, and handlers that do not give in. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import type { SoftTimeLimitExceeded, TaskSignal, Typed } from "../src/TaskContext.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, errorOf, exitWithin, pass, started, stores, turns, within, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.String }) {}

type Context = Typed<never>
type Handler = (context: Context, n: number) => Effect.Effect<string, TaskSignal | SoftTimeLimitExceeded>

const serve = (handler: Handler, options?: Worker.Options) =>
  started(
    Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Job.toLayer(({ n }, context) => handler(context, n))))
  )

/** How the message ends, within a minute. */
const ending = Effect.fnUntraced(function* (handle: TaskHandle<string>) {
  const exit = yield* exitWithin("1 minute", handle.await)
  if (Exit.isSuccess(exit)) return exit.value
  const error = errorOf(exit)
  assert.instanceOf(error, TaskEnded)
  const { reason } = error
  return reason._tag === "TimeLimitExceeded" ? `${reason.limit} ${reason.millis}` : reason._tag
})

/** Does not give in: it is interrupted, and goes on. */
const stubborn = Effect.uninterruptible(Effect.never)

const soft = { softTimeLimit: "2 seconds" } as const
const both = { softTimeLimit: "2 seconds", timeLimit: "10 seconds" } as const

interface Case {
  readonly name: string
  readonly limits: { readonly softTimeLimit?: Duration.Input; readonly timeLimit?: Duration.Input }
  readonly handler: Handler
  readonly ends: string
  /** Milliseconds. */
  readonly at: number
}

const sleepThen = (duration: Duration.Input, value: string) => Effect.delay(Effect.succeed(value), duration)

const cases: ReadonlyArray<Case> = [
  {
    name: "it is in time",
    limits: both,
    handler: () => sleepThen("1999 millis", "in time"),
    ends: "in time",
    at: 1999
  },
  { name: "outside of a region", limits: both, handler: () => Effect.never, ends: "soft 2000", at: 2000 },
  {
    name: "no soft limit",
    limits: { timeLimit: "3 seconds" },
    handler: () => Effect.never,
    ends: "hard 3000",
    at: 3000
  },
  {
    name: "in a region, and it tidies up",
    limits: both,
    handler: (context) =>
      context
        .withSoftTimeLimit(Effect.never)
        .pipe(Effect.catchTag("SoftTimeLimitExceeded", ({ millis }) => sleepThen("3 seconds", `caught ${millis}`))),
    ends: "caught 2000",
    at: 5000
  },
  {
    name: "in a region, no hard limit: it may take its time",
    limits: soft,
    handler: (context) =>
      context
        .withSoftTimeLimit(Effect.never)
        .pipe(Effect.catchTag("SoftTimeLimitExceeded", () => sleepThen("30 seconds", "caught"))),
    ends: "caught",
    at: 32_000
  },
  {
    name: "in a region, and it does not catch",
    limits: both,
    handler: (context) => context.withSoftTimeLimit(Effect.never),
    ends: "soft 2000",
    at: 2000
  },
  {
    name: "in a region, and the rest takes too long",
    limits: both,
    handler: (context) =>
      context.withSoftTimeLimit(Effect.never).pipe(Effect.catchTag("SoftTimeLimitExceeded", () => Effect.never)),
    ends: "hard 10000",
    at: 10_000
  },
  {
    name: "a region that is over before the limit",
    limits: both,
    handler: (context) => Effect.andThen(context.withSoftTimeLimit(Effect.sleep("1 second")), Effect.never),
    ends: "soft 2000",
    at: 2000
  },
  {
    name: "a region that begins after the limit ends at once",
    limits: both,
    handler: (context) =>
      Effect.andThen(Effect.uninterruptible(Effect.sleep("4 seconds")), context.withSoftTimeLimit(Effect.never)),
    ends: "soft 2000",
    at: 4000
  },
  {
    name: "a second region, after the limit was caught, ends at once",
    limits: both,
    handler: (context) => {
      const region = Effect.flip(context.withSoftTimeLimit(Effect.never))
      return Effect.as(Effect.andThen(Effect.delay(region, 0), Effect.delay(region, "1 second")), "caught twice")
    },
    ends: "caught twice",
    at: 3000
  },
  {
    name: "nested regions end from the inside",
    limits: both,
    handler: (context) => {
      const order: Array<string> = []
      const region = (name: string, inner: Effect.Effect<never, SoftTimeLimitExceeded>) =>
        context.withSoftTimeLimit(inner).pipe(Effect.tapError(() => Effect.sync(() => order.push(name))))
      return region("outer", region("inner", Effect.never)).pipe(
        Effect.catchTag("SoftTimeLimitExceeded", () => Effect.sync(() => order.join(" ")))
      )
    },
    ends: "outer",
    at: 2000
  },
  {
    name: "regions side by side all end",
    limits: both,
    handler: (context) =>
      Effect.map(
        Effect.all(
          [1, 2, 3].map((n) =>
            context
              .withSoftTimeLimit(Effect.never)
              .pipe(Effect.catchTag("SoftTimeLimitExceeded", () => Effect.succeed(String(n))))
          ),
          { concurrency: "unbounded" }
        ),
        (ended) => ended.join(" ")
      ),
    ends: "1 2 3",
    at: 2000
  },
  {
    name: "finalizers of what the limit interrupts have the grace",
    limits: both,
    handler: () => Effect.ensuring(Effect.never, Effect.sleep("4 seconds")),
    ends: "soft 2000",
    at: 6000
  },
  {
    name: "a handler that ignores the soft limit is abandoned after the grace, long before the hard one",
    limits: both,
    handler: () => stubborn,
    ends: "soft 2000",
    at: 7000
  },
  {
    name: "a handler that caught the soft limit and ignores the hard one is abandoned after the grace",
    limits: both,
    handler: (context) =>
      context.withSoftTimeLimit(Effect.never).pipe(Effect.catchTag("SoftTimeLimitExceeded", () => stubborn)),
    ends: "hard 10000",
    at: 15_000
  },
  {
    name: "a handler that ignores the soft limit, the only one, is abandoned after the grace",
    limits: soft,
    handler: () => stubborn,
    ends: "soft 2000",
    at: 7000
  },
  {
    name: "a handler that ignores the hard limit is abandoned after the grace",
    limits: { timeLimit: "3 seconds" },
    handler: () => stubborn,
    ends: "hard 3000",
    at: 8000
  }
]

describe.each(stores)("limits: $store", ({ layer }) => {
  it.effect.each(cases)("$name", ({ at, ends, handler, limits }) =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve(handler)
        const handle = yield* Job.enqueue({ n: 1 }, { retries: 0, ...limits })
        assert.strictEqual(yield* ending(handle), ends)
        const end = yield* elapsed
        assert(end >= at && end < at + 200, `after ${end} ms, not ${at}`)
      })
    )
  )
})

describe.each(stores)("abandoned: $store", ({ layer }) => {
  it.effect("it is reported, its slot is given to others, and what it says later counts for nothing", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        const go = yield* Deferred.make<string>()
        let running = 0
        let most = 0
        const counted = (run: Effect.Effect<string>) =>
          Effect.suspend(() => {
            most = Math.max(most, ++running)
            return Effect.ensuring(
              Effect.delay(run, 1),
              Effect.sync(() => running--)
            )
          })
        yield* serve(
          (_, n) => (n === 0 ? Effect.uninterruptible(Deferred.await(go)) : counted(Effect.succeed(`n ${n}`))),
          { concurrency: 1, grace: "1 second" }
        )
        const stuck = yield* Job.enqueue({ n: 0 }, { timeLimit: "1 second" })
        const next = yield* Job.enqueue({ n: 1 })
        yield* pass("1900 millis")
        assert.deepStrictEqual(yield* next.state, Option.some("queued"), "the slot is taken")
        assert.strictEqual(yield* within("500 millis", next.await), "n 1")
        assert.strictEqual(yield* ending(stuck), "hard 1000")
        const report = lines.find(({ text }) => text.includes("did not end within"))
        assert.strictEqual(report?.level, "Error")
        assert.deepInclude(report?.annotations, { task: "job", id: stuck.id })
        Deferred.doneUnsafe(go, Effect.succeed("too late"))
        yield* turns
        assert.strictEqual(yield* ending(stuck), "hard 1000", "G2: a terminal result never changes")
        assert.strictEqual(yield* within("1 second", (yield* Job.enqueue({ n: 2 })).await), "n 2")
        yield* Job.enqueueAll([{ n: 3 }, { n: 4 }, { n: 5 }, { n: 6 }])
        yield* pass("1 second")
        assert.strictEqual(most, 1, "its end gives no second slot")
      })
    )
  )

  it.effect("many of them do not stop the worker", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve((_, n) => (n === 0 ? stubborn : Effect.succeed("done")), { concurrency: 5, grace: "1 second" })
        yield* Job.enqueueAll(
          Array.from({ length: 20 }, () => ({ n: 0 })),
          { timeLimit: "1 second" }
        )
        const last = yield* Job.enqueue({ n: 1 })
        assert.strictEqual(yield* within("9 seconds", last.await), "done")
      })
    )
  )
})

describe("whose limit counts", () => {
  const { layer } = stores[0]
  const precedence: ReadonlyArray<
    readonly [call: number | undefined, task: number | undefined, worker: number | undefined, at: number]
  > = [
    [1000, 2000, 3000, 1000],
    [undefined, 2000, 3000, 2000],
    [undefined, undefined, 3000, 3000],
    [4000, 2000, 3000, 4000],
    [4000, undefined, 3000, 4000],
    [Infinity, 2000, 3000, 60_000],
    [undefined, Infinity, 3000, 60_000]
  ]
  it.effect.each(precedence.flatMap((row) => [["softTimeLimit", row] as const, ["timeLimit", row] as const]))(
    "%s %o",
    ([option, [call, task, worker, at]]) => {
      class Limited extends Task.make("limited", { [option]: task, success: Schema.String }) {}
      return world(layer, () =>
        Effect.gen(function* () {
          yield* started(
            Worker.layer({ tasks: [Limited], [option]: worker }).pipe(
              Layer.provide(Limited.toLayer(() => sleepThen("1 minute", "done")))
            )
          )
          const handle = yield* Limited.enqueue(undefined, { [option]: call })
          const exit = yield* exitWithin("62 seconds", handle.await, "500 millis")
          assert.strictEqual(Exit.isSuccess(exit), at === 60_000)
          const end = yield* elapsed
          assert(end >= at && end < at + 600, `after ${end} ms, not ${at}`)
        })
      )
    }
  )

  it.effect("a call whose limit contradicts the task's is refused", () => {
    class Limited extends Task.make("limited", { softTimeLimit: "5 seconds" }) {}
    return world(layer, () =>
      Effect.gen(function* () {
        const error = errorOf(yield* Effect.exit(Limited.enqueue(undefined, { timeLimit: "3 seconds" })))
        assert.match(error.message, /softTimeLimit of the task .* is not shorter than timeLimit of the call/)
      })
    )
  })

  it.effect("a contradiction that only the worker can see: the hard limit holds", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve(() => sleepThen("1 minute", "done"), { timeLimit: "3 seconds" })
        const handle = yield* Job.enqueue({ n: 1 }, { softTimeLimit: "5 seconds" })
        assert.strictEqual(yield* ending(handle), "hard 3000")
      })
    )
  )
})
