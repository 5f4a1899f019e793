/** G13: what a handler says is stored up to a size, whatever it says. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker } from "../src/Broker.ts"
import { Client } from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as TaskRecord from "../src/TaskRecord.ts"
import * as Worker from "../src/Worker.ts"
import { defectOf, errorOf, type Services, started, stores, within, type World, world } from "./fixture.ts"

const limit = 10_000

const large = "x".repeat(limit)

class Failed extends Schema.TaggedError<Failed>()("Failed", { text: Schema.String }) {}

class Say extends Task.make("say", {
  success: Schema.String,
  error: Failed,
  progress: Schema.String,
  retry: { times: 2, delay: "1 second", jitter: false, defects: false }
}) {}

type Handler = Task.Handler<typeof Say, never>

/** How a message ends on a worker with this handler, and what is kept of it. */
const endOf = Effect.fnUntraced(function* (handler: Handler) {
  const attempts: Array<number> = []
  const counted: Handler = (payload, context) =>
    Effect.suspend(() => {
      attempts.push(context.attempt)
      return handler(payload, context)
    })
  yield* started(Worker.layer({ tasks: [Say] }).pipe(Layer.provide(Say.toLayer(counted))))
  const handle = yield* Say.enqueue()
  const changes = yield* within("1 minute", Stream.runCollect(handle.changes), "100 millis")
  const exit = yield* Effect.exit(handle.await)
  const record = yield* (yield* Client).poll(handle)
  assert(record !== undefined)
  const [letter] = yield* (yield* Broker).deadLetters("default", { limit: 1 })
  return { attempts, changes, exit, record, letter, size: TaskRecord.encode(record).length }
}, Effect.scoped)

describe.each(stores)("G13: memory is bounded, $store", ({ layer }) => {
  const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope>) =>
    world(layer, (it) => Effect.provide(body(it), Defaults.layer({ maxResultSize: limit })))

  it.effect("a success over the limit is a defect that names both, and is not run again", () =>
    run(({ warnings }) =>
      Effect.gen(function* () {
        const { attempts, exit, letter, record, size } = yield* endOf(() => Effect.succeed(large))
        assert.match(
          String(defectOf(exit)),
          /success value of task "say" makes a record of 1\d{4} characters, the limit is 10000: store the data elsewhere .*maxResultSize/
        )
        assert.strictEqual(record.state, "failed")
        assert.deepStrictEqual(attempts, [1])
        assert.match(letter?.reason ?? "", /too large/)
        assert.isBelow(size, 500)
        assert.isTrue(
          warnings().some((line) => line.includes("makes a record of")),
          "it is logged"
        )
      })
    )
  )

  it.effect("to the character", () =>
    run(() =>
      Effect.gen(function* () {
        const fits =
          limit -
          TaskRecord.encode({
            state: "succeeded",
            endedAt: 0,
            attempts: 1,
            ending: { _tag: "Success", value: "" }
          }).length
        const { exit, size } = yield* endOf(() => Effect.succeed("x".repeat(fits)))
        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(size, limit)
        const over = yield* endOf(() => Effect.succeed("x".repeat(fits + 1)))
        assert.match(String(defectOf(over.exit)), /10001 characters/)
      })
    )
  )

  it.effect("of an ignored result no size is asked", () =>
    run(() =>
      Effect.gen(function* () {
        yield* started(Worker.layer({ tasks: [Say] }).pipe(Layer.provide(Say.toLayer(() => Effect.succeed(large)))))
        const handle = yield* Say.enqueue(undefined, { ignoreResult: true })
        yield* within("1 minute", Effect.exit(handle.await))
        assert.deepStrictEqual(yield* handle.state, Option.some("succeeded"))
      })
    )
  )

  it.effect("an error over the limit is retried as its policy says, and kept as a defect", () =>
    run(() =>
      Effect.gen(function* () {
        const { attempts, changes, exit, record } = yield* endOf(() => new Failed({ text: large }))
        assert.match(String(defectOf(exit)), /error of task "say" makes a record of 1\d{4} characters/)
        assert.strictEqual(record.state, "failed")
        assert.deepStrictEqual(attempts, [1, 2, 3])
        const between = changes.flatMap((change) => (change._tag === "Retrying" ? [change.exit] : []))
        assert.strictEqual(between.length, 2)
        for (const exit of between) assert.match(String(defectOf(exit)), /makes a record of/)
      })
    )
  )

  const details: ReadonlyArray<readonly [what: string, Handler]> = [
    ["a reject", (_, context) => context.reject({ detail: large })],
    ["a defect's message", () => Effect.die(new Error(large))],
    ["a defect's name", () => Effect.die(Object.assign(new Error("a"), { name: large }))],
    ["a defect's causes", () => Effect.die(chain(1000))],
    ["a thrown text", () => Effect.die(large)],
    ["a thrown object", () => Effect.die({ large })],
    ["a thrown object with a message", () => Effect.die({ name: "a", message: "b", large })]
  ]
  it.effect.each(details)("%s is cut", ([, handler]) =>
    run(() =>
      Effect.gen(function* () {
        const { exit, letter, record, size } = yield* endOf(handler)
        assert.isTrue(Exit.isFailure(exit))
        assert.strictEqual(record.state, "failed")
        assert.isBelow(size, 15_000)
        assert.isBelow(letter?.reason.length ?? 0, 2100)
      })
    )
  )

  it.effect("what is cut says so, and is still what it was", () =>
    run(() =>
      Effect.gen(function* () {
        const rejected = errorOf((yield* endOf((_, context) => context.reject({ detail: large }))).exit)
        assert(rejected instanceof TaskEnded && rejected.reason._tag === "Rejected")
        assert.strictEqual(rejected.reason.detail, `${"x".repeat(2000)}…`)
        const died = defectOf((yield* endOf(() => Effect.die(new TypeError(large)))).exit)
        assert(died instanceof Error)
        assert.strictEqual(died.name, "TypeError")
        assert.strictEqual(died.message, `${"x".repeat(2000)}…`)
      })
    )
  )

  it.effect("a progress value over the limit is dropped with a warning; the handler goes on", () =>
    run(({ warnings }) =>
      Effect.gen(function* () {
        const { changes, exit } = yield* endOf((_, context) =>
          Effect.gen(function* () {
            yield* context.progress("small")
            yield* Effect.sleep("1 second")
            yield* context.progress(large)
            yield* Effect.sleep("1 second")
            return "done"
          })
        )
        assert.deepStrictEqual(exit, Exit.succeed("done"))
        const values = changes.flatMap((change) => (change._tag === "Progress" ? [change.value] : []))
        assert.deepStrictEqual(Array.from(new Set(values)), ["small"])
        assert.strictEqual(warnings().filter((line) => /progress value was dropped/.test(line)).length, 1)
      })
    )
  )
})

const chain = (length: number): Error =>
  length === 0 ? new Error("the first") : new Error("a".repeat(100), { cause: chain(length - 1) })
