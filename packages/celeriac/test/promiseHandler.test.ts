import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { Broker } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import type { Client } from "../src/Client.ts"
import * as PromiseClient from "../src/PromiseClient.ts"
import * as PromiseHandler from "../src/PromiseHandler.ts"
import * as Task from "../src/Task.ts"
import { type Info, SoftTimeLimitExceeded, TaskContext } from "../src/TaskContext.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as TaskGroup from "../src/TaskGroup.ts"
import * as Worker from "../src/Worker.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { code: Schema.Number }) {}

class Work extends Task.make("work", {
  payload: { day: Schema.DateTimeUtc },
  success: Schema.String,
  error: Broken,
  progress: Schema.Struct({ done: Schema.Number }),
  retry: { times: 2, delay: "1 hour", jitter: false, while: ({ code }) => code >= 500, defects: false },
  softTimeLimit: "20 seconds",
  timeLimit: "30 seconds"
}) {}

const day = Schema.decodeSync(Schema.DateTimeUtcFromString)("2026-11-22T00:00:00Z")

type Handler = PromiseHandler.PromiseHandler<typeof Work>
type WorkContext = Parameters<Handler>[1]

/** One worker on the memory layers, one message at a time. */
const servedBy = (handler: Handler) =>
  Effect.provide(
    Layer.provideMerge(
      Worker.layer({ tasks: [Work], concurrency: 1 }).pipe(Layer.provide(PromiseHandler.toLayer(Work, handler))),
      CeleriacMemory.layer
    )
  )

const endOf = (handler: Handler) => Effect.exit(Work.execute({ day })).pipe(servedBy(handler))

