/** Real workers and real clients on a real server, in real time: the way of a message from end to end. */
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import * as CeleriacMemory from "celeriac/CeleriacMemory"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Redis } from "ioredis"
import { afterAll, inject } from "vitest"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"

class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { limit: Schema.Number }) {}

class Square extends Task.make("square", {
  payload: { n: Schema.Number },
  success: Schema.Number,
  error: TooLarge,
  progress: Schema.String
}) {}

class Flaky extends Task.make("flaky", {
  payload: { until: Schema.Number },
  success: Schema.Number,
  retry: { delay: "20 millis", jitter: false, times: 5 }
}) {}

const url = inject("redisUrl")
let prefixes = 0

/** For whoever looks on. */
const redis = new Redis(url)
afterAll(() => redis.disconnect())

const stores = [
  { store: "one server", layer: (prefix: string) => CeleriacRedis.layer({ url, prefix }) },
  {
    store: "two databases",
    layer: (prefix: string) =>
      CeleriacRedis.layer({ broker: { url, prefix }, resultBackend: { url: `${url}/1`, prefix } })
  }
] as const

const SquareLive = Square.toLayer(({ n }, task) =>
  Effect.gen(function* () {
    if (n > 100) return yield* new TooLarge({ limit: 100 })
    yield* task.progress("half")
    return n * n
  })
)

/** A worker for as long as it is not stopped. */
const started = <E, R>(worker: Layer.Layer<never, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope))
    yield* Layer.buildWithScope(Layer.fresh(worker), scope)
    return { stop: Scope.close(scope, Exit.void) }
  })

describe.each(stores)("on $store", ({ layer }) => {
  const world = <A, E>(run: Effect.Effect<A, E, Scope.Scope | Layer.Success<ReturnType<typeof layer>>>) =>
    Effect.suspend(() => Effect.provide(Effect.scoped(run), layer(`end-${++prefixes}`)))

  it.live("a result comes back, and a typed error", () =>
    world(
      Effect.gen(function* () {
        yield* started(Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive)))
        assert.strictEqual(yield* Square.execute({ n: 12 }), 144)
        const error = yield* Effect.flip(Square.execute({ n: 101 }))
        assert.instanceOf(error, TooLarge)
        assert.strictEqual(error.limit, 100)
      })
    )
  )

  it.live(
    "ten thousand handles are awaited at once, over one subscription",
    () =>
      world(
        Effect.gen(function* () {
          const handles = yield* Square.enqueueAll(Array.from({ length: 10_000 }, (_, n) => ({ n: n % 10 })))
          const waiting = yield* Effect.forkChild(
            Effect.forEach(handles, (handle) => handle.await, { concurrency: "unbounded" })
          )
          yield* started(Worker.layer({ tasks: [Square], concurrency: 100 }).pipe(Layer.provide(SquareLive)))
          assert.deepStrictEqual(
            yield* Fiber.join(waiting),
            Array.from({ length: 10_000 }, (_, n) => (n % 10) ** 2)
          )
          const channels = yield* Effect.promise(() => redis.pubsub("CHANNELS", `end-${prefixes}/0:reply:*`))
          assert.lengthOf(channels, 1)
        })
      ),
    20_000
  )

  it.live.each([false, true])("the state of a retry survives the only worker (ignoreResult: %s)", (ignoreResult) =>
    world(
      Effect.gen(function* () {
        const failed = yield* Deferred.make<void>()
        const attempts: Array<number> = []
        const flaky = Flaky.toLayer(({ until }, task) =>
          attempts.push(task.attempt) < until
            ? Effect.andThen(Deferred.succeed(failed, undefined), Effect.die("not yet"))
            : Effect.succeed(task.attempt)
        )
        const { stop } = yield* started(Worker.layer({ tasks: [Flaky] }).pipe(Layer.provide(flaky)))
        const handle = yield* Flaky.enqueue({ until: 3 }, { ignoreResult })
        yield* Deferred.await(failed)
        yield* stop
        yield* started(Worker.layer({ tasks: [Flaky] }).pipe(Layer.provide(flaky)))
        // its end is known, even if its result is not kept
        const exit = yield* Effect.exit(handle.await)
        assert.deepStrictEqual(attempts, [1, 2, 3])
        if (!ignoreResult) return assert.deepStrictEqual(exit, Exit.succeed(3))
        return assert.isTrue(Exit.isFailure(exit))
      })
    )
  )

  // told by a push: by its next renewal the worker would learn of it after ten seconds only
  it.live("running messages are interrupted by their revoke, which another process sends", () =>
    world(
      Effect.gen(function* () {
        const count = 30
        const running = yield* Semaphore.make(0)
        const interrupted = yield* Semaphore.make(0)
        const endless = Square.toLayer(() =>
          Effect.andThen(running.release(1), Effect.never).pipe(Effect.onInterrupt(() => interrupted.release(1)))
        )
        for (let worker = 0; worker < 3; worker++) {
          yield* started(Worker.layer({ tasks: [Square], concurrency: 10 }).pipe(Layer.provide(endless)))
        }
        const handles = yield* Square.enqueueAll(Array.from({ length: count }, (_, n) => ({ n })))
        const waiting = yield* Effect.forkChild(
          Effect.forEach(handles, (handle) => Effect.flip(handle.await), { concurrency: "unbounded" })
        )
        yield* running.take(count)
        const other = Layer.fresh(layer(`end-${prefixes}`))
        const revoke = Effect.forEach(handles, ({ id }) => Effect.flatMap(Square.handle(id), (one) => one.revoke()), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          yield* Effect.provide(revoke, other, { local: true }),
          handles.map(() => true)
        )
        yield* interrupted.take(count)
        for (const ended of yield* Fiber.join(waiting)) {
          assert.strictEqual(ended._tag === "TaskEnded" ? ended.reason._tag : ended._tag, "Revoked")
        }
      })
    )
  )

  it.live("what a stopped worker had not started is run by another", () =>
    world(
      Effect.gen(function* () {
        const broker = yield* Broker
        const endless = Square.toLayer(() => Effect.never)
        const { stop } = yield* started(
          Worker.layer({ tasks: [Square], concurrency: 1, prefetch: 10, drainLimit: 0, grace: 0 }).pipe(
            Layer.provide(endless)
          )
        )
        const handles = yield* Square.enqueueAll(Array.from({ length: 10 }, (_, n) => ({ n })))
        yield* Effect.repeat(broker.counts("default"), { until: ({ active }) => active === 10 })
        yield* stop
        assert.deepInclude(yield* broker.counts("default"), { queued: 10, active: 0 })
        yield* started(Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive)))
        const results = yield* Effect.forEach(handles, (handle) => handle.await)
        assert.deepStrictEqual(results, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81])
      })
    )
  )
})

describe("the same program", () => {
  it.live.each([
    ["memory", CeleriacMemory.layer],
    ["Redis", CeleriacRedis.layer({ url, prefix: "same" })]
  ] as const)("runs on %s", ([, layer]) =>
    Effect.gen(function* () {
      const main = Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive), Layer.provideMerge(layer))
      assert.strictEqual(yield* Effect.provide(Square.execute({ n: 7 }), main), 49)
    })
  )
})
