/** How long results are kept, and ids refused. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { errorOf, exitWithin, pass, started, stores, within, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}

const serve = started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Job.toLayer(({ n }) => Effect.succeed(n)))))

/** A message that has ended. */
const ended = Effect.fnUntraced(function* (options: EnqueueOptions) {
  const { stop } = yield* serve
  const handle = yield* Job.enqueue({ n: 1 }, options)
  yield* within("1 second", Effect.exit(handle.await))
  yield* stop
  return handle
})

const minutes = (count: number) => pass(`${count} minutes`, "30 seconds")

const isFree = (id: string) => Effect.map(Effect.exit(Job.enqueue({ n: 2 }, { id })), ({ _tag }) => _tag === "Success")

describe.each(stores)("$store", ({ layer }) => {
  it.effect("a result that is to live for a minute does not live for ten, and its state does", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* ended({ resultTtl: "1 minute" })
        yield* pass("59 seconds", "1 second")
        assert.strictEqual(yield* within(0, handle.await), 1)
        yield* pass("1 second")
        assert.strictEqual(errorOf(yield* exitWithin(0, handle.await)).reason._tag, "ResultGone")
        assert.deepStrictEqual(yield* handle.state, Option.some("succeeded"))
        yield* minutes(9)
        assert.deepStrictEqual(yield* handle.state, Option.none())
      })
    )
  )

  /** How long the id of an ended message is refused, in minutes. */
  const refusals: Record<string, readonly [options: EnqueueOptions, refused: number]> = {
    "whose result is kept for a minute": [{ resultTtl: "1 minute" }, 10],
    "whose result is kept for an hour": [{ resultTtl: "1 hour" }, 60],
    "whose result is ignored": [{ ignoreResult: true }, 10],
    "whose result is ignored and would be kept for an hour": [{ ignoreResult: true, resultTtl: "1 hour" }, 10]
  }
  it.effect.each(Object.entries(refusals))("the id of a message %s", ([, [options, refused]]) =>
    world(layer, () =>
      Effect.gen(function* () {
        yield* ended({ id: "own", ...options })
        yield* minutes(refused - 1)
        assert.isFalse(yield* isFree("own"))
        yield* minutes(1)
        assert.isTrue(yield* isFree("own"))
      })
    )
  )

  it.effect("a forgotten id is refused for the rest of the dedupe window, and free then", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const handle = yield* ended({ id: "own" })
        yield* minutes(3)
        yield* handle.forget
        assert.strictEqual(errorOf(yield* exitWithin(0, handle.await)).reason._tag, "ResultGone")
        yield* minutes(6)
        assert.isFalse(yield* isFree("own"))
        yield* minutes(1)
        assert.isTrue(yield* isFree("own"))
      })
    )
  )

  it.effect(
    "one that is forgotten after the window is free at once, and the next message has a result of its own",
    () =>
      world(layer, () =>
        Effect.gen(function* () {
          const handle = yield* ended({ id: "own" })
          yield* minutes(11)
          yield* handle.forget
          const next = yield* Job.enqueue({ n: 5 }, { id: "own" })
          yield* serve
          assert.strictEqual(yield* within("1 second", next.await), 5)
        })
      )
  )
})
