/** What a handle says in every state of its message, from its own program and from another. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import type { TaskHandle } from "../src/TaskHandle.ts"
import type { State } from "../src/TaskRecord.ts"
import { type Handler, Job, type Progress, serve, type Success, success, tagOf } from "./fixture.handle.ts"
import { atOnce, Boom, errorOf, exitWithin, pass, stores, turns, within, world } from "./fixture.ts"

type Handle = TaskHandle<Success, Boom, Progress>

const gone = (exit: Exit.Exit<unknown, unknown>): TaskEnded => {
  const error = errorOf(exit)
  assert.instanceOf(error, TaskEnded)
  assert.strictEqual(error.reason._tag, "ResultGone")
  return error
}

interface Situation {
  readonly name: string
  readonly handler?: Handler
  readonly options?: EnqueueOptions
  /** What is done before the handle is asked. */
  readonly before?: (handle: Handle) => Effect.Effect<unknown>
  readonly state: State
  /** The tag of the exit that `poll` shows; `undefined`: it has not ended. */
  readonly ended: string | undefined
  /** What `revoke` and `revoke({ waitingOnly: true })` answer. */
  readonly revoke: boolean
  readonly waitingOnly: boolean
}

const fail: Handler = () => Effect.fail(new Boom({ code: 1 }))
const revoke = (handle: Handle) => handle.revoke()

const situations: ReadonlyArray<Situation> = [
  {
    name: "scheduled",
    options: { delay: "1 hour" },
    state: "scheduled",
    ended: undefined,
    revoke: true,
    waitingOnly: true
  },
  { name: "queued", state: "queued", ended: undefined, revoke: true, waitingOnly: true },
  {
    name: "active",
    handler: () => Effect.never,
    state: "active",
    ended: undefined,
    revoke: true,
    waitingOnly: false
  },
  { name: "retrying", handler: fail, state: "retrying", ended: undefined, revoke: true, waitingOnly: true },
  {
    name: "snoozed",
    handler: (_, context) => context.snooze("1 hour"),
    state: "retrying",
    ended: undefined,
    revoke: true,
    waitingOnly: true
  },
  {
    name: "succeeded",
    handler: () => Effect.succeed(success),
    state: "succeeded",
    ended: "Success",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "failed",
    handler: fail,
    options: { retries: 0 },
    state: "failed",
    ended: "Boom",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "died",
    handler: () => Effect.die("broken"),
    options: { retries: 0 },
    state: "failed",
    ended: "defect broken",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "ignored",
    handler: (_, context) => context.ignore,
    state: "ignored",
    ended: "Ignored",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "rejected",
    handler: (_, context) => context.reject(),
    state: "failed",
    ended: "Rejected",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "revoked while it waited",
    before: revoke,
    state: "revoked",
    ended: "Revoked",
    revoke: true,
    waitingOnly: true
  },
  {
    name: "revoked while it ran",
    handler: () => Effect.never,
    before: revoke,
    state: "revoked",
    ended: "Revoked",
    revoke: true,
    waitingOnly: true
  },
  {
    name: "succeeded without a result",
    handler: () => Effect.succeed(success),
    options: { ignoreResult: true },
    state: "succeeded",
    ended: "ResultGone",
    revoke: false,
    waitingOnly: false
  },
  {
    name: "forgotten",
    handler: () => Effect.succeed(success),
    before: (handle) => Effect.andThen(turns, handle.forget),
    state: "succeeded",
    ended: "ResultGone",
    revoke: false,
    waitingOnly: false
  }
]

const arranged = ({ before, handler, options }: Situation) =>
  Effect.gen(function* () {
    const handle = yield* Job.enqueue({ n: 1 }, { id: "a", ...options })
    const worker = handler === undefined ? undefined : yield* serve(handler)
    yield* turns
    if (before !== undefined) yield* before(handle)
    yield* turns
    return { handle, stop: worker?.stop ?? Effect.void }
  })

