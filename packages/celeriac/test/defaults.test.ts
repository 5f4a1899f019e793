/** What holds when nobody says otherwise, and how a program changes it. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Client } from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { errorOf, pass, started, stores, turns, world } from "./fixture.ts"

const plain = Effect.map(Defaults.Defaults, (settings) => ({
  ...settings,
  resultTtl: Duration.toMillis(settings.resultTtl),
  dedupeWindow: Duration.toMillis(settings.dedupeWindow),
  publishTimeout: Duration.toMillis(settings.publishTimeout)
}))

const documented = {
  queue: "default",
  priority: 5,
  resultTtl: 86_400_000,
  dedupeWindow: 600_000,
  publishTimeout: 5000,
  publishBuffer: 10_000,
  maxMessageSize: 1_048_576,
  maxResultSize: 1_048_576,
  maxDeliveries: 5
}

describe("Defaults", () => {
  it.effect("are what the documentation says", () =>
    Effect.map(plain, (settings) => assert.deepStrictEqual(settings as unknown, documented))
  )

  const changes = {
    queue: "q",
    priority: 9,
    resultTtl: "1 hour",
    dedupeWindow: 5,
    publishTimeout: "1 second",
    publishBuffer: 1,
    maxMessageSize: 10,
    maxResultSize: 20,
    maxDeliveries: 1
  } as const
  const expected: Record<string, unknown> = { ...changes, resultTtl: 3_600_000, publishTimeout: 1000 }
  it.effect.each(Object.keys(changes) as Array<keyof typeof changes>)("%s is changed alone", (key) =>
    plain.pipe(
      Effect.map((settings) => assert.deepStrictEqual(settings as unknown, { ...documented, [key]: expected[key] })),
      Effect.provide(Defaults.layer({ [key]: changes[key] }))
    )
  )

  it.effect("layers are stacked", () =>
    plain.pipe(
      Effect.map((settings) => assert.deepInclude(settings, { queue: "inner", priority: 1, maxDeliveries: 3 })),
      Effect.provide(
        Defaults.layer({ queue: "inner" }).pipe(
          Layer.provideMerge(Defaults.layer({ queue: "outer", priority: 1 })),
          Layer.provideMerge(Defaults.layer({ priority: 2, maxDeliveries: 3 }))
        )
      )
    )
  )
})

describe.each(stores)("below a whole program: $store", ({ layer }) => {
  class Job extends Task.make("job") {}

  it.effect("queue, priority, times", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const defaults = yield* Defaults.Defaults
        const program = Effect.gen(function* () {
          const { stop } = yield* started(
            Worker.layer({ tasks: [Job] }).pipe(
              Layer.provide(Job.toLayer((_, { queue }) => Effect.sync(() => void seen.push(queue))))
            )
          )
          const handle = yield* Job.enqueue(undefined, { id: "a" })
          assert.strictEqual(handle.queue, "mine")
          yield* turns
          assert.deepStrictEqual(seen, ["mine"], "the worker's default queue is the program's")
          const record = yield* (yield* Client).poll(handle)
          assert.strictEqual(record?.state, "succeeded")
          yield* stop
          yield* pass("50 seconds", "10 seconds")
          assert.strictEqual(errorOf(yield* Effect.exit(Job.enqueue(undefined, { id: "a" }))).reason._tag, "Duplicate")
          yield* pass("20 seconds", "10 seconds")
          assert.deepStrictEqual(yield* handle.state, Option.none())
          yield* Job.enqueue(undefined, { id: "a" })
        })
        yield* Effect.provideService(program, Defaults.Defaults, {
          ...defaults,
          queue: "mine",
          resultTtl: Duration.minutes(1),
          dedupeWindow: Duration.seconds(10)
        })
      })
    )
  )
})

describe("values that make no sense", () => {
  it.effect.each([
    null,
    5,
    { prioritty: 5 },
    { maxResultSize: 0 },
    { resultTtl: 1e300 },
    { priority: 10 },
    { priority: -1 },
    { queue: "a b" },
    { maxDeliveries: 0 },
    { publishBuffer: 0 },
    { maxMessageSize: -1 },
    { resultTtl: -1 },
    { dedupeWindow: "soon" },
    { publishTimeout: Number.NaN }
  ] as ReadonlyArray<object>)("%o is refused where it is given", (options) =>
    Effect.gen(function* () {
      const error = errorOf(yield* Effect.exit(Effect.provide(plain, Defaults.layer(options))))
      assert.instanceOf(error, Defaults.DefaultsError)
      assert.match(error.message, /^Defaults.layer: /)
      assert.match(error.problems[0]!, new RegExp(Object.keys(options ?? {})[0] ?? "must be an object"))
    })
  )
})
