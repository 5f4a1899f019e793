import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Broker } from "../../src/Broker.ts"
import type * as Client from "../../src/Client.ts"
import * as Task from "../../src/Task.ts"
import { Faults, TaskTest } from "../../src/testing/index.ts"
import * as Worker from "../../src/Worker.ts"
import { due, Flaky, mail, Purge, SendMail, test } from "./fixtures.ts"

describe("TaskTest.enqueued", () => {
  test("gives the messages in their order, decoded", () =>
    Effect.gen(function* () {
      yield* SendMail.enqueue(mail("ada"), { priority: 9, headers: { tenant: "t" } })
      yield* Purge.enqueue()
      yield* SendMail.enqueue(mail("grace"), { queue: "other", delay: "1 minute" })
      const all = yield* TaskTest.enqueued()
      assert.deepStrictEqual(
        all.map(({ queue, task }) => [task, queue]),
        [
          ["mail.send", "mail"],
          ["purge", "default"],
          ["mail.send", "other"]
        ]
      )
      const [first, second, ...others] = yield* TaskTest.enqueued(SendMail)
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(first!.payload, mail("ada"))
      assert.strictEqual(DateTime.toEpochMillis(first!.payload.due), DateTime.toEpochMillis(due))
      assert.deepStrictEqual([first!.priority, first!.headers, first!.at], [9, { tenant: "t" }, undefined])
      assert.deepStrictEqual([second!.at, second!.enqueuedAt], [60_000, 0])
    }))

  test("does not count refused duplicates, and remembers what has ended", () =>
    Effect.gen(function* () {
      yield* Purge.enqueue(undefined, { id: "one" })
      yield* Effect.flip(Purge.enqueue(undefined, { id: "one" }))
      yield* TaskTest.drain({ tasks: [Purge] }).pipe(Effect.provide(Purge.toLayer(() => Effect.void)))
      assert.deepStrictEqual(
        (yield* TaskTest.enqueued(Purge)).map(({ id }) => id),
        ["one"]
      )
      yield* TaskTest.forgetEnqueued
      assert.deepStrictEqual(yield* TaskTest.enqueued(), [])
    }))

  test("counts a publish once whose reply was lost", () =>
    Effect.gen(function* () {
      yield* (yield* Faults.Faults).loseReplies({ step: "publish" })
      const fiber = yield* Effect.forkChild(Purge.enqueue())
      yield* TaskTest.advance("1 second")
      assert.isDefined(fiber.pollUnsafe())
      yield* TaskTest.assertEnqueued(Purge, { count: 1 })
    }))

  test("sees continuations and what handlers enqueue", () =>
    Effect.gen(function* () {
      yield* Flaky.enqueue({ failures: 0 })
      yield* TaskTest.drain({ tasks: [Flaky] }).pipe(
        Effect.provide(Flaky.toLayer(() => Effect.as(Effect.orDie(Purge.enqueue()), 1)))
      )
      yield* TaskTest.assertEnqueued(Purge)
      const broker = yield* Broker
      const consumer = yield* broker.consume({ worker: "w", queues: ["first"], lease: Duration.seconds(30) })
      yield* Purge.enqueue(undefined, { queue: "first" })
      const { deliveries } = yield* consumer.claim({ queue: "first", count: 1, bytes: 1 })
      yield* consumer.settle([
        {
          delivery: deliveries[0]!,
          disposition: { _tag: "Ack" },
          continuations: [{ id: "next", queue: "later", wire: '15{"t":"purge"}' }]
        }
      ])
      yield* TaskTest.assertEnqueued(Purge, { id: "next", queue: "later", count: 1 })
    }).pipe(Effect.scoped))

  test("a payload that its schema does not read any more is told", () =>
    Effect.gen(function* () {
      class Old extends Task.make("report", { payload: { year: Schema.String } }) {}
      class New extends Task.make("report", { payload: { year: Schema.Number } }) {}
      yield* Old.enqueue({ year: "2026" })
      const error = yield* Effect.flip(TaskTest.enqueued(New))
      assert.match(
        error.message,
        /"report".*does not fit its schema[\s\S]*what was enqueued:\n {2}report, queue "default"/
      )
    }))
})

