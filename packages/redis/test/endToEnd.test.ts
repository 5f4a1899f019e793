/** Real workers and real clients on a real server, in real time: the way of a message from end to end. */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Broker } from "celeriac/Broker"
import * as CeleriacMemory from "celeriac/CeleriacMemory"
import * as Client from "celeriac/Client"
import * as Notifier from "celeriac/Notifier"
import { ResultBackend } from "celeriac/ResultBackend"
import * as Task from "celeriac/Task"
import * as Worker from "celeriac/Worker"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Redis } from "ioredis"
import { afterAll, inject } from "vitest"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { brokenPromise } from "../../../scripts/markdown.mjs"
// @ts-expect-error nor has this
import * as redisScript from "../../../scripts/redis-server.mjs"
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

class Twice extends Task.make("twice", {
  payload: { n: Schema.Number },
  success: Schema.Number,
  progress: Schema.String,
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

/** In one process: what is in memory is nobody else's. */
const halves = [
  {
    where: "messages on Redis, results in memory",
    layer: (prefix: string) =>
      Notifier.layerBoth(CeleriacRedis.layerBroker({ url, prefix }), CeleriacMemory.layerResultBackend),
    places: [/^redis:/, /^memory:/]
  },
  {
    where: "messages in memory, results on Redis",
    layer: (prefix: string) =>
      Notifier.layerBoth(CeleriacMemory.layerBroker, CeleriacRedis.layerResultBackend({ url, prefix })),
    places: [/^memory:/, /^redis:/]
  }
] as const

describe.each(halves)("with $where", ({ layer, places }) => {
  const world = <A, E>(
    run: Effect.Effect<A, E, Scope.Scope | Client.Client | Layer.Success<ReturnType<typeof layer>>>
  ) =>
    Effect.suspend(() =>
      Effect.provide(Effect.scoped(run), Layer.provideMerge(Client.layer, layer(`halves-${++prefixes}`)))
    )

  it.live("a result comes back, and a typed error", () =>
    world(
      Effect.gen(function* () {
        assert.match((yield* Broker).location, places[0])
        assert.match((yield* ResultBackend).location, places[1])
        yield* started(Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive)))
        assert.strictEqual(yield* Square.execute({ n: 12 }), 144)
        const error = yield* Effect.flip(Square.execute({ n: 101 }))
        assert.instanceOf(error, TooLarge)
        assert.strictEqual(error.limit, 100)
      })
    )
  )

  it.live("progress and a failed attempt are told, then the result of the next one", () =>
    world(
      Effect.gen(function* () {
        const seen = yield* Deferred.make<void>()
        const handler = Twice.toLayer(({ n }, task) => {
          if (task.attempt > 1) return Effect.succeed(2 * n)
          // its progress was seen before it fails
          return Effect.andThen(task.progress("half"), Effect.andThen(Deferred.await(seen), Effect.die("not yet")))
        })
        const handle = yield* Twice.enqueue({ n: 21 })
        const told: Array<unknown> = []
        const watching = yield* Effect.forkChild(
          Stream.runForEach(handle.changes, (change) => {
            if (change._tag === "Retrying") told.push(["Retrying", change.attempt])
            if (change._tag === "Ended") told.push(["Ended", change.state, change.exit])
            if (change._tag !== "Progress") return Effect.void
            told.push(["Progress", change.value])
            return Deferred.succeed(seen, undefined)
          })
        )
        yield* started(Worker.layer({ tasks: [Twice] }).pipe(Layer.provide(handler)))
        yield* Fiber.join(watching)
        assert.deepStrictEqual(told, [
          ["Progress", "half"],
          ["Retrying", 1],
          ["Ended", "succeeded", Exit.succeed(42)]
        ])
      })
    )
  )

  it.live("a hundred handles are awaited, and their revokes are told", () =>
    world(
      Effect.gen(function* () {
        const handles = yield* Square.enqueueAll(Array.from({ length: 100 }, (_, n) => ({ n })))
        const revoked = handles.slice(50)
        for (const handle of revoked) assert.isTrue(yield* handle.revoke())
        const waiting = yield* Effect.forkChild(
          Effect.forEach(handles, (handle) => Effect.result(handle.await), { concurrency: "unbounded" })
        )
        yield* started(Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive)))
        for (const [n, ended] of (yield* Fiber.join(waiting)).entries()) {
          if (n < 50) assert.deepStrictEqual(ended, Result.succeed(n * n))
          else {
            const error = Result.isFailure(ended) ? ended.failure : undefined
            assert.strictEqual(error?._tag === "TaskEnded" ? error.reason._tag : error, "Revoked")
          }
        }
      })
    )
  )
})

describe("results in the memory of the worker's process", () => {
  it.live("are nobody else's: another process learns that the message has ended, and no more", () =>
    Effect.gen(function* () {
      const layer = Layer.provideMerge(
        Client.layer,
        Notifier.layerBoth(
          CeleriacRedis.layerBroker({ url, prefix: `halves-${++prefixes}` }),
          CeleriacMemory.layerResultBackend
        )
      )
      const elsewhere = Worker.layer({ tasks: [Square] }).pipe(Layer.provide(SquareLive), Layer.provide(layer))
      yield* Effect.gen(function* () {
        const handle = yield* Square.enqueue({ n: 12 })
        yield* started(elsewhere)
        const { locate } = yield* Broker
        // who waits already looks again after some seconds
        yield* Effect.repeat(locate([handle]), { until: ([found]) => found?.place === "ended" })
        const ended = yield* Effect.flip(handle.await)
        assert.strictEqual(ended._tag === "TaskEnded" ? ended.reason._tag : ended._tag, "ResultGone")
      }).pipe(Effect.scoped, Effect.provide(layer))
    })
  )
})

