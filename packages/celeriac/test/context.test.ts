/** What a handler sees of its message, and what it can say about it. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import { Client, type EnqueueOptions } from "../src/Client.ts"
import * as Message from "../src/Message.ts"
import { ResultBackend } from "../src/ResultBackend.ts"
import { maxDelay } from "../src/Retry.ts"
import * as Task from "../src/Task.ts"
import type { TaskSignal } from "../src/TaskContext.ts"
import { type Info, TaskContext, type Typed } from "../src/TaskContext.ts"
import * as Worker from "../src/Worker.ts"
import { atOnce, Boom, epoch, exitWithin, pass, run, started, stores, turns, type World, world } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number },
  success: Schema.Unknown,
  error: Boom,
  progress: Schema.Struct({ done: Schema.Number.check(Schema.isInt()) })
}) {}

type Context = Typed<{ readonly done: number }>

const serve = <E extends Boom | TaskSignal>(
  handler: (context: Context, n: number) => Effect.Effect<unknown, E>,
  options?: Worker.Options
) =>
  started(
    Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Job.toLayer(({ n }, context) => handler(context, n))))
  )

describe("fields", () => {
  /** What a handler sees when it is called with these options. */
  const seen = (options: EnqueueOptions, worker?: Worker.Options) =>
    Effect.gen(function* () {
      let found: Info | undefined
      yield* serve((context) => Effect.sync(() => void (found = context)), worker)
      yield* Job.enqueue({ n: 1 }, options)
      yield* pass("2 minutes", "30 seconds")
      assert(found !== undefined, "it ran")
      return found
    })

  const at = (millis: number) => DateTime.makeUnsafe(epoch + millis)

  const cases: ReadonlyArray<readonly [EnqueueOptions, Partial<Info>, Worker.Options?]> = [
    [
      { id: "a" },
      {
        id: "a",
        task: "job",
        queue: "default",
        attempt: 1,
        deliveries: 1,
        enqueuedAt: at(0),
        softDeadline: undefined,
        deadline: undefined,
        headers: {},
        parentId: undefined,
        rootId: "a"
      }
    ],
    [{}, { enqueuedAt: at(0) }],
    [{ queue: "q" }, { queue: "q" }, { queues: ["q"] }],
    [{}, { worker: "of-mails" }, { name: "of-mails" }],
    [{ headers: { a: "1" } }, { headers: { a: "1" } }],
    [{ delay: "1 minute" }, { enqueuedAt: at(0), attempt: 1 }],
    [
      { timeLimit: "10 seconds", softTimeLimit: "4 seconds" },
      { softDeadline: at(4000), deadline: at(10_000) }
    ],
    [{ timeLimit: "10 seconds", delay: "1 minute" }, { deadline: at(70_000) }],
    [{}, { softDeadline: at(1000), deadline: at(2000) }, { softTimeLimit: "1 second", timeLimit: "2 seconds" }],
    [{ timeLimit: Infinity }, { deadline: undefined }, { timeLimit: "2 seconds" }]
  ]
  it.effect.each(cases)("%o: %o", ([options, expected, worker]) =>
    run(() =>
      Effect.map(seen(options, worker), (info) => {
        for (const [field, value] of Object.entries(expected)) {
          assert.deepStrictEqual(info[field as keyof Info], value, field)
        }
      })
    )
  )

  // a producer in another language writes what it likes: the default is that of message-format.md
  it.effect.each<readonly [Partial<Message.Message>, Partial<Info>]>([
    [{}, { parentId: undefined, rootId: "a" }],
    [{ parentId: "p" }, { parentId: "p", rootId: "a" }],
    [{ rootId: "r" }, { parentId: undefined, rootId: "r" }],
    [
      { parentId: "p", rootId: "r" },
      { parentId: "p", rootId: "r" }
    ]
  ])("of a message from elsewhere: %o: %o", ([fields, expected]) =>
    run(() =>
      Effect.gen(function* () {
        let found: Partial<Info> | undefined
        yield* serve(({ parentId, rootId }) => Effect.sync(() => void (found = { parentId, rootId })))
        const address = { id: "a", queue: "default" }
        const wire = Message.encode({ ...address, task: "job", priority: 5, payload: { n: 1 }, ...fields })
        const broker = yield* Broker
        yield* broker.publish({ publisher: "other", sequence: 1, resend: false, messages: [{ ...address, wire }] })
        yield* turns
        assert.deepStrictEqual(found, expected)
      })
    )
  )

  it.effect("the second argument, the service and the task's own context are one", () =>
    run(() =>
      Effect.gen(function* () {
        const ids: Array<string> = []
        const Live = Job.toLayer(
          Effect.fnUntraced(function* (_, context) {
            const own = yield* Job.context
            yield* own.progress({ done: 1 })
            ids.push(context.id, (yield* TaskContext).id, own.id)
          })
        )
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live)))
        yield* Job.enqueue({ n: 1 }, { id: "a" })
        yield* turns
        assert.deepStrictEqual(ids, ["a", "a", "a"])
      })
    )
  )

  it.effect("attempts and deliveries count apart", () =>
    run(() =>
      Effect.gen(function* () {
        const seen: Array<readonly [attempt: number, deliveries: number]> = []
        yield* serve((context) =>
          Effect.suspend(() => {
            seen.push([context.attempt, context.deliveries])
            const run = seen.length
            if (run === 1) return context.retry({ after: 0 })
            if (run === 2) return context.reject({ requeue: true })
            if (run === 3) return context.snooze("1 second")
            if (run === 4) return context.retry({ after: "1 second" })
            return Effect.void
          })
        )
        yield* Job.enqueue({ n: 1 })
        yield* pass("10 seconds")
        assert.deepStrictEqual(seen, [
          [1, 1],
          [2, 1],
          [2, 2],
          [2, 2],
          [3, 2]
        ])
      })
    )
  )
})

