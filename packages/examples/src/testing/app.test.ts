/** Nothing here waits: the clock is a `TestClock`, and the server is in memory. Everything else is the real thing. */
import { assert, describe, it } from "@effect/vitest"
import { TaskTest } from "celeriac/testing"
import { Clock, Context, DateTime, Duration, Effect, Exit, Layer, Option, Ref } from "effect"
import { TestClock } from "effect/testing"
import { Mailer, SendMailLive, signUp, WorkerLive } from "./app.ts"
import { MailServerDown, SendMail } from "./tasks.ts"

/** A mail server with an outbox to look into, and a switch. */
class MailServer extends Context.Service<
  MailServer,
  {
    readonly outbox: Effect.Effect<ReadonlyArray<string>>
    readonly setDown: (value: boolean) => Effect.Effect<void>
  }
>()("testing/MailServer") {
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const outbox = yield* Ref.make<ReadonlyArray<string>>([])
      const down = yield* Ref.make(false)
      const send = Effect.fnUntraced(function* (_: string, template: string) {
        if (yield* Ref.get(down)) return yield* new MailServerDown()
        yield* Ref.update(outbox, (mails) => [...mails, template])
      })
      return Context.make(Mailer, { send }).pipe(
        Context.add(MailServer, { outbox: Ref.get(outbox), setDown: (value) => Ref.set(down, value) })
      )
    })
  )
}

// `TaskTest.layer` stands where `main.ts` has the server; each test gets one of its own
const World = Layer.merge(MailServer.layer, TaskTest.layer)
const Handlers = Layer.provideMerge(SendMailLive, World)
const Program = Layer.provideMerge(WorkerLive, World)

const to = "ada@example.org"

describe("signUp", () => {
  it.effect("enqueues three mails", () =>
    Effect.gen(function* () {
      yield* signUp(to)
      yield* TaskTest.assertEnqueued(SendMail, { payload: { to, template: "welcome" }, priority: 9, delay: 0 })
      yield* TaskTest.assertEnqueued(SendMail, { payload: { to, template: "first week" }, delay: "7 days" })
      yield* TaskTest.assertEnqueued(SendMail, { payload: { to }, count: 3 })
    }).pipe(Effect.provide(World))
  )

  // `drain` works off what is due; it can also go through the time until nothing is left
  it.effect("sends the last mail after a week", () =>
    Effect.gen(function* () {
      const server = yield* MailServer
      yield* signUp(to)
      yield* TaskTest.drain({ tasks: [SendMail] })
      assert.deepStrictEqual(yield* server.outbox, ["welcome", "offer of the day"])

      yield* TaskTest.drain({ tasks: [SendMail], withScheduled: true })
      assert.deepStrictEqual(yield* server.outbox, ["welcome", "offer of the day", "first week"])
      assert.strictEqual(yield* Clock.currentTimeMillis, Duration.toMillis("7 days"))
    }).pipe(Effect.provide(Handlers))
  )

  it.effect("sends no offer that is old news", () =>
    Effect.gen(function* () {
      const server = yield* MailServer
      yield* signUp(to)
      yield* TestClock.adjust("25 hours") // and no worker is there
      const { expired, succeeded } = yield* TaskTest.drain({ tasks: [SendMail] })
      assert.deepStrictEqual({ expired, succeeded }, { expired: 1, succeeded: 1 })
      assert.deepStrictEqual(yield* server.outbox, ["welcome"])
    }).pipe(Effect.provide(Handlers))
  )
})

describe("SendMail", () => {
  // the whole program, and a clock that is moved by hand
  it.effect("tries again an hour later", () =>
    Effect.gen(function* () {
      const server = yield* MailServer
      yield* server.setDown(true)
      const handle = yield* SendMail.enqueue({ to, template: "welcome" })
      yield* TaskTest.settle
      assert.deepStrictEqual(yield* handle.state, Option.some("retrying"))

      yield* server.setDown(false)
      yield* TaskTest.advance("59 minutes")
      assert.deepStrictEqual(yield* server.outbox, [])
      yield* TaskTest.advance("1 minute")
      assert.deepStrictEqual(yield* server.outbox, ["welcome"])
      yield* handle.await
    }).pipe(Effect.provide(Program))
  )

  it.effect("waits until the time that it is given (ETA)", () =>
    Effect.gen(function* () {
      const handle = yield* SendMail.enqueue({ to, template: "welcome" }, { at: Duration.toMillis("10 minutes") })
      yield* TaskTest.advance("9 minutes")
      assert.deepStrictEqual(yield* handle.state, Option.some("scheduled"))
      yield* TaskTest.advance("1 minute")
      assert.deepStrictEqual(yield* handle.state, Option.some("succeeded"))
    }).pipe(Effect.provide(Program))
  )

  it.effect("gives up after four attempts", () =>
    Effect.gen(function* () {
      const server = yield* MailServer
      yield* server.setDown(true)
      const handle = yield* SendMail.enqueue({ to, template: "welcome" })
      const { failed, retried } = yield* TaskTest.drain({ tasks: [SendMail], withRetries: true })
      assert.deepStrictEqual({ failed, retried }, { failed: 1, retried: 3 })
      assert.instanceOf(yield* Effect.flip(handle.await), MailServerDown)
      // 1 + 2 + 3 hours after the first attempt
      assert.strictEqual(DateTime.formatIso(yield* DateTime.now), "1970-01-01T06:00:00.000Z")
    }).pipe(Effect.provide(Handlers))
  )

  // one run in place: no broker and no worker, but the same codecs and policies
  it.effect("waits longer each time", () =>
    Effect.gen(function* () {
      const server = yield* MailServer
      yield* server.setDown(true)
      const { delay, exit, state } = yield* TaskTest.run(SendMail, { to, template: "welcome" }, { attempt: 2 })
      assert.deepStrictEqual(exit, Exit.fail(new MailServerDown()))
      assert.deepStrictEqual({ delay, state }, { delay: Duration.toMillis("2 hours"), state: "retrying" })
    }).pipe(Effect.provide(Handlers))
  )
})
