/** Tasks that are served together. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import { TaskContext } from "../src/TaskContext.ts"
import * as TaskGroup from "../src/TaskGroup.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, errorOf, exitWithin, started, stores, turns, within, world } from "./fixture.ts"

class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

class Hello extends Task.make("hello", { payload: { name: Schema.String }, success: Schema.String }) {}
class Fails extends Task.make("fails", { error: Boom, queue: "other" }) {}
class Log extends Task.make("log", { payload: Schema.String }) {}

const Group = TaskGroup.make(Hello, Fails)

describe.each(stores)("a group: $store", ({ layer }) => {
  it.effect("one table of handlers, one entry in the worker; services come from the Layer", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const Live = Group.toLayer({
          hello: ({ name }) => Effect.map(Greeting, (greeting) => `${greeting} ${name}`),
          fails: () => Effect.flatMap(TaskContext, ({ attempt }) => Effect.fail(new Boom({ code: attempt })))
        })
        yield* started(
          Worker.layer({ tasks: [Group] }).pipe(Layer.provide(Live), Layer.provide(Layer.succeed(Greeting, "hi")))
        )
        assert.strictEqual(yield* within(0, (yield* Hello.enqueue({ name: "you" })).await), "hi you")
        assert.deepStrictEqual(
          errorOf(yield* exitWithin(0, (yield* Fails.enqueue()).await)),
          new Boom({ code: 1 }),
          "its queue is served as well"
        )
      })
    )
  )

  it.effect("the table may come from an effect, which is run once for each worker and may use a scope", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const events: Array<string> = []
        const Live = Group.toLayer(
          Effect.gen(function* () {
            const greeting = yield* Greeting
            events.push("open")
            yield* Effect.addFinalizer(() => Effect.sync(() => events.push("close")))
            return {
              hello: ({ name }: { readonly name: string }) => Effect.succeed(`${greeting} ${name}`),
              fails: () => Effect.void
            }
          })
        )
        const Main = Worker.layer({ tasks: [Group] }).pipe(
          Layer.provide(Live),
          Layer.provide(Layer.succeed(Greeting, "hi"))
        )
        const worker = yield* started(Main)
        for (const name of ["a", "b"]) {
          assert.strictEqual(yield* within(0, (yield* Hello.enqueue({ name })).await), `hi ${name}`)
        }
        assert.deepStrictEqual(events, ["open"])
        yield* within(0, worker.stop)
        assert.deepStrictEqual(events, ["open", "close"])
      })
    )
  )

  it.effect("groups grow by tasks and by groups", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const Whole = TaskGroup.make(Hello).add(Fails).merge(TaskGroup.make(Log))
        assert.deepStrictEqual(Array.from(Whole.tasks.keys()), ["hello", "fails", "log"])
        const Live = Whole.toLayer({
          hello: () => Effect.succeed("hi"),
          fails: () => Effect.void,
          log: (text) => Effect.sync(() => void seen.push(text))
        })
        yield* started(Worker.layer({ tasks: [Whole] }).pipe(Layer.provide(Live)))
        yield* Log.enqueue("a")
        yield* turns
        assert.deepStrictEqual(seen, ["a"])
      })
    )
  )

  it.effect("a handler that is closed with the worker runs its finalizers before its services go", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const events: Array<string> = []
        class Database extends Context.Service<Database, { readonly isOpen: () => boolean }>()("test/Database") {}
        const DatabaseLive = Layer.effect(
          Database,
          Effect.gen(function* () {
            let open = true
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => {
                open = false
                events.push("closed")
              })
            )
            return { isOpen: () => open }
          })
        )
        const LogLive = Log.toLayer(() =>
          Effect.gen(function* () {
            const database = yield* Database
            return yield* Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => void events.push(`finalizer, open: ${database.isOpen()}`))
            )
          })
        )
        const worker = yield* started(
          Worker.layer({ tasks: [Log], drainLimit: "1 second" }).pipe(
            Layer.provide(LogLive),
            Layer.provide(DatabaseLive)
          )
        )
        yield* Log.enqueue("a")
        yield* turns
        yield* within("2 seconds", worker.stop)
        assert.deepStrictEqual(events, ["finalizer, open: true", "closed"])
      })
    )
  )

  it.effect("a handler that asks for a scope gets one of its own, closed when its run ends", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const events: Array<string> = []
        const LogLive = Log.toLayer((text) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer((exit) => Effect.sync(() => events.push(`close ${text} ${exit._tag}`)))
            events.push(`run ${text}`)
            if (text === "b") return yield* Effect.die("no")
          })
        )
        yield* started(Worker.layer({ tasks: [Log], concurrency: 1 }).pipe(Layer.provide(LogLive)))
        const handles = yield* Log.enqueueAll(["a", "b", "c"])
        yield* within(
          0,
          Effect.forEach(handles, (handle) => Effect.exit(handle.await))
        )
        assert.deepStrictEqual(events, [
          "run a",
          "close a Success",
          "run b",
          "close b Failure",
          "run c",
          "close c Success"
        ])
      })
    )
  )
})
