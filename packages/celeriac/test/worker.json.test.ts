import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"

/** A schema that checks nothing lets everything pass. */
class Anything extends Task.make("anything", {
  payload: { kind: Schema.Any },
  success: Schema.Any,
  error: Schema.Any
}) {}

const cycle: { self?: unknown } = {}
cycle.self = cycle

const values: Readonly<Record<string, unknown>> = {
  "a bigint": 5n,
  "a cycle": cycle,
  "a toJSON that throws": {
    toJSON: () => {
      throw new Error("no")
    }
  }
}

const Live = Worker.layer({ tasks: [Anything], concurrency: 2 }).pipe(
  Layer.provide(
    Anything.toLayer(({ kind }: { kind: string }) =>
      kind.startsWith("fail ") ? Effect.fail(values[kind.slice(5)]) : Effect.succeed(values[kind] ?? kind)
    )
  ),
  Layer.provideMerge(CeleriacMemory.layer)
)

describe("G7: values that have no JSON", () => {
  it.effect.each(Object.keys(values).flatMap((name) => [name, `fail ${name}`]))(
    "%s as result: a defect, and the worker goes on",
    (kind) =>
      Effect.gen(function* () {
        const cause = yield* Effect.flip(Effect.sandbox(Anything.execute({ kind })))
        assert.isTrue(cause.reasons.some(Cause.isDieReason))
        // both slots are free, and the next one runs
        for (const next of ["x", "y", "z"]) assert.strictEqual(yield* Anything.execute({ kind: next }), next)
      }).pipe(Effect.provide(Live))
  )

  it.effect.each(Object.keys(values))("%s as payload: refused before anything is sent", (name) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Anything.enqueue({ kind: values[name] }))
      assert.strictEqual(error.reason._tag, "InvalidPayload")
    }).pipe(Effect.provide(Live))
  )
})