describe.each(stores)("in every state: $store", ({ layer }) => {
  it.effect.each(situations)("$name", (situation) =>
    world(layer, () =>
      Effect.gen(function* () {
        const { handle, stop } = yield* arranged(situation)
        const byId = yield* Job.handle("a")
        for (const each of [handle, byId]) {
          assert.deepStrictEqual(yield* atOnce(each.state), Option.some(situation.state))
          const poll = yield* atOnce(each.poll)
          assert.strictEqual(Option.isSome(poll) ? tagOf(poll.value) : undefined, situation.ended)
          const waiting = yield* Effect.forkChild(Effect.exit(each.await))
          yield* turns
          const end = waiting.pollUnsafe()
          assert.strictEqual(
            end === undefined ? undefined : tagOf(Exit.isSuccess(end) ? end.value : assert.fail("no exit")),
            situation.ended,
            "await ends when it is over, and not before"
          )
          yield* Fiber.interrupt(waiting)
          const changes = yield* within(
            "2 seconds",
            Stream.runCollect(Stream.take(each.changes, 10)).pipe(
              Effect.timeoutOption("1 second"),
              Effect.map(Option.map((all) => all.at(-1)))
            )
          )
          if (situation.ended === undefined) assert(Option.isNone(changes), "it is followed on")
          else {
            assert(Option.isSome(changes) && changes.value?._tag === "Ended")
            assert.strictEqual(changes.value.state, situation.state)
            assert.strictEqual(tagOf(changes.value.exit), situation.ended)
          }
        }
        const waiting = yield* Effect.forkChild(Effect.exit(handle.await))
        yield* turns
        assert.strictEqual(yield* atOnce(byId.revoke({ waitingOnly: true })), situation.waitingOnly)
        assert.strictEqual(yield* atOnce(byId.revoke()), situation.revoke)
        assert.strictEqual(yield* atOnce(byId.revoke()), situation.revoke, "it is revoked, or it is not")
        const end = yield* atOnce(Fiber.join(waiting))
        assert.strictEqual(tagOf(end), situation.ended ?? "Revoked", "whoever waits is told")
        const state = situation.ended === undefined ? "revoked" : situation.state
        assert.deepStrictEqual(yield* handle.state, Option.some(state))
        yield* handle.forget
        gone(yield* atOnce(Effect.exit(handle.await)))
        assert.deepStrictEqual(yield* handle.state, Option.some(state), "its id is still known")
        yield* handle.forget
        yield* stop
        yield* pass("2 hours", "30 minutes")
        assert.deepStrictEqual(yield* handle.state, Option.none(), "and after a while it is not")
      })
    )
  )

  it.effect("an id that nobody knows is an answer of its own, and is never waited for", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* Job.handle("nobody")
        assert.deepStrictEqual(yield* atOnce(handle.state), Option.none())
        assert.deepStrictEqual(yield* atOnce(handle.poll), Option.none())
        assert.include(gone(yield* exitWithin(0, handle.await)).message, "nobody")
        const [change] = yield* atOnce(Stream.runCollect(handle.changes))
        assert(change?._tag === "Ended")
        assert.isUndefined(change.state)
        gone(change.exit)
        assert.isFalse(yield* atOnce(handle.revoke()))
        yield* atOnce(handle.forget)
      })
    )
  )

  it.effect("a queue that is not the message's own: nobody knows it there", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* Job.enqueue({ n: 1 }, { id: "a", queue: "far" })
        assert.deepStrictEqual(yield* (yield* Job.handle("a")).state, Option.none())
        assert.deepStrictEqual(yield* (yield* Job.handle("a", { queue: "far" })).state, Option.some("queued"))
      })
    )
  )

  it.effect("values come back decoded: classes, dates, causes", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* serve((n) => (n === 0 ? Effect.succeed(success) : Effect.die(new TypeError("no", { cause: "why" }))))
        const fine = yield* Job.enqueue({ n: 0 })
        assert.deepStrictEqual(yield* within("1 second", fine.await), success)
        const broken = yield* Job.enqueue({ n: 1 }, { retries: 0 })
        const exit = yield* exitWithin("1 second", broken.await)
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, Error)
        assert.strictEqual(defect.name, "TypeError")
        assert.strictEqual(defect.message, "no")
      })
    )
  )

  it.effect("a result that the schema of this program does not fit is a defect that says so", () =>
    world(layer, () =>
      Effect.gen(function* () {
        class Later extends Task.make("job", { success: Schema.Struct({ size: Schema.Number }), error: Boom }) {}
        yield* serve((n) => (n === 0 ? Effect.succeed(success) : Effect.fail(new Boom({ code: 1 }))))
        const { id } = yield* Job.enqueue({ n: 0 })
        const exit = yield* exitWithin("1 second", (yield* Later.handle(id)).await)
        assert(Exit.isFailure(exit))
        assert.match(String(Cause.squash(exit.cause)), /task "job" .* does not fit its schema/)
      })
    )
  )

  it.effect("the time of a result is over", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* serve(() => Effect.succeed(success))
        const handle = yield* Job.enqueue({ n: 1 }, { resultTtl: "20 minutes" })
        yield* within("1 second", handle.await)
        yield* stop
        yield* pass("19 minutes", "1 minute")
        yield* atOnce(handle.await)
        yield* pass("2 minutes", "1 minute")
        assert.deepStrictEqual(yield* handle.state, Option.none())
        gone(yield* atOnce(Effect.exit(handle.await)))
      })
    )
  )

  it.effect("by default it is kept for a day, counted from its end", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* Job.enqueue({ n: 1 }, { delay: "2 days" })
        yield* pass("2 days", "1 day")
        const { stop } = yield* serve(() => Effect.succeed(success))
        yield* within("1 second", handle.await)
        yield* stop
        yield* pass("23 hours", "1 hour")
        assert.deepStrictEqual(yield* handle.state, Option.some("succeeded"))
        yield* pass("2 hours", "1 hour")
        assert.deepStrictEqual(yield* handle.state, Option.none())
      })
    )
  )
})