describe.each(stores)("signals: $store", ({ layer }) => {
  it.effect.each([0, "1 second"] as const)("a snooze and a retry of %s come back", (span) =>
    world(layer, () =>
      Effect.gen(function* () {
        let runs = 0
        yield* serve((context, n) =>
          Effect.suspend(() => {
            runs++
            if (runs > 2) return Effect.succeed(runs)
            return n === 0 ? context.snooze(span) : context.retry({ after: span })
          })
        )
        for (const n of [0, 1]) {
          runs = 0
          const handle = yield* Job.enqueue({ n })
          assert.deepStrictEqual(yield* yield* exitWithin("5 seconds", handle.await), 3)
        }
      })
    )
  )

  it.effect.each<readonly [verb: "snooze" | "retry", span: Duration.Input, delay: number]>([
    ["snooze", "5200 weeks", maxDelay],
    ["retry", "5200 weeks", maxDelay],
    ["snooze", 0.4, 1],
    ["retry", 0.4, 1],
    ["snooze", 1500.2, 1501]
  ])("a %s of %s is due in %i ms", ([verb, span, delay]) =>
    world(layer, () =>
      Effect.gen(function* () {
        const worker = yield* serve((context) =>
          verb === "snooze" ? context.snooze(span) : context.retry({ after: span })
        )
        yield* Job.enqueue({ n: 1 })
        yield* turns
        yield* worker.stop
        // whoever is idle next is told when it is due
        const broker = yield* Broker
        const consumer = yield* broker.consume({ worker: "other", queues: ["default"], lease: Duration.seconds(30) })
        const { deliveries, dueIn } = yield* consumer.claim({ queue: "default", count: 1, bytes: 1 })
        assert.deepStrictEqual([deliveries.length, dueIn], [0, delay])
      })
    )
  )

  it.effect.each([Number.NaN, -5, Infinity, "soon"] as ReadonlyArray<unknown>)(
    "a snooze and a retry of %s are defects that name the value, not a loop",
    (span) =>
      world(layer, () =>
        Effect.gen(function* () {
          let runs = 0
          yield* serve((context, n) =>
            Effect.suspend(() => {
              runs++
              return n === 0 ? context.snooze(span as number) : context.retry({ after: span as number })
            })
          )
          for (const n of [0, 1]) {
            runs = 0
            const handle = yield* Job.enqueue({ n }, { retries: 0 })
            const defect = yield* yield* exitWithin("5 seconds", Effect.flip(Effect.sandbox(handle.await)))
            assert.include(Cause.pretty(defect), `${String(span)} is no finite span`)
            assert.strictEqual(runs, 1)
          }
        })
      )
  )

  it.effect("a snooze never counts, however often", () =>
    world(layer, () =>
      Effect.gen(function* () {
        let runs = 0
        yield* serve((context) =>
          Effect.suspend(() => (++runs <= 30 ? context.snooze("1 second") : Effect.succeed(context.attempt)))
        )
        const handle = yield* Job.enqueue({ n: 1 }, { retries: 0 })
        assert.strictEqual(yield* yield* exitWithin("40 seconds", handle.await, "500 millis"), 1)
        assert.strictEqual((yield* (yield* Client).poll(handle))?.attempts, 1)
      })
    )
  )

  it.effect("a catch that takes all takes the signal too: the handler's word counts", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve((context) => Effect.catch(context.reject(), () => Effect.succeed("caught")))
        const handle = yield* Job.enqueue({ n: 1 })
        assert.strictEqual(yield* atOnce(handle.await), "caught")
      })
    )
  )

  it.effect("a signal from a child fiber arrives by the join", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve((context) => Effect.all([Effect.never, context.ignore], { concurrency: "unbounded" }))
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        assert.deepStrictEqual(yield* handle.state, Option.some("ignored"))
      })
    )
  )

  it.effect("a requeued message goes to the tail of its priority", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const order: Array<number> = []
        yield* Job.enqueueAll([{ n: 1 }, { n: 2 }, { n: 3 }])
        yield* serve(
          (context, n) =>
            Effect.suspend(() => {
              order.push(n)
              return n === 1 && context.deliveries === 1 ? context.reject({ requeue: true }) : Effect.void
            }),
          { concurrency: 1, prefetch: 0 }
        )
        yield* turns
        yield* turns
        assert.deepStrictEqual(order, [1, 2, 3, 1])
      })
    )
  )
})

