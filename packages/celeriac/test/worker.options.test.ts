/** What a worker refuses to start with, and what it takes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import * as TaskGroup from "../src/TaskGroup.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, defectOf, errorOf, exitWithin, run, type Services, started, untyped, within } from "./fixture.ts"
import { Count, Greet } from "./worker.module.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, error: Boom }) {}

const Live = Job.toLayer(() => Effect.void)

const refusal = Effect.fnUntraced(function* (layer: Layer.Layer<never, Worker.WorkerError, Services>) {
  const error = errorOf(yield* exitWithin(0, started(layer)))
  assert.instanceOf(error, Worker.WorkerError)
  return error
})

const startsWith = (options: Partial<Worker.Options>) =>
  Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Live))

describe("options that make no sense are refused, with a sentence that says what to do", () => {
  const cases: ReadonlyArray<readonly [Partial<Worker.Options>, RegExp]> = [
    [{ concurrency: 0 }, /concurrency must be a whole number of 1 or more, it is 0/],
    [{ concurrency: -1 }, /concurrency/],
    [{ concurrency: 1.5 }, /concurrency/],
    [{ concurrency: Infinity }, /concurrency/],
    [{ concurrency: Number.NaN }, /concurrency/],
    [untyped({ concurrency: "10" }), /concurrency/],
    [{ prefetch: -1 }, /prefetch/],
    [{ prefetch: 0.5 }, /prefetch/],
    [untyped({ prefetch: "much" }), /prefetch/],
    [{ maxBytes: 0 }, /maxBytes/],
    [{ queues: [] }, /queues is empty/],
    [{ queues: {} }, /queues is empty/],
    [{ queues: ["a b"] }, /a space/],
    [{ queues: ["{a}"] }, /a brace/],
    [{ queues: [""] }, /empty/],
    [{ queues: ["a", "a"] }, /queue "a" is named twice/],
    [{ queues: { a: 0 } }, /weight of queue "a" must be a number above 0/],
    [{ queues: { a: -1 } }, /weight/],
    [{ queues: { a: Number.NaN } }, /weight/],
    [{ queues: { a: Infinity } }, /weight/],
    [{ visibilityTimeout: "999 millis" }, /visibilityTimeout .* 1000 ms or more/],
    [{ visibilityTimeout: Infinity }, /visibilityTimeout/],
    [{ visibilityTimeout: Number.NaN }, /visibilityTimeout/],
    [untyped({ visibilityTimeout: "soon" }), /visibilityTimeout/],
    [{ drainLimit: -1 }, /drainLimit/],
    [{ drainLimit: Number.NaN }, /drainLimit/],
    [{ grace: -1 }, /grace/],
    [{ unknownTaskWindow: -1 }, /unknownTaskWindow/],
    [{ progressInterval: -1 }, /progressInterval/],
    [{ softTimeLimit: "2 seconds", timeLimit: "1 second" }, /softTimeLimit of the worker .* lower softTimeLimit/],
    [{ timeLimit: 0 }, /timeLimit of the worker is zero/],
    [{ timeLimit: -5 }, /negative/],
    [untyped({ timeLimit: "fast" }), /not a duration/]
  ]
  it.effect.each(cases)("%o", ([options, problem]) =>
    run(() =>
      Effect.gen(function* () {
        const error = yield* refusal(startsWith(options))
        assert.strictEqual(error.reason, "InvalidOption")
        assert.match(error.message, problem)
        assert.match(error.message, /^the worker cannot start: /)
      })
    )
  )

  it.effect("all problems are told at once", () =>
    run(() =>
      Effect.gen(function* () {
        const error = yield* refusal(startsWith({ concurrency: 0, prefetch: -1, queues: ["a b"], timeLimit: 0 }))
        assert.strictEqual(error.problems.length, 4)
      })
    )
  )

  it.effect.each([
    { concurrency: 1, prefetch: 0, maxBytes: 1, visibilityTimeout: "1 second", drainLimit: 0, grace: 0 },
    { prefetch: "auto", queues: { a: 0.5, b: 100 }, timeLimit: Infinity, unknownTaskWindow: 0, progressInterval: 0 },
    { queues: ["x".repeat(128)], visibilityTimeout: "1 day", softTimeLimit: 1, timeLimit: 2 }
  ] as ReadonlyArray<Partial<Worker.Options>>)("%o is taken", (options) => run(() => started(startsWith(options))))
})

describe("definitions that make no sense are refused", () => {
  const cases: ReadonlyArray<readonly [Task.Policies<Boom>, RegExp]> = [
    [{ queue: "a b" }, /a space/],
    [untyped({ priority: 10 }), /priority must be a whole number from 0 to 9, it is 10/],
    [{ maxDeliveries: 0 }, /maxDeliveries/],
    [{ maxDeliveries: 1.5 }, /maxDeliveries/],
    [{ version: 0 }, /version/],
    [{ version: 2, upgrades: { 2: () => 1 } }, /upgrades has an entry for version 2/],
    [{ upgrades: { 1: () => 1 } }, /upgrades/],
    [untyped({ upgrades: { 1: "text" }, version: 2 }), /upgrades/],
    [{ softTimeLimit: "2 seconds", timeLimit: "1 second" }, /lower softTimeLimit/],
    [{ timeLimit: -1 }, /negative/],
    [{ retry: { times: -1 } }, /retry.times/],
    [{ retry: { delay: -1 } }, /retry.delay/],
    [{ retry: { delay: "2 seconds", max: "1 second" } }, /retry.max/],
    [untyped({ retry: { backoff: "squared" } }), /retry.backoff/],
    [untyped({ retry: { while: true } }), /retry.while/],
    [untyped({ retry: { schedule: "daily" } }), /retry.schedule/],
    [untyped({ retry: { schedule: Schedule.forever, delay: 1 } }), /leave out one/],
    [untyped({ retry: "yes" }), /retry/],
    [untyped({ retry: null }), /retry/],
    [{ resultTtl: -1 }, /resultTtl/],
    [{ resultTtl: Infinity }, /resultTtl/],
    [untyped({ resultTtl: "soon" }), /resultTtl/],
    [{ expires: -1 }, /expires/],
    [untyped({ expires: "soon" }), /expires/],
    [untyped({ ack: "sometimes" }), /ack/],
    [untyped({ ignoreResult: "yes" }), /ignoreResult/]
  ]
  it.effect.each(cases)("%o", ([policies, problem]) => {
    class Odd extends Task.make("odd", { error: Boom, ...policies }) {}
    return run(() =>
      Effect.gen(function* () {
        const layer = Worker.layer({ tasks: [Odd], queues: ["q"] }).pipe(Layer.provide(Odd.toLayer(() => Effect.void)))
        const error = yield* refusal(layer)
        assert.strictEqual(error.reason, "InvalidOption")
        assert.match(error.message, /task "odd": /)
        assert.match(error.message, problem)
      })
    )
  })

  it.effect("a task without a name", () => {
    class Nameless extends Task.make("") {}
    return run(() =>
      Effect.gen(function* () {
        const layer = Worker.layer({ tasks: [Nameless] }).pipe(Layer.provide(Nameless.toLayer(() => Effect.void)))
        assert.match((yield* refusal(layer)).message, /name must be text of 1 to 256 characters, it is empty/)
      })
    )
  })

  it.effect("limits of task and worker that contradict each other", () => {
    class Soft extends Task.make("soft", { softTimeLimit: "1 minute" }) {}
    return run(() =>
      Effect.gen(function* () {
        const layer = Worker.layer({ tasks: [Soft], timeLimit: "30 seconds" }).pipe(
          Layer.provide(Soft.toLayer(() => Effect.void))
        )
        assert.match((yield* refusal(layer)).message, /softTimeLimit of the task .* timeLimit of the worker/)
      })
    )
  })
})

describe("handlers", () => {
  class Other extends Task.make("other") {}
  /** Another task of the same name. */
  class Twin extends Task.make("job") {}

  it.effect("missing at run time: each is named", () =>
    run(() =>
      Effect.gen(function* () {
        const layer: Layer.Layer<never, Worker.WorkerError, Services> = untyped(
          Worker.layer({ tasks: [Job, Other, Greet] }).pipe(Layer.provide(Other.toLayer(() => Effect.void)))
        )
        const error = yield* refusal(layer)
        assert.strictEqual(error.reason, "MissingHandler")
        assert.deepStrictEqual(
          error.problems.map((problem) => /task "(\w+)" has no handler: provide/.exec(problem)?.[1]),
          ["job", "greet"]
        )
      })
    )
  )

  const twins: ReadonlyArray<readonly [name: string, tasks: ReadonlyArray<Task.Any | TaskGroup.Any>]> = [
    ["side by side", [Job, Twin]],
    ["in a group", [TaskGroup.make(Job, Twin)]],
    ["in a group and beside it", [TaskGroup.make(Job), Twin]],
    ["in two groups", [TaskGroup.make(Job), TaskGroup.make(Twin)]],
    ["in groups that were merged", [TaskGroup.make(Job).merge(TaskGroup.make(Twin))]],
    ["added to a group", [TaskGroup.make(Job).add(Twin)]]
  ]
  it.effect.each(twins)("two tasks of one name, %s", ([, tasks]) =>
    run(() =>
      Effect.gen(function* () {
        const layer: Layer.Layer<never, Worker.WorkerError, Services> = untyped(
          Worker.layer({ tasks }).pipe(Layer.provide(Live))
        )
        const error = yield* refusal(layer)
        assert.strictEqual(error.reason, "DuplicateTask")
        assert.match(error.message, /two tasks are called "job": give each its own name/)
      })
    )
  )

  it.effect("a task that two merged groups share is no duplicate", () =>
    run(() =>
      started(
        Worker.layer({ tasks: [TaskGroup.make(Job, Other).merge(TaskGroup.make(Job))] }).pipe(
          Layer.provide(Live),
          Layer.provide(Other.toLayer(() => Effect.void))
        )
      )
    )
  )

  it.effect("a handler that is built by an effect is built once for a worker; its failure is the Layer's", () =>
    run(() =>
      Effect.gen(function* () {
        let built = 0
        class Echo extends Task.make("echo", { success: Schema.Number }) {}
        const EchoLive = Echo.toLayer(
          Effect.sync(() => {
            built++
            return () => Effect.succeed(built)
          })
        )
        yield* started(Worker.layer({ tasks: [Echo] }).pipe(Layer.provide(EchoLive)))
        for (let n = 0; n < 3; n++) assert.strictEqual(yield* within(0, (yield* Echo.enqueue()).await), 1)
        const database: Effect.Effect<() => Effect.Effect<void>, string> = Effect.fail("no database")
        const broken = Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Job.toLayer(database)))
        assert.strictEqual(errorOf(yield* Effect.exit(started(broken))), "no database")
      })
    )
  )
})

