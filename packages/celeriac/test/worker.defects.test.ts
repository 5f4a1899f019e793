/** G7: whatever a handler does to itself, its message has an end, and the worker lives. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { Broker } from "../src/Broker.ts"
import type { Retry } from "../src/Retry.ts"
import * as Task from "../src/Task.ts"
import type { TaskSignal, Typed } from "../src/TaskContext.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, exitWithin, started, stores, untyped, within, world } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { fine: Schema.Boolean },
  success: Schema.Struct({ value: Schema.Number, any: Schema.optionalKey(Schema.Unknown) }),
  error: Boom
}) {}

type Success = typeof Job.successSchema.Type
type Handler = (context: Typed<never>) => Effect.Effect<Success, Boom | TaskSignal, Scope>

const ok: Success = { value: 1 }
const fine = Effect.succeed(ok)
const boom = new Boom({ code: 7 })
const fail = Effect.fail(boom)
const dies = Effect.die(new Error("finalizer"))

const unprintable = {
  toString: () => {
    throw new Error("toString")
  },
  toJSON: () => {
    throw new Error("toJSON")
  },
  get message(): string {
    throw new Error("message")
  },
  get name(): string {
    throw new Error("name")
  }
}

const revoked = Proxy.revocable({}, {})
revoked.revoke()

class Evil extends Error {
  override get message(): string {
    throw new Error("message")
  }
  override get stack(): string {
    throw new Error("stack")
  }
}

class Unreadable extends Boom {
  override get message(): string {
    throw new Error("message")
  }
  override get stack(): string {
    throw new Error("stack")
  }
  override toString(): string {
    throw new Error("toString")
  }
}

const circular: Record<string, unknown> = {}
circular["self"] = circular

const getter = {
  get value(): number {
    throw new Error("getter")
  }
}

/** `died`: whatever it is, it is a defect. */
const cases: ReadonlyArray<readonly [name: string, Handler, ends: "succeeded" | "Boom 7" | "died" | RegExp]> = [
  [
    "it throws before it makes an effect",
    () => {
      throw new Error("at once")
    },
    /at once/
  ],
  [
    "it throws something that is no error",
    () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw "text"
    },
    /text/
  ],
  [
    "it throws undefined",
    () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw undefined
    },
    "died"
  ],
  ["it throws inside", () => Effect.sync(() => assert.fail("inside")), /inside/],
  ["it returns no effect", () => untyped(undefined), "died"],
  ["it returns a promise", () => untyped(Promise.resolve(ok)), "died"],
  ["it returns a value", () => untyped(ok), "died"],
  ["it dies", () => Effect.die(new TypeError("boom")), /TypeError: boom/],
  ["it dies of a text", () => Effect.die("text"), /text/],
  ["it dies of undefined", () => Effect.die(undefined), "died"],
  ["it dies of a symbol", () => Effect.die(Symbol("s")), "died"],
  ["it dies of a bigint", () => Effect.die(1n), /1/],
  ["it dies of a function", () => Effect.die(() => 1), "died"],
  ["it dies of a circle", () => Effect.die(circular), "died"],
  ["it dies of something that cannot be printed", () => Effect.die(unprintable), "died"],
  ["it dies of an error that cannot be read", () => Effect.die(new Evil()), "died"],
  ["it dies of a revoked proxy", () => Effect.die(revoked.proxy), "died"],
  ["it dies of an error whose cause is a circle", () => Effect.die(new Error("why", { cause: circular })), /why/],
  ["it dies of 10 MB", () => Effect.die(new Error("x".repeat(10_000_000))), "died"],
  ["it interrupts itself", () => Effect.interrupt, /interrupted itself/],
  ["its child is interrupted", () => Effect.flatMap(Effect.forkChild(Effect.interrupt), Fiber.join), "died"],
  ["a promise rejects", () => Effect.promise(() => Promise.reject(new Error("rejected"))), /rejected/],
  ["it fails", () => fail, "Boom 7"],
  ["it fails with an error that does not fit", () => Effect.fail(untyped(new Error("stranger"))), /does not fit/],
  ["it fails with undefined", () => Effect.fail(untyped(undefined)), /does not fit/],
  [
    "it fails with an error whose getter throws",
    () => Effect.fail(untyped(Object.defineProperty(new Boom({ code: 1 }), "code", { get: () => assert.fail("no") }))),
    "died"
  ],
  ["it fails with an error whose message throws", () => Effect.fail(new Unreadable({ code: 7 })), "Boom 7"],
  ["it fails with an error whose toString and toJSON throw", () => Effect.fail(untyped(unprintable)), /does not fit/],
  [
    "it dies of an error whose cause cannot be read",
    () => Effect.die(new Error("why", { cause: unprintable })),
    "died"
  ],
  ["it leaves a child behind that never ends", () => Effect.andThen(Effect.forkChild(Effect.never), fine), "succeeded"],
  [
    "it leaves a child behind that dies when it is interrupted",
    () =>
      Effect.andThen(
        Effect.forkChild(
          Effect.onInterrupt(Effect.never, () => dies),
          { startImmediately: true }
        ),
        fine
      ),
    "succeeded"
  ],
  ["it leaves a daemon behind", () => Effect.andThen(Effect.forkDetach(Effect.sleep("1 minute")), fine), "succeeded"],
  ["its daemon dies", () => Effect.andThen(Effect.forkDetach(dies), fine), "succeeded"],
  ["its daemon dies later", () => Effect.andThen(Effect.forkDetach(Effect.delay(dies, 10)), fine), "succeeded"],
  [
    "its daemon interrupts it",
    () =>
      Effect.withFiber((fiber) =>
        Effect.andThen(Effect.forkDetach(Effect.sync(() => fiber.interruptUnsafe())), Effect.never)
      ),
    /interrupted itself/
  ],
  [
    "its daemon uses its context after the end",
    (context) =>
      Effect.andThen(
        Effect.forkDetach(Effect.delay(Effect.andThen(context.retry(), Effect.void), 10)),
        Effect.andThen(
          Effect.addFinalizer(() => Effect.ignore(context.withSoftTimeLimit(Effect.void))),
          fine
        )
      ),
    "succeeded"
  ],
  ["its finalizer interrupts itself", () => Effect.ensuring(fine, Effect.interrupt), "died"],
  ["its finalizers die one after the other", () => Effect.ensuring(Effect.ensuring(fine, dies), dies), /finalizer/],
  ["its value does not fit", () => Effect.succeed(untyped({ value: "1" })), /does not fit/],
  ["its value is undefined", () => Effect.succeed(untyped(undefined)), /does not fit/],
  ["its value has a getter that throws", () => Effect.succeed(getter), "died"],
  ["its value is a revoked proxy", () => Effect.succeed(untyped(revoked.proxy)), "died"],
  ["its value holds a circle", () => Effect.succeed({ value: 1, any: circular }), "died"],
  ["its value holds a bigint", () => Effect.succeed({ value: 1, any: 1n }), "died"],
  ["its value is infinite", () => Effect.succeed({ value: Infinity }), "succeeded"],
  ["a finalizer dies after success", () => Effect.ensuring(fine, dies), /finalizer/],
  // Effect itself makes a defect of the failure
  ["a finalizer dies after a failure", () => Effect.ensuring(fail, dies), "died"],
  [
    "a finalizer in its scope dies after success",
    () =>
      Effect.andThen(
        Effect.addFinalizer(() => dies),
        fine
      ),
    "succeeded"
  ],
  [
    "a finalizer in its scope dies after a failure",
    () =>
      Effect.andThen(
        Effect.addFinalizer(() => dies),
        fail
      ),
    "Boom 7"
  ],
  [
    "a finalizer in its scope throws",
    () =>
      Effect.andThen(
        Effect.addFinalizer(() => assert.fail("finalizer")),
        fine
      ),
    "succeeded"
  ],
  ["it fails twice at once", () => Effect.all([fail, fail], { concurrency: 2 }).pipe(Effect.andThen(fine)), "Boom 7"],
  ["it fails and dies at once", () => Effect.all([fail, dies], { concurrency: 2 }).pipe(Effect.andThen(fine)), "Boom 7"]
]