describe.each(stores)("progress: $store", ({ layer }) => {
  const noted = (world: World) => world.wire.count("note")

  it.effect("is sent at most once in an interval, the latest value", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        yield* serve((context) =>
          Effect.gen(function* () {
            for (let done = 1; done <= 1000; done++) {
              yield* context.progress({ done })
              if (done % 10 === 0) yield* Effect.sleep("10 millis")
            }
            return yield* Effect.never
          })
        )
        const handle = yield* Job.enqueue({ n: 1 })
        yield* pass("1 second", "10 millis")
        const sent = noted(world)
        assert(sent >= 9 && sent <= 12, `${sent} notes in a second`)
        yield* pass("200 millis")
        const broker = yield* Broker
        assert.strictEqual((yield* broker.counts("default")).active, 1)
        const { progress } = yield* stored(handle)
        assert.strictEqual(progress, `{"done":1000}`)
        yield* handle.revoke()
      })
    )
  )

  it.effect("of many messages travels together", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        yield* serve((context) => Effect.andThen(context.progress({ done: 1 }), Effect.never), { concurrency: 50 })
        const handles = yield* Job.enqueueAll(Array.from({ length: 50 }, (_, n) => ({ n })))
        yield* pass("1 second")
        assert.isAtMost(noted(world), 2)
        yield* Effect.forEach(handles, (handle) => handle.revoke())
      })
    )
  )

  it.effect("that does not fit, or cannot be sent, fails nothing and is reported", () =>
    world(layer, ({ warnings, wire }) =>
      Effect.gen(function* () {
        wire.fate = ({ step }) => (step === "note" ? "refused" : "carried out")
        const hostile = {
          get done(): number {
            throw new Error("no")
          }
        }
        yield* serve((context) =>
          Effect.gen(function* () {
            yield* context.progress({ done: 1.5 })
            yield* context.progress("half" as never)
            yield* context.progress(hostile)
            yield* context.progress({ done: 1 })
            yield* Effect.sleep("1 second")
            return "done"
          })
        )
        const handle = yield* Job.enqueue({ n: 1 })
        assert.strictEqual(yield* yield* exitWithin("2 seconds", handle.await), "done")
        assert.strictEqual(warnings().filter((line) => line.includes("progress")).length, 3)
      })
    )
  )

  it.effect("G3: of a run that is over is not shown", () =>
    world(layer, () =>
      Effect.gen(function* () {
        let late: Effect.Effect<void> = Effect.void
        yield* serve((context) => {
          late = context.progress({ done: 9 })
          return context.snooze("1 minute")
        })
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        yield* late
        yield* pass("1 second")
        assert.isUndefined((yield* stored(handle)).progress)
      })
    )
  )
})

const stored = (handle: { readonly id: string; readonly queue: string }) =>
  Effect.flatMap(ResultBackend, (results) =>
    Effect.map(results.read([{ id: handle.id, queue: handle.queue }]), ([found]) => found!)
  )
