/** Code around handlers: its order, what it provides, and its errors at the caller. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as TaskMiddleware from "../src/TaskMiddleware.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, defectOf, errorOf, exitWithin, pass, started, stores, within, world } from "./fixture.ts"

class Tenant extends Context.Service<Tenant, { readonly name: string }>()("test/Tenant") {}

class NoTenant extends Schema.TaggedError<NoTenant>()("NoTenant", { header: Schema.String }) {}

class ForTenant extends TaskMiddleware.Service<ForTenant, Tenant>()("test/ForTenant", { error: NoTenant }) {}

class Timed extends TaskMiddleware.Service<Timed>()("test/Timed") {}

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.String, error: Boom })
  .middleware(ForTenant)
  .middleware(Timed) {}

const events: Array<string> = []

const ForTenantLive = Layer.succeed(
  ForTenant,
  ForTenant.of((run, { headers }) =>
    Effect.gen(function* () {
      events.push("tenant in")
      const name = headers["tenant"]
      if (name === undefined) return yield* new NoTenant({ header: "tenant" })
      const result = yield* Effect.provideService(run, Tenant, { name })
      events.push("tenant out")
      return result
    })
  )
)

const TimedLive = Layer.succeed(
  Timed,
  Timed.of((run, info) =>
    Effect.gen(function* () {
      const { n } = info.payload as { readonly n: number }
      events.push(`timed in ${info.id} ${info.attempt} ${n}`)
      return yield* Effect.onExit(run, (exit) => Effect.sync(() => events.push(`timed out ${exit._tag}`)))
    })
  )
)

const Live = Job.toLayer(({ n }, context) =>
  Effect.gen(function* () {
    events.push("handler")
    const { name } = yield* Tenant
    if (n === 1) return yield* new Boom({ code: 1 })
    if (n === 2) return yield* context.ignore
    if (n === 3) return yield* Effect.die(new Error("broken"))
    if (n === 4) return yield* context.withSoftTimeLimit(Effect.never)
    return `${name} ${n}`
  })
)

const Main = Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live), Layer.provide([ForTenantLive, TimedLive]))

const headers = { tenant: "acme" }

describe.each(stores)("middleware: $store", ({ layer }) => {
  it.effect("the one added last is outside; the context and the decoded payload are there", () =>
    world(layer, () =>
      Effect.gen(function* () {
        events.length = 0
        yield* started(Main)
        const handle = yield* Job.enqueue({ n: 0 }, { id: "a", headers })
        assert.strictEqual(yield* within(0, handle.await), "acme 0")
        assert.deepStrictEqual(events, ["timed in a 1 0", "tenant in", "handler", "tenant out", "timed out Success"])
      })
    )
  )

  it.effect("its error is typed at the caller, an instance of its class", () =>
    world(layer, () =>
      Effect.gen(function* () {
        events.length = 0
        yield* started(Main)
        const handle = yield* Job.enqueue({ n: 0 })
        const error = errorOf(yield* exitWithin(0, handle.await))
        assert.instanceOf(error, NoTenant)
        assert.deepInclude(error, { header: "tenant" })
        assert.isFalse(events.includes("handler"))
      })
    )
  )

  it.effect("the handler's own endings pass through it", () =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* started(Main)
        const send = (n: number) => Job.enqueue({ n }, { headers, softTimeLimit: "1 second" })
        assert.instanceOf(errorOf(yield* exitWithin(0, (yield* send(1)).await)), Boom)
        const ignored = yield* send(2)
        assert.instanceOf(errorOf(yield* exitWithin(0, ignored.await)), TaskEnded)
        assert.deepStrictEqual(yield* ignored.state, Option.some("ignored"))
        assert.match(String(defectOf(yield* exitWithin(0, (yield* send(3)).await))), /broken/)
        const limited = errorOf(yield* exitWithin("2 seconds", (yield* send(4)).await))
        assert(limited instanceof TaskEnded && limited.reason._tag === "TimeLimitExceeded")
      })
    )
  )

  it.effect("limits and revokes reach through it", () =>
    world(layer, () =>
      Effect.gen(function* () {
        let interrupted = 0
        class Slow extends Task.make("slow").middleware(Timed) {}
        const Around = Layer.succeed(
          Timed,
          Timed.of((run) => Effect.onInterrupt(run, () => Effect.sync(() => interrupted++)))
        )
        yield* started(
          Worker.layer({ tasks: [Slow] }).pipe(Layer.provide(Slow.toLayer(() => Effect.never)), Layer.provide(Around))
        )
        const revoked = yield* Slow.enqueue()
        const limited = yield* Slow.enqueue(undefined, { timeLimit: "1 second" })
        yield* pass("500 millis")
        yield* revoked.revoke()
        yield* pass("1 second")
        assert.strictEqual(interrupted, 2)
        assert.deepStrictEqual(yield* limited.state, Option.some("failed"))
      })
    )
  )

  it.effect.each([
    ["throws", () => assert.fail("middleware")],
    ["dies", () => Effect.die(new Error("middleware"))],
    ["makes no effect", () => undefined],
    ["fails with an error that is not its own", () => Effect.fail("stranger")]
  ] as ReadonlyArray<readonly [string, unknown]>)("one that %s: the worker lives", ([, broken]) =>
    world(layer, () =>
      Effect.gen(function* () {
        class Odd extends Task.make("odd").middleware(Timed) {}
        class Plain extends Task.make("plain") {}
        yield* started(
          Worker.layer({ tasks: [Odd, Plain], concurrency: 1 }).pipe(
            Layer.provide(Odd.toLayer(() => Effect.void)),
            Layer.provide(Plain.toLayer(() => Effect.void)),
            Layer.provide(Layer.succeed(Timed, Timed.of(broken as TaskMiddleware.TaskMiddleware<never, never>)))
          )
        )
        const exit = yield* exitWithin(0, (yield* Odd.enqueue()).await)
        assert.isDefined(defectOf(exit))
        assert(Exit.isSuccess(yield* exitWithin(0, (yield* Plain.enqueue()).await)))
      })
    )
  )
})