/** A promise that rejects when the signal aborts, as `fetch` and timers do. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error))
  })

describe("result", () => {
  it.effect("is what the promise resolves to; the payload is decoded", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Work.execute({ day }), "2026-11-22T00:00:00.000Z")
    }).pipe(servedBy(async ({ day }) => new Date(day.epochMilliseconds).toISOString()))
  )

  it.effect("a value that does not fit the schema is a defect", () =>
    Effect.gen(function* () {
      const exit = yield* endOf(async () => 1 as never)
      assert.match(String(causeOf(exit).reasons[0]), /does not fit the task's schema/)
    })
  )
})

const causeOf = <A, E>(exit: Exit.Exit<A, E>): Cause.Cause<E> => {
  if (Exit.isSuccess(exit)) throw new Error(`it succeeded with ${String(exit.value)}`)
  return exit.cause
}

describe("throws", () => {
  const hostile = new Proxy(
    {},
    {
      getPrototypeOf: () => {
        throw new Error("looked at")
      }
    }
  )

  const defects: ReadonlyArray<readonly [name: string, handler: Handler, message: string]> = [
    [
      "an error",
      async () => {
        throw new Error("oops")
      },
      "oops"
    ],
    [
      "an error of the same shape, but of no class",
      async () => {
        throw Object.assign(new Error("similar"), { _tag: "Broken", code: 1 })
      },
      "similar"
    ],
    [
      "before there is a promise",
      () => {
        throw new Error("at once")
      },
      "at once"
    ],
    ["something that throws when it is looked at", () => Promise.reject(hostile), "looked at"]
  ]
  for (const [name, handler, message] of defects) {
    it.effect(`${name}: a defect`, () =>
      Effect.gen(function* () {
        const cause = causeOf(yield* endOf(handler))
        assert.isTrue(Cause.hasDies(cause))
        assert.strictEqual((Cause.squash(cause) as Error).message, message)
      })
    )
  }

  const errors: ReadonlyArray<readonly [name: string, Handler]> = [
    ["rejected", () => Promise.reject(new Broken({ code: 404 }))],
    [
      "thrown before there is a promise",
      () => {
        throw new Broken({ code: 404 })
      }
    ]
  ]
  for (const [name, handler] of errors) {
    it.effect(`an instance of the task's error, ${name}: the typed error`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Work.execute({ day }))
        assert.isTrue(error instanceof Broken && error.code === 404)
      }).pipe(servedBy(handler))
    )
  }

  const verdicts: ReadonlyArray<readonly [name: string, Handler, reason: string, message: RegExp]> = [
    ["reject", async (_, context) => context.reject({ detail: "no such day" }), "Rejected", /no such day/],
    ["ignore", async (_, context) => context.ignore(), "Ignored", /ignore/],
    ["retry beyond times", async (_, context) => context.retry({ after: 0 }), "RetriesExhausted", /3 attempts/],
    [
      "requeue beyond deliveries",
      async (_, context) => context.reject({ requeue: true }),
      "TooManyDeliveries",
      /5 times/
    ]
  ]
  for (const [name, handler, reason, message] of verdicts) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Work.execute({ day }))
        assert.isTrue(error instanceof TaskEnded)
        if (error instanceof TaskEnded) assert.strictEqual(error.reason._tag, reason)
        assert.match(error.message, message)
      }).pipe(servedBy(handler))
    )
  }

  it.effect("retry and snooze run it again after their time, and only retry counts as an attempt", () => {
    const attempts: Array<number> = []
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day })
      const states = yield* Effect.forkChild(
        handle.changes.pipe(
          Stream.filter((change) => change._tag === "State" && change.state === "retrying"),
          Stream.take(1),
          Stream.runDrain
        )
      )
      yield* Fiber.join(states)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(attempts, [1])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* handle.await, "done")
      assert.deepStrictEqual(attempts, [1, 2, 2])
    }).pipe(
      servedBy(async (_, context) => {
        attempts.push(context.attempt)
        if (attempts.length === 1) return context.retry({ after: "1 minute" })
        if (attempts.length === 2) return context.snooze(0)
        return "done"
      })
    )
  })
})

describe("context", () => {
  it.effect("tells what is known of the message, times as dates", () => {
    let seen: WorkContext | undefined
    return Effect.gen(function* () {
      yield* TestClock.setTime(5000)
      const handle = yield* Work.enqueue({ day }, { headers: { tenant: "a" } })
      yield* handle.await
      assert.deepInclude(seen, {
        id: handle.id,
        task: "work",
        queue: "default",
        attempt: 1,
        deliveries: 1,
        headers: { tenant: "a" },
        parentId: undefined,
        rootId: handle.id,
        enqueuedAt: new Date(5000),
        softDeadline: new Date(25_000),
        deadline: new Date(35_000)
      })
    }).pipe(
      servedBy(async (_, context) => {
        seen = context
        return ""
      })
    )
  })

  it.effect("progress reaches whoever follows", () => {
    const seen = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day })
      const values = yield* handle.changes.pipe(
        Stream.filter((change) => change._tag === "Progress"),
        Stream.map((change) => change.value),
        // the message would not be there any more to be looked at
        Stream.tap(() => Deferred.succeed(seen, undefined)),
        Stream.runCollect
      )
      assert.deepStrictEqual(values, [{ done: 1 }])
    }).pipe(
      servedBy(async (_, context) => {
        await context.progress({ done: 1 })
        await Effect.runPromise(Deferred.await(seen))
        return ""
      })
    )
  })
})

describe("within a handler", () => {
  class Child extends Task.make("child") {}

  const lineage = (parent: "child" | "none") =>
    it.effect(
      `calls of a PromiseClient have ${parent === "none" ? "no parent without `within`" : "it as their parent"}`,
      () => {
        const seen: Array<readonly [string, string | undefined, string]> = []
        return Effect.gen(function* () {
          const services = yield* Effect.context<Client | Broker>()
          const client = PromiseClient.make(Layer.succeedContext(services))
          const Handlers = Layer.mergeAll(
            PromiseHandler.toLayer(Work, async (_, context) => {
              const own = parent === "none" ? client : client.within(context)
              await own.enqueue(Child)
              await own.enqueueAll(Child, [undefined])
              await own.execute(Child)
              return ""
            }),
            Child.toLayer((_, { parentId, rootId, worker }) =>
              Effect.sync(() => void seen.push([worker, parentId, rootId]))
            )
          )
          const worker = Worker.layer({ name: "mine", tasks: [Work, Child] }).pipe(Layer.provide(Handlers))
          yield* Layer.build(worker)
          const handle = yield* Work.enqueue({ day })
          assert.strictEqual(yield* handle.await, "")
          assert.strictEqual(seen.length, 3)
          for (const [worker, parentId, rootId] of seen) {
            assert.strictEqual(worker, "mine")
            assert.strictEqual(parentId, parent === "none" ? undefined : handle.id)
            assert.strictEqual(rootId === handle.id, parent !== "none")
          }
          yield* Effect.promise(() => client.close())
        }).pipe(Effect.scoped, Effect.provide(CeleriacMemory.layer))
      }
    )
  lineage("none")
  lineage("child")
})

describe("stops", () => {
  it.effect("a revoke aborts the signal, and the slot is free when the function has settled", () => {
    const log: Array<string> = []
    const started = Deferred.makeUnsafe<void>()
    const aborted = Deferred.makeUnsafe<void>()
    const tidied = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const first = yield* Work.enqueue({ day })
      const second = yield* Work.enqueue({ day })
      yield* Deferred.await(started)
      assert.isTrue(yield* first.revoke())
      const error = yield* Effect.flip(first.await)
      assert.isTrue(error instanceof TaskEnded && error.reason._tag === "Revoked")
      yield* Deferred.await(aborted)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(log, ["first starts"])
      yield* Deferred.succeed(tidied, undefined)
      yield* second.await
      assert.deepStrictEqual(log, ["first starts", "first ends", "second starts"])
    }).pipe(
      servedBy(async (_, context) => {
        if (log.length > 0) {
          log.push("second starts")
          return ""
        }
        log.push("first starts")
        Deferred.doneUnsafe(started, Effect.void)
        try {
          return await untilAborted(context.signal)
        } finally {
          Deferred.doneUnsafe(aborted, Effect.void)
          await Effect.runPromise(Deferred.await(tidied))
          log.push("first ends")
        }
      })
    )
  })

  it.effect("the hard limit ends it whatever it returns afterwards", () => {
    const started = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day }, { softTimeLimit: "30 minutes", timeLimit: "1 hour", retries: 0 })
      yield* Deferred.await(started)
      yield* TestClock.adjust("1 hour")
      const error = yield* Effect.flip(handle.await)
      assert.isTrue(error instanceof TaskEnded && error.reason._tag === "TimeLimitExceeded")
    }).pipe(
      servedBy(async (_, context) => {
        Deferred.doneUnsafe(started, Effect.void)
        return untilAborted(context.signal).catch(() => "late")
      })
    )
  })

  it.effect("the soft limit ends a part, and the function goes on", () => {
    const started = Deferred.makeUnsafe<void>()
    let whole: AbortSignal | undefined
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day })
      yield* Deferred.await(started)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* handle.await, "half, 20000 ms")
      assert.isFalse(whole?.aborted)
    }).pipe(
      servedBy(async (_, context) => {
        whole = context.signal
        try {
          return await context.withSoftTimeLimit((signal) => {
            Deferred.doneUnsafe(started, Effect.void)
            return untilAborted(signal)
          })
        } catch (error) {
          if (error instanceof SoftTimeLimitExceeded) return `half, ${error.millis} ms`
          throw error
        }
      })
    )
  })

  it.effect("a part that is not caught ends the run as a time limit", () => {
    const started = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day }, { retries: 0 })
      yield* Deferred.await(started)
      yield* TestClock.adjust("20 seconds")
      const error = yield* Effect.flip(handle.await)
      assert.isTrue(error instanceof TaskEnded)
      if (error instanceof TaskEnded) assert.deepInclude(error.reason, { _tag: "TimeLimitExceeded", limit: "soft" })
    }).pipe(
      servedBy((_, context) =>
        context.withSoftTimeLimit((signal) => {
          Deferred.doneUnsafe(started, Effect.void)
          return untilAborted(signal)
        })
      )
    )
  })

  it.effect("a part gives its value and its errors through", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Work.execute({ day }))
      assert.isTrue(error instanceof Broken && error.code === 3)
    }).pipe(
      servedBy(async (_, context) => {
        const code = await context.withSoftTimeLimit(async () => 3)
        return context.withSoftTimeLimit(async () => {
          throw new Broken({ code })
        })
      })
    )
  )

  it.effect("a revoke aborts an open part", () => {
    const started = Deferred.makeUnsafe<void>()
    const aborted = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const handle = yield* Work.enqueue({ day })
      yield* Deferred.await(started)
      yield* handle.revoke()
      yield* Deferred.await(aborted)
    }).pipe(
      servedBy((_, context) =>
        context.withSoftTimeLimit(async (signal) => {
          Deferred.doneUnsafe(started, Effect.void)
          return untilAborted(signal).finally(() => Deferred.doneUnsafe(aborted, Effect.void))
        })
      )
    )
  })
})

describe("make", () => {
  class Other extends Task.make("other", { success: Schema.Number }) {}

  it.effect("stands in the table of a group, beside handlers that are effects", () => {
    const context: Array<Option.Option<Info>> = []
    return Effect.gen(function* () {
      assert.strictEqual(yield* Work.execute({ day }), "promised")
      assert.strictEqual(yield* Other.execute(), 1)
      assert.strictEqual(context.length, 1)
    }).pipe(
      Effect.provide(
        Worker.layer({ tasks: [TaskGroup.make(Work, Other)] }).pipe(
          Layer.provide(
            TaskGroup.make(Work, Other).toLayer({
              work: PromiseHandler.make(Work, async () => "promised"),
              other: () =>
                Effect.map(Effect.serviceOption(TaskContext), (info) => {
                  context.push(info)
                  return 1
                })
            })
          ),
          Layer.provideMerge(CeleriacMemory.layer)
        )
      )
    )
  })
})