// the script's own words
const redisServer = redisScript as {
  readonly freePort: () => Promise<number>
  readonly startRedis: (...args: ReadonlyArray<string>) => Promise<Life>
}

interface Life {
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** A server that is killed and started again, on its port and with its files. */
const mortal = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const port = yield* Effect.promise(() => redisServer.freePort())
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "celeriac-mortal-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const start = Effect.promise(() => redisServer.startRedis("--port", `${port}`, "--dir", folder, ...args))
    let life: Life = yield* Effect.acquireRelease(start, () => Effect.promise(() => life.stop()))
    const die = Effect.promise(async () => {
      process.kill(life.pid, "SIGKILL")
      await life.stop()
    })
    const restart = Effect.andThen(
      die,
      Effect.map(start, (next) => void (life = next))
    )
    const eye = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const eye = new Redis({ port, retryStrategy: () => 20, maxRetriesPerRequest: null })
        eye.on("error", () => {})
        return eye
      }),
      (eye) => Effect.sync(() => eye.disconnect())
    )
    return { url: `redis://127.0.0.1:${port}`, restart, eye }
  })

describe("a server that dies and comes back", () => {
  const appendOnly = (fsync: string) => ["--appendonly", "yes", "--appendfsync", fsync]
  /** What was handed to the system survives the process, not the machine. */
  const written = async (eye: Redis): Promise<unknown> =>
    /^aof_buffer_length:0\r\n[^]*^aof_pending_bio_fsync:0/m.test(await eye.info("persistence")) || written(eye)

  it.live.each<
    [mode: string, args: ReadonlyArray<string>, save: (eye: Redis) => Promise<unknown>, runs: Array<number>]
  >([
    ["nothing is kept: all of it is gone", [], () => Promise.resolve(), []],
    ["a snapshot: what ended since runs again, what came since is lost", [], (eye) => eye.save(), [1]],
    ["AOF, once a second: nothing that was written is lost", appendOnly("everysec"), () => Promise.resolve(), [2]],
    ["AOF, always: nothing is lost", appendOnly("always"), () => Promise.resolve(), [2]]
  ])(
    "%s",
    ([, args, save, runs]) =>
      Effect.gen(function* () {
        const { eye, restart, url } = yield* mortal(...args)
        const ran: Array<number> = []
        const calm = Flaky.toLayer(({ until }) => Effect.succeed(until))
        const handler = Square.toLayer(({ n }) => {
          ran.push(n)
          return Effect.succeed(n * n)
        })
        const worker = Worker.layer({ tasks: [Square] }).pipe(Layer.provide(handler))
        yield* Effect.gen(function* () {
          // of another queue: it stays
          yield* started(Worker.layer({ tasks: [Flaky], queues: ["other"] }).pipe(Layer.provide(calm)))
          const first = yield* Square.enqueue({ n: 1 })
          yield* Effect.promise(() => save(eye))
          const { stop } = yield* started(worker)
          assert.strictEqual(yield* first.await, 1)
          yield* stop
          const second = yield* Square.enqueue({ n: 2 })
          if (args.length > 0) yield* Effect.promise(() => written(eye))
          ran.length = 0
          yield* restart
          const { counts } = yield* Broker
          yield* Effect.retry(counts("default"), { times: 200, schedule: Schedule.spaced("20 millis") })
          // who comes last shows that the others had their turn
          yield* started(worker)
          assert.strictEqual(yield* Square.execute({ n: 9 }), 81)
          assert.deepStrictEqual(ran, [...runs, 9])
          const known = yield* first.poll
          assert.strictEqual(Option.isSome(known) && Exit.isSuccess(known.value), runs.length > 0)
          const end = Effect.matchEager(second.await, {
            onSuccess: (result) => result,
            onFailure: (error) => (error._tag === "TaskEnded" ? error.reason._tag : error._tag)
          })
          assert.strictEqual(yield* end, runs.includes(2) ? 4 : "ResultGone")
          // the server may not know its consumer any more
          assert.strictEqual(yield* Flaky.execute({ until: 7 }, { queue: "other" }), 7)
        }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer({ url })))
      }).pipe(Effect.scoped),
    20_000
  )
})

describe("the page on Redis", () => {
  /** What follows the heading as a program, with this server in place of its own. */
  const programBehind = (heading: string): string => {
    const page = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8")
    const [, program] = /^```ts nocheck\n(.*?)^```$/ms.exec(page.slice(page.indexOf(heading))) ?? []
    assert.include(program, "redis://localhost:6379")
    return program!.replaceAll("redis://localhost:6379", url)
  }

  it.live(
    "shows a program with one of the stores in memory, which works",
    () =>
      Effect.gen(function* () {
        const program = programBehind("## One of them in memory")
        const { code, errors, output } = yield* Effect.promise(async () => {
          const cwd = fileURLToPath(new URL("..", import.meta.url))
          // the package's own name is found from its folder
          const child = spawn(process.execPath, ["--conditions=@celeriac/source", "--input-type=module-typescript"], {
            cwd
          })
          child.stdin.end(program)
          const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
          const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
          return { code, errors, output }
        })
        assert.strictEqual(code, 0, errors)
        assert.match(program, /\/\/ => /)
        assert.isUndefined(brokenPromise({ document: "redis.md", lines: program.split("\n") }, output))
      }),
    20_000
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