type Expectation = TaskTest.Expected<typeof SendMail.payloadSchema.Type> & { readonly count?: number }

/** What is expected of the messages of `fixture`: whether it fits, or what the error says about it. */
const expectations: ReadonlyArray<readonly [Expectation, true | RegExp]> = [
  [{}, true],
  [{ count: 2 }, true],
  [{ count: 1 }, /expected 1 message of task "mail.send"; there are 2/],
  [{ payload: { to: "ada" } }, true],
  [{ payload: { to: "ada" }, count: 1 }, true],
  [{ payload: { due } }, true],
  [{ payload: { size: 12n } }, true],
  [{ payload: { size: 13n } }, /payload\.size is 12n, not 13n/],
  [{ payload: { tags: ["x", "y"] } }, true],
  [{ payload: { tags: ["x"] } }, /payload\.tags is \["x","y"\], not \["x"\]/],
  [{ payload: { tags: ["x", "z"] } }, /payload\.tags\[1\] is "y", not "z"/],
  [{ payload: ({ to }) => to.startsWith("a") }, true],
  [{ payload: ({ to }) => to.startsWith("z") }, /the payload does not meet the predicate/],
  [{ queue: "mail" }, true],
  [{ queue: "post" }, /queue is "mail", not "post"/],
  [{ priority: 9 }, true],
  [{ priority: 3 }, /priority is 5, not 3/],
  [{ delay: "1 minute" }, true],
  [{ delay: 0 }, true],
  [{ delay: "2 minutes" }, /delay is 60000, not 120000/],
  [{ at: 60_000 }, true],
  [{ at: new Date(60_000) }, true],
  [{ at: new Date(1) }, /at is 60000, not 1/],
  [{ headers: { tenant: "t" } }, true],
  [{ headers: { tenant: "u" } }, /headers\.tenant is "t", not "u"/],
  [{ id: "first" }, true],
  [{ id: "none" }, /id is "first", not "none"/],
  // all at once: no message has both
  [{ payload: { to: "ada" }, delay: "1 minute" }, /expected a message of task "mail.send" that fits; there is none/]
]

const fixture = Effect.andThen(
  SendMail.enqueue(mail("ada", ["x", "y"]), { id: "first", priority: 9, headers: { tenant: "t", other: "o" } }),
  SendMail.enqueue(mail("grace"), { delay: "1 minute" })
)

describe("TaskTest.assertEnqueued and refuteEnqueued", () => {
  for (const [expected, verdict] of expectations) {
    test(`${JSON.stringify(expected, (_, value: unknown) => (typeof value === "bigint" || typeof value === "function" ? String(value) : value))}: ${verdict === true ? "fits" : String(verdict)}`, () =>
      Effect.gen(function* () {
        yield* fixture
        const { count, ...filter } = expected
        const asserted = yield* Effect.result(TaskTest.assertEnqueued(SendMail, expected))
        const refuted = yield* Effect.result(TaskTest.refuteEnqueued(SendMail, filter))
        const selected = yield* TaskTest.enqueued(SendMail, filter)
        if (verdict === true) {
          assert(asserted._tag === "Success")
          assert.isAbove(selected.length, 0)
          assert.deepStrictEqual(asserted.success, selected)
          assert(refuted._tag === "Failure")
          return
        }
        assert(asserted._tag === "Failure")
        assert.match(asserted.failure.message, verdict)
        if (count !== undefined) return
        assert.deepStrictEqual(selected, [])
        assert(refuted._tag === "Success")
      }))
  }

  test("the error tells what was enqueued, the closest first", () =>
    Effect.gen(function* () {
      yield* fixture
      yield* Purge.enqueue()
      const { message } = yield* Effect.flip(
        TaskTest.assertEnqueued(SendMail, { payload: { to: "grace" }, queue: "mail", delay: "1 hour" })
      )
      assert.strictEqual(
        message.replaceAll(/DateTime\.Utc\(.*?\)/g, "…"),
        [
          `expected a message of task "mail.send" that fits; there is none`,
          `  mail.send, queue "mail", priority 5, in 1m (at 60000), {"to":"grace","tags":[],"due":…,"size":12n}`,
          `    delay is 60000, not 3600000`,
          `  mail.send, queue "mail", priority 9, headers {"tenant":"t","other":"o"}, {"to":"ada","tags":["x","y"],"due":…,"size":12n}`,
          `    delay is 0, not 3600000`,
          `    payload.to is "ada", not "grace"`,
          `of other tasks was enqueued:`,
          `  purge, queue "default", priority 5, undefined`
        ].join("\n")
      )
    }))

  test("the error says when nothing was enqueued at all", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(TaskTest.assertEnqueued(Purge))
      assert.strictEqual(message, `expected a message of task "purge"; there is none\nnothing was enqueued at all`)
    }))
})

