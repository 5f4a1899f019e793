import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type { TaskContext } from "../../src/index.ts"
import * as Task from "../../src/Task.ts"
import type { SoftTimeLimitExceeded } from "../../src/TaskContext.ts"
import * as TaskEnded from "../../src/TaskEnded.ts"
import { TaskTest } from "../../src/testing/index.ts"
import { SendMail, SmtpError } from "./fixtures.ts"

const due = DateTime.makeUnsafe("2026-01-02T03:04:05Z")
const mail = { to: "ada", tags: ["a", "b"], due, size: 12n }

type Context = TaskContext.Typed<{ readonly done: number }>
type Ended = Effect.Effect<
  typeof SendMail.successSchema.Type,
  SmtpError | TaskContext.TaskSignal | SoftTimeLimitExceeded
>

const sent = Effect.succeed({ messageId: "m", at: due })

/** One run of a handler of `SendMail`. */
const runWith = (
  handler: (context: Context, payload: typeof SendMail.payloadSchema.Type) => Ended,
  options?: TaskTest.RunOptions
) =>
  TaskTest.run(SendMail, mail, { id: "one", ...options }).pipe(
    Effect.provide(SendMail.toLayer((payload, context) => handler(context, payload)))
  )

const reasonOf = <E>(ran: { readonly exit: Exit.Exit<unknown, E> | undefined }) => {
  assert(ran.exit !== undefined && Exit.isFailure(ran.exit))
  const error = Cause.squash(ran.exit.cause)
  assert(error instanceof TaskEnded.TaskEnded)
  return error.reason._tag
}

interface Case {
  readonly handler: (context: Context) => Ended
  readonly options?: TaskTest.RunOptions
  readonly state: string
  readonly delay?: number
  /** The code of the typed error, or the tag of the reason. */
  readonly says: number | string | undefined
  readonly dead?: boolean
}

const cases: Record<string, Case> = {
  success: { handler: () => sent, state: "succeeded", says: undefined },
  "a typed error that is retried": {
    handler: () => Effect.fail(new SmtpError({ code: 421 })),
    state: "retrying",
    delay: 1000,
    says: 421
  },
  "a typed error in the third attempt": {
    handler: () => Effect.fail(new SmtpError({ code: 421 })),
    options: { attempt: 3 },
    state: "retrying",
    delay: 4000,
    says: 421
  },
  "a typed error in the last attempt": {
    handler: () => Effect.fail(new SmtpError({ code: 421 })),
    options: { attempt: 4 },
    state: "failed",
    says: 421,
    dead: true
  },
  "a typed error that is not worth a retry": {
    handler: () => Effect.fail(new SmtpError({ code: 550 })),
    state: "failed",
    says: 550,
    dead: true
  },
  "the call's own number of retries": {
    handler: () => Effect.fail(new SmtpError({ code: 421 })),
    options: { retries: 0 },
    state: "failed",
    says: 421,
    dead: true
  },
  retry: {
    handler: ({ retry }) => retry({ after: "7 seconds" }),
    state: "retrying",
    delay: 7000,
    says: "RetryRequested"
  },
  snooze: { handler: ({ snooze }) => snooze("1 minute"), state: "retrying", delay: 60_000, says: undefined },
  reject: { handler: ({ reject }) => reject({ detail: "no" }), state: "failed", says: "Rejected", dead: true },
  requeue: { handler: ({ reject }) => reject({ requeue: true }), state: "queued", delay: 0, says: undefined },
  "requeue, too often": {
    handler: ({ reject }) => reject({ requeue: true }),
    options: { deliveries: 5 },
    state: "dead",
    says: "TooManyDeliveries",
    dead: true
  },
  ignore: { handler: ({ ignore }) => ignore, state: "ignored", says: "Ignored" },
  revoked: { handler: () => Effect.never, options: { revokeWhen: Effect.sleep(1) }, state: "revoked", says: "Revoked" },
  "the soft limit": { handler: () => Effect.never, state: "retrying", delay: 1000, says: "TimeLimitExceeded" },
  "the hard limit": {
    handler: ({ withSoftTimeLimit }) =>
      Effect.ignore(withSoftTimeLimit(Effect.never)).pipe(Effect.andThen(Effect.never)),
    state: "retrying",
    delay: 1000,
    says: "TimeLimitExceeded"
  },
  "a handler that does not give in": {
    handler: () => Effect.uninterruptible(Effect.never),
    state: "retrying",
    delay: 1000,
    says: "TimeLimitExceeded"
  },
  "the soft limit in a region that copes": {
    handler: ({ withSoftTimeLimit }) =>
      Effect.catchTag(withSoftTimeLimit(Effect.never), "SoftTimeLimitExceeded", () => sent),
    state: "succeeded",
    says: undefined
  }
}

