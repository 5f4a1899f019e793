/** What programs without types get wrong: they are told by tagged errors, where they use it; nothing throws at import. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Client } from "../src/Client.ts"
import { EnqueueError } from "../src/EnqueueError.ts"
import * as PromiseHandler from "../src/PromiseHandler.ts"
import * as Task from "../src/Task.ts"
import * as TaskGroup from "../src/TaskGroup.ts"
import * as TaskMiddleware from "../src/TaskMiddleware.ts"
import * as Worker from "../src/Worker.ts"
import { defectOf, errorOf, exitWithin, run, type Services, started, untyped } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number } }) {}

const Live = Job.toLayer(() => Effect.void)

class Untyped extends Task.make("untyped") {}

class None extends TaskMiddleware.Service<None>()("test/None") {}

const makeUntyped: (...args: ReadonlyArray<unknown>) => typeof Untyped = untyped(Task.make)

describe("definitions: enqueue and workers are told", () => {
  const cases: ReadonlyArray<readonly [args: ReadonlyArray<unknown>, problem: RegExp]> = [
    [[], /name must be text of 1 to 256 characters, it is undefined/],
    [[""], /name must be text of 1 to 256 characters, it is empty/],
    [[5], /name must be text .* it is 5/],
    [[null], /name must be text/],
    [[Symbol("job")], /name must be text .* it is Symbol\(job\)/],
    [["x".repeat(257)], /name must be text .* it has 257/],
    [["odd", null], /options must be an object, they are null/],
    [["odd", 5], /options must be an object, they are 5/],
    [["odd", () => Effect.void], /options must be an object, they are a function/],
    [["odd", { queu: "mail" }], /queu: there is no such option; there are payload, success, error, progress, queue, /],
    [["odd", { handler: () => Effect.void }], /handler: there is no such option/],
    [["odd", { payload: 5 }], /payload must be a Schema, or an object whose values are Schemas, it is 5/],
    [["odd", { payload: null }], /payload must be a Schema/],
    [["odd", { payload: "text" }], /payload must be a Schema/],
    [["odd", { payload: { to: String } }], /payload must be a Schema/],
    [["odd", { payload: { to: "string" } }], /payload must be a Schema.* it is {"to":"string"}/],
    [["odd", { payload: [Schema.String] }], /payload must be a Schema/],
    [["odd", { success: { id: Number } }], /success must be a Schema, or an object/],
    [["odd", { progress: 1 }], /progress must be a Schema, or an object/],
    [["odd", { error: Error }], /error must be a Schema, it is a function/],
    [["odd", { error: { code: Schema.Number } }], /error must be a Schema, it is/],
    [["odd", { queue: 5 }], /queue must be text/],
    [["odd", { priority: "9" }], /priority must be a whole number from 0 to 9, it is "9"/],
    [["odd", { retry: null }], /retry must be true, or an object/],
    [["odd", { expires: 1e300 }], /expires must be a finite span/],
    [["odd", { resultTtl: 9e15 }], /resultTtl must be a finite span/],
    [["odd", { timeLimit: 1e300 }], /timeLimit must be at most/],
    [["odd", { version: "2" }], /version must be a whole number of 1 or more, it is "2"/],
    [["odd", { version: 1e300 }], /version must be/],
    [["odd", { version: 2, upgrades: 5 }], /upgrades must be an object of functions, it is 5/],
    [["odd", { version: 2, upgrades: null }], /upgrades must be an object of functions/]
  ]
  it.effect.each(cases)("%j", ([args, problem]) => {
    const Odd = makeUntyped(...args)
    return run(({ wire }) =>
      Effect.gen(function* () {
        const sends = [
          Odd.enqueue(),
          Odd.enqueueAll([undefined]),
          Odd.execute(),
          Task.enqueueAll([Odd.s()])
        ] as ReadonlyArray<Effect.Effect<unknown, unknown, Services>>
        for (const send of sends) {
          const error = errorOf(yield* exitWithin(0, send))
          assert(error instanceof EnqueueError && error.reason._tag === "InvalidTask", String(error))
          assert.match(error.message, problem)
        }
        assert.strictEqual(wire.count("publish"), 0)

        const worker = Worker.layer({ tasks: [Odd], queues: ["q"] }).pipe(Layer.provide(Odd.toLayer(() => Effect.void)))
        const refusal = errorOf(yield* exitWithin(0, started(worker)))
        assert.instanceOf(refusal, Worker.WorkerError)
        assert.strictEqual(refusal.reason, "InvalidOption")
        assert.match(refusal.message, problem)
      })
    )
  })

  it.effect("all problems are told at once", () =>
    run(() =>
      Effect.gen(function* () {
        const Odd = makeUntyped("", { payload: 5, queu: "mail", retry: "yes", priority: 10 })
        const error = errorOf(yield* exitWithin(0, Odd.enqueue()))
        assert(error.reason._tag === "InvalidTask")
        assert.strictEqual(error.reason.problems.length, 5)
      })
    )
  )

  it.effect("a middleware that is none", () =>
    run(() =>
      Effect.gen(function* () {
        const Odd = Job.middleware(untyped<typeof None>(5))
        assert.match(errorOf(yield* exitWithin(0, Odd.enqueue({ n: 1 }))).message, /TaskMiddleware.Service, it is 5/)
      })
    )
  )

  it.effect("the name of a class that was given one is kept", () =>
    run(() =>
      Effect.gen(function* () {
        const Long = makeUntyped("x".repeat(256))
        assert.strictEqual((yield* Long.enqueue()).task.length, 256)
      })
    )
  )
})

describe("handlers that are none: the worker is told", () => {
  type Handlers = Layer.Layer<Task.TaskHandler<"job">>
  const group = TaskGroup.make(Job)
  const handlers: ReadonlyArray<readonly [name: string, Layer.Layer<Task.TaskHandler<"job">>, RegExp]> = [
    ["nothing", Job.toLayer(untyped(undefined)), /"job": its handler must be a function, it is undefined/],
    ["text", Job.toLayer(untyped("handler")), /its handler must be a function, it is "handler"/],
    ["an effect of none", Job.toLayer(untyped(Effect.succeed({}))), /its handler must be a function, it is {}/],
    [
      "of a group",
      untyped<Handlers>(group.toLayer(untyped<never>({ job: 5 }))),
      /its handler must be a function, it is 5/
    ],
    ["a group without a table", untyped<Handlers>(group.toLayer(untyped<never>(undefined))), /"job" has no handler/],
    ["a table without it", untyped<Handlers>(group.toLayer(untyped<never>({}))), /"job" has no handler/],
    ["of a promise", PromiseHandler.toLayer(Job, untyped(null)), /its handler must be a function, it is null/],
    ["of a promise, in a group", group.toLayer({ job: PromiseHandler.make(Job, untyped(1)) }), /it is 1/],
    ["of no task", untyped(PromiseHandler.toLayer(untyped<typeof Job>(5), async () => {})), /"job" has no handler/]
  ]
  it.effect.each(handlers)("%s", ([, handler, problem]) =>
    run(() =>
      Effect.gen(function* () {
        const error = errorOf(
          yield* exitWithin(0, started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(handler))))
        )
        assert.instanceOf(error, Worker.WorkerError)
        assert.match(error.message, problem)
      })
    )
  )

  it.effect("a task may have the name of a member of every object", () =>
    run(() =>
      Effect.gen(function* () {
        class Odd extends Task.make("constructor") {}
        const layer: Layer.Layer<never, Worker.WorkerError, Services> = untyped(
          Worker.layer({ tasks: [Odd] }).pipe(Layer.provide(TaskGroup.make(Odd).toLayer(untyped<never>({}))))
        )
        assert.strictEqual(errorOf(yield* exitWithin(0, started(layer))).reason, "MissingHandler")
      })
    )
  )
})

describe("workers", () => {
  const given = (options: object) => ({ tasks: [Job], ...options })
  const cases: ReadonlyArray<readonly [options: unknown, RegExp]> = [
    [undefined, /options of a worker must be an object, they are undefined/],
    [null, /must be an object/],
    [[Job], /must be an object/],
    [{}, /tasks must be a list of tasks and groups, it is undefined/],
    [{ tasks: undefined }, /tasks must be a list/],
    [{ tasks: Job }, /tasks must be a list/],
    [{ tasks: [] }, /tasks is empty/],
    [{ tasks: [TaskGroup.make()] }, /tasks is empty/],
    [{ tasks: ["job"] }, /neither a task nor a group: "job"/],
    [{ tasks: [undefined] }, /neither a task nor a group: undefined/],
    [{ tasks: [Job, { _tag: "job" }] }, /neither a task nor a group: {"_tag":"job"}/],
    [{ tasks: [Live] }, /neither a task nor a group/],
    [{ tasks: [TaskGroup.make(untyped<typeof Job>(5))] }, /neither a task nor a group: 5/],
    [{ tasks: [TaskGroup.make(Job).add(untyped<typeof Job>(null))] }, /neither a task nor a group: null/],
    [
      { tasks: [TaskGroup.make(Job).merge(untyped<TaskGroup.TaskGroup<typeof Job>>("more"))] },
      /neither a task nor a group: "more"/
    ],
    [given({ concurency: 5 }), /concurency: there is no such option; there are tasks, name, queues, concurrency/],
    [given({ module: "a" }), /module: there is no such option/],
    [given({ name: "" }), /name must be text of 1 to 256 characters, it is empty/],
    [given({ name: 5 }), /name must be text .* it is 5/],
    [given({ name: "x".repeat(257) }), /name must be text/],
    [
      given({ queues: "mail" }),
      /queues must be a list of names or an object of weights, it is "mail": write \["mail"\]/
    ],
    [given({ queues: 5 }), /queues must be a list/],
    [given({ queues: null }), /queues must be a list/],
    [given({ queues: [5] }), /name of a queue must be text/],
    [given({ queues: { a: "3" } }), /weight of queue "a" must be a number above 0, it is "3"/],
    [given({ queues: { a: null } }), /weight of queue "a"/],
    [given({ concurrency: "5" }), /concurrency must be a whole number of 1 or more, it is "5"/],
    [given({ concurrency: null }), /concurrency .* it is null/],
    [given({ prefetch: "some" }), /prefetch must be a whole number of 0 or more or "auto", it is "some"/],
    [given({ grace: "soon" }), /grace must be .* it is "soon"/]
  ]
  it.effect.each(cases)("%#: %o", ([options, problem]) =>
    run(() =>
      Effect.gen(function* () {
        const layer = Worker.layer(untyped<{ readonly tasks: [typeof Job] }>(options)).pipe(Layer.provide(Live))
        const error = errorOf(yield* exitWithin(0, started(layer)))
        assert.instanceOf(error, Worker.WorkerError)
        assert.strictEqual(error.reason, "InvalidOption")
        assert.match(error.message, problem)
      })
    )
  )

  it.effect.each([
    [undefined, /must be an object/],
    [{ modul: "a" }, /modul: there is no such option; there are module, export, name/]
  ] as ReadonlyArray<readonly [unknown, RegExp]>)("of a module: %o", ([options, problem]) =>
    run(() =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, started(Worker.layerModule(untyped<{ module: string }>(options)))))
        assert.match(error.message, problem)
      })
    )
  )
})

describe("calls", () => {
  const lists: ReadonlyArray<readonly [payloads: unknown, RegExp]> = [
    [undefined, /must be a list or another iterable, they are undefined/],
    [null, /must be a list/],
    [5, /they are 5/],
    [{ n: 1 }, /they are {"n":1}/],
    [
      {
        [Symbol.iterator]: () => {
          throw new Error("no list")
        }
      },
      /no list/
    ]
  ]
  it.effect.each(lists)("payloads that are no list: %o", ([payloads, problem]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Job.enqueueAll(untyped(payloads))))
        assert.strictEqual(error.reason._tag, "InvalidPayload")
        assert.match(error.message, problem)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect.each([
    [{ id: "a" }, "id"],
    [null, "options"]
  ] as ReadonlyArray<readonly [unknown, string]>)("options of many: %o", ([options, option]) =>
    run(() =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Job.enqueueAll([{ n: 1 }], untyped(options))))
        assert(error.reason._tag === "InvalidOption", error.message)
        assert.strictEqual(error.reason.option, option)
      })
    )
  )

  it.effect.each([
    [{ onInterrupt: "ignore" }, "onInterrupt"],
    [{ signal: 1 }, "signal"],
    [null, "options"]
  ] as ReadonlyArray<readonly [unknown, string]>)("options of execute: %o", ([options, option]) =>
    run(() =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Job.execute({ n: 1 }, untyped(options))))
        assert(error instanceof EnqueueError && error.reason._tag === "InvalidOption")
        assert.strictEqual(error.reason.option, option)
      })
    )
  )

  const signatures: ReadonlyArray<unknown> = [undefined, null, 5, "a", Job, [Job], [5], [undefined], [{ task: 5 }]]
  it.effect.each(signatures.map((given) => [given] as const))("signatures that are none: %o", ([given]) =>
    run(() =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Task.enqueueAll(untyped<[]>(given))))
        assert(error.reason._tag === "InvalidOption")
        assert.match(error.message, /a list of calls such as/)
      })
    )
  )

  it.effect("options of a signature", () =>
    run(() =>
      Effect.gen(function* () {
        const send = Task.enqueueAll([Job.s({ n: 1 }, untyped({ dealy: 1 })), Job.s({ n: 1 }, untyped(null))])
        assert.match(errorOf(yield* exitWithin(0, send)).message, /"dealy": there is no such option/)
      })
    )
  )

  it.effect.each([[undefined], [5, undefined], ["a", "a b"], ["a", 5]] as ReadonlyArray<ReadonlyArray<unknown>>)(
    "a handle of what is no id, or in no queue, is a tagged defect: %o",
    ([id, queue]) =>
      run(() =>
        Effect.gen(function* () {
          const defect = defectOf(yield* Effect.exit(Job.handle(untyped(id), { queue: untyped(queue) })))
          assert.instanceOf(defect, EnqueueError)
        })
      )
  )

  it.effect("nothing of this needs more than a client", () =>
    run(() => Effect.map(Client, (client) => assert.isFunction(client.publish)))
  )
})