describe.each(stores)("a handler: $store", ({ layer }) => {
  it.effect.each(cases)("$0", ([, handler, ends]) =>
    world(layer, () =>
      Effect.gen(function* () {
        const Live = Job.toLayer((payload, context) => (payload.fine ? fine : handler(context)))
        // one slot: one that is lost would be missed
        yield* started(Worker.layer({ tasks: [Job], concurrency: 1 }).pipe(Layer.provide(Live)))
        const [bad, good] = yield* Task.enqueueAll([Job.s({ fine: false }), Job.s({ fine: true })])
        const exit = yield* exitWithin("1 second", bad.await)
        if (ends === "succeeded") assert(Exit.isSuccess(exit), "it succeeded")
        else {
          assert(Exit.isFailure(exit), "it did not succeed")
          const [reason] = exit.cause.reasons
          if (ends === "Boom 7") {
            assert(reason !== undefined && Cause.isFailReason(reason))
            assert.deepStrictEqual(reason.error, boom)
          } else {
            assert(reason !== undefined && Cause.isDieReason(reason), Cause.pretty(exit.cause))
            if (ends !== "died") assert.match(String(reason.defect), ends)
          }
        }
        assert.deepStrictEqual(yield* within("1 second", good.await), ok, "the worker lives, and its slot is free")
        const again = yield* Job.enqueue({ fine: true })
        assert.deepStrictEqual(yield* within("1 second", again.await), ok)
      })
    )
  )
})

describe("policies that throw", () => {
  const throwing = () => assert.fail("policy")
  const policies: ReadonlyArray<readonly [name: string, retry: Retry<Boom>, letter: RegExp]> = [
    ["while", { while: throwing, times: 3 }, /policy/],
    ["while that reads what is not there", { while: (error) => untyped<string[]>(error)[0]!.length > 0 }, /TypeError/],
    ["schedule", { schedule: Schedule.while(Schedule.spaced("1 second"), throwing) }, /policy/],
    ["schedule that fails", { schedule: Schedule.while(Schedule.forever, () => Effect.die("policy")) }, /policy/]
  ]
  it.effect.each(policies)("%s: no retry, and the letter says why", ([, retry, letter]) => {
    class Retried extends Task.make("retried", { error: Boom, retry }) {}
    return world(stores[0].layer, () =>
      Effect.gen(function* () {
        const Live = Retried.toLayer(() => fail)
        yield* started(Worker.layer({ tasks: [Retried] }).pipe(Layer.provide(Live)))
        const handle = yield* Retried.enqueue()
        const exit = yield* exitWithin("1 second", handle.await)
        assert(Exit.isFailure(exit))
        assert.deepStrictEqual(exit.cause.reasons.find(Cause.isFailReason)?.error, boom)
        const broker = yield* Broker
        const [found] = yield* broker.deadLetters("default", { limit: 1 })
        assert.match(found?.reason ?? "", letter)
      })
    )
  })
})