describe("TaskTest.capture", () => {
  test("tells what an effect enqueued, and nothing else", () =>
    Effect.gen(function* () {
      yield* Purge.enqueue()
      const signUp = Effect.gen(function* () {
        yield* SendMail.enqueue(mail("ada"))
        yield* Effect.all([SendMail.enqueue(mail("b")), SendMail.enqueue(mail("c"))], { concurrency: 2 })
        return 42
      })
      const [result, enqueued] = yield* TaskTest.capture(signUp)
      assert.strictEqual(result, 42)
      assert.deepStrictEqual(
        enqueued.map(({ task }) => task),
        ["mail.send", "mail.send", "mail.send"]
      )
      yield* TaskTest.assertEnqueued(Purge)
    }))

  test("assertions inside of it see that block only; blocks nest", () =>
    Effect.gen(function* () {
      yield* Purge.enqueue()
      const [[, inner], outer] = yield* TaskTest.capture(
        Effect.gen(function* () {
          yield* SendMail.enqueue(mail("outer"))
          yield* TaskTest.refuteEnqueued(Purge)
          return yield* TaskTest.capture(
            Effect.gen(function* () {
              yield* SendMail.enqueue(mail("inner"))
              yield* TaskTest.refuteEnqueued(SendMail, { payload: { to: "outer" } })
              yield* TaskTest.assertEnqueued(SendMail, { payload: { to: "inner" }, count: 1 })
            })
          )
        })
      )
      assert.deepStrictEqual([inner.length, outer.length], [1, 2])
    }))

  test("sees what a service with a client of its own enqueues, and not what handlers do meanwhile", () =>
    Effect.gen(function* () {
      class Mailer extends Context.Service<Mailer, { readonly welcome: Effect.Effect<void> }>()("test/Mailer") {}
      const mailer = Layer.effect(
        Mailer,
        Effect.map(Effect.context<Client.Client>(), (context) => ({
          welcome: SendMail.enqueue(mail("ada")).pipe(Effect.orDie, Effect.asVoid, Effect.provideContext(context))
        }))
      )
      yield* Layer.build(
        Worker.layer({ tasks: [SendMail] }).pipe(
          Layer.provide(SendMail.toLayer(() => Effect.as(Effect.orDie(Purge.enqueue()), { messageId: "m", at: due })))
        )
      )
      const [, enqueued] = yield* TaskTest.capture(
        Effect.andThen(
          Effect.flatMap(Mailer, ({ welcome }) => welcome),
          TaskTest.settle
        ).pipe(Effect.provide(mailer))
      )
      yield* TaskTest.assertEnqueued(Purge, { count: 1 })
      assert.deepStrictEqual(
        enqueued.map(({ task }) => task),
        ["mail.send"]
      )
    }).pipe(Effect.scoped))
})