describe("TaskTest.run", () => {
  for (const [name, { dead = false, delay, handler, options, says, state }] of Object.entries(cases)) {
    it.effect(`${name}: ${state}`, () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(runWith(handler, options))
        yield* TestClock.adjust("1 minute")
        const ran = yield* Fiber.join(fiber)
        assert.strictEqual(ran.state, state)
        assert.strictEqual(ran.delay, delay)
        assert.strictEqual(ran.deadLetter !== undefined, dead)
        if (typeof says === "number") assert.deepStrictEqual(ran.exit, Exit.fail(new SmtpError({ code: says })))
        else if (says !== undefined) assert.strictEqual(reasonOf(ran), says)
        else if (state === "succeeded") assert.deepStrictEqual(ran.exit, Exit.succeed({ messageId: "m", at: due }))
        else assert.isUndefined(ran.exit)
      })
    )
  }

  it.effect("payload, result, error and progress go through their schemas", () =>
    Effect.gen(function* () {
      let seen: unknown
      const ran = yield* runWith(
        Effect.fnUntraced(function* ({ progress }, payload) {
          seen = payload
          yield* progress({ done: 1 })
          yield* progress({ done: 2 })
          return { messageId: payload.to, at: payload.due }
        })
      )
      assert.deepStrictEqual(seen, mail)
      assert.notStrictEqual(seen, mail)
      assert.deepStrictEqual(ran.exit, Exit.succeed({ messageId: "ada", at: due }))
      assert.deepStrictEqual(ran.progress, [{ done: 1 }, { done: 2 }])
    })
  )

  it.effect("a payload that does not fit is refused as enqueue does it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        TaskTest.run(SendMail, { to: 1 } as never).pipe(Effect.provide(SendMail.toLayer(() => sent)))
      )
      assert.strictEqual(error.reason._tag, "InvalidPayload")
    })
  )

  it.effect("a result that does not fit, a defect, and a handler that interrupts itself are defects", () =>
    Effect.gen(function* () {
      const handlers: ReadonlyArray<() => Ended> = [
        () => Effect.succeed({ messageId: 1 } as never),
        () => Effect.die(new Error("boom")),
        () => Effect.interrupt
      ]
      const messages = yield* Effect.forEach(
        handlers,
        Effect.fnUntraced(function* (handler) {
          const { exit } = yield* runWith(handler)
          assert(exit !== undefined && Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          return String(Cause.squash(exit.cause))
        })
      )
      assert.match(messages[0]!, /success value does not fit/)
      assert.deepStrictEqual(messages.slice(1), ["Error: boom", "Error: the handler interrupted itself"])
    })
  )

  it.effect("the handler sees the options in its context", () =>
    Effect.gen(function* () {
      let seen: unknown
      yield* runWith(
        (context) => {
          const { attempt, deadline, deliveries, headers, id, queue } = context
          seen = { attempt, deliveries, headers, id, queue, deadline }
          return sent
        },
        { attempt: 2, deliveries: 3, headers: { tenant: "t" }, queue: "other", id: "x", timeLimit: "1 minute" }
      )
      const deadline = DateTime.makeUnsafe(60_000)
      assert.deepStrictEqual(seen, {
        attempt: 2,
        deliveries: 3,
        headers: { tenant: "t" },
        queue: "other",
        id: "x",
        deadline
      })
    })
  )

  it.effect("shows the result of a task that keeps none", () =>
    Effect.gen(function* () {
      class Silent extends Task.make("silent", { success: Schema.Number, ignoreResult: true }) {}
      const { exit } = yield* TaskTest.run(Silent, undefined).pipe(
        Effect.provide(Silent.toLayer(() => Effect.succeed(1)))
      )
      assert.deepStrictEqual(exit, Exit.succeed(1))
    })
  )

  it.effect("interrupting it interrupts the handler and waits for its finalizers", () =>
    Effect.gen(function* () {
      const steps: Array<string> = []
      const fiber = yield* Effect.forkChild(
        runWith(() => Effect.onInterrupt(Effect.never, () => Effect.sync(() => steps.push("finalizer"))))
      )
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(steps, ["finalizer"])
    })
  )

  it.effect("without a handler says what to do", () =>
    Effect.gen(function* () {
      // as from untyped code
      const bare = TaskTest.run(SendMail, mail) as Effect.Effect<unknown>
      const exit = yield* Effect.exit(bare)
      assert(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.match(String(Cause.squash(exit.cause)), /task "mail.send" has no handler here/)
    })
  )
})

describe("TaskTest.checkIdempotent", () => {
  class Charge extends Task.make("charge", { payload: { order: Schema.String }, success: Schema.Number }) {}

  const handlers: Record<
    string,
    readonly [expected: string, (ledger: Map<string, number>, id: string, order: string) => number]
  > = {
    "does the same twice": ["idempotent", (ledger, id) => (ledger.set(id, 1), 1)],
    "answers something else": ["result", (ledger, id) => (ledger.set(id, 1), Math.random())],
    "charges twice": ["observation", (ledger, id) => (ledger.set(`${id} ${ledger.size}`, 1), 1)]
  }
  for (const [name, [expected, handle]] of Object.entries(handlers)) {
    it.effect(`a handler that ${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const ledger = new Map<string, number>()
        const deliveries: Array<number> = []
        const result = yield* Effect.result(
          TaskTest.checkIdempotent(Charge, { order: "4711" }, { observe: Effect.sync(() => ledger) }).pipe(
            Effect.provide(
              Charge.toLayer(({ order }, context) =>
                Effect.sync(() => {
                  deliveries.push(context.deliveries)
                  return handle(ledger, context.id, order)
                })
              )
            )
          )
        )
        assert.deepStrictEqual(deliveries, [1, 2])
        if (expected === "idempotent") return assert(result._tag === "Success")
        assert(result._tag === "Failure" && result.failure._tag === "NotIdempotent")
        assert.strictEqual(result.failure.what, expected)
        assert.match(result.failure.message, /first: {2}.*\n {2}second: /)
      })
    )
  }
})