describe("handlers of a module", () => {
  const module = new URL("./worker.module.ts", import.meta.url)

  it.effect("are imported when the Layer is built, with the queues of their tasks", () =>
    run(() =>
      Effect.gen(function* () {
        const greet = yield* Greet.enqueue({ name: "you" })
        const count = yield* Count.enqueue()
        yield* started(Worker.layerModule({ module, concurrency: 2 }))
        assert.strictEqual(yield* within(0, greet.await), "hello you")
        assert.strictEqual(yield* within(0, count.await), 3)
      })
    )
  )

  it.effect("a service that nobody provides is a defect of each run, which names it", () =>
    run(() =>
      Effect.gen(function* () {
        yield* started(Worker.layerModule({ module, export: "lacksService" }))
        const exit = yield* exitWithin(0, (yield* Greet.enqueue({ name: "you" })).await)
        assert.match(String(defectOf(exit)), /test\/Greeting/)
      })
    )
  )

  const wrong: ReadonlyArray<readonly [options: { readonly export?: string; readonly module?: string }, RegExp]> = [
    [{ export: "nothing" }, /has no Layer under its export "nothing"/],
    [{ export: "noLayer" }, /has no Layer under its export "noLayer"/],
    [{ export: "empty" }, /holds no handler/],
    [{ export: "fails" }, /cannot be built: .*no database/],
    [{ export: "dies" }, /cannot be built: .*no database/],
    [{ module: "file:///nowhere.ts" }, /cannot be imported/],
    [{ module: "no module at all" }, /cannot be imported/]
  ]
  it.effect.each(wrong)("%o", ([options, problem]) =>
    Effect.promise(() => import("./worker.module.ts")).pipe(
      Effect.andThen(
        run(() =>
          Effect.gen(function* () {
            const exit = yield* Effect.exit(started(Worker.layerModule({ module, ...options })))
            const error = errorOf(exit)
            assert.instanceOf(error, Worker.WorkerError)
            assert.strictEqual(error.reason, "InvalidModule")
            assert.match(error.message, problem)
          })
        )
      )
    )
  )
})
