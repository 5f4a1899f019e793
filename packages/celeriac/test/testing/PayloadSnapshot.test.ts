import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Task from "../../src/Task.ts"
import { PayloadSnapshot } from "../../src/testing/index.ts"
import { SendMail } from "./fixtures.ts"

class Report extends Task.make("report", {
  payload: { year: Schema.Number, parts: Schema.Array(Schema.String) }
}) {}

const samples = [{ year: 2026, parts: ["a", "b"] }]

/** Tasks of the next version of a program, and what the check of a snapshot of `Report` says of each. */
const changes: Record<string, readonly [task: Task.AnyWithProps, reason?: string, issue?: RegExp]> = {
  "nothing changed": [Report],
  "a new optional field": [
    Task.make("report", {
      payload: { year: Schema.Number, parts: Schema.Array(Schema.String), author: Schema.optionalKey(Schema.String) }
    })
  ],
  "a new field with a default for decoding": [
    Task.make("report", {
      payload: {
        year: Schema.Number,
        parts: Schema.Array(Schema.String),
        author: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("nobody")))
      }
    })
  ],
  "a new required field": [
    Task.make("report", {
      payload: { year: Schema.Number, parts: Schema.Array(Schema.String), author: Schema.String }
    }),
    "Unreadable",
    /author/
  ],
  "a new required field, with version and upgrade": [
    Task.make("report", {
      payload: { year: Schema.Number, parts: Schema.Array(Schema.String), author: Schema.String },
      version: 2,
      upgrades: { 1: (old) => ({ ...(old as object), author: "nobody" }) }
    })
  ],
  "a new version without an upgrade": [
    Task.make("report", { payload: { year: Schema.Number, parts: Schema.Array(Schema.String) }, version: 2 }),
    "Unreadable",
    /no upgrade/
  ],
  "an upgrade that throws": [
    Task.make("report", {
      payload: { year: Schema.Number, parts: Schema.Array(Schema.String) },
      version: 2,
      upgrades: {
        1: () => {
          throw new Error("boom")
        }
      }
    }),
    "Unreadable",
    /boom/
  ],
  "an upgrade that makes nothing of it": [
    Task.make("report", {
      payload: { year: Schema.Number, parts: Schema.Array(Schema.String) },
      version: 2,
      upgrades: { 1: () => ({ year: "x" }) }
    }),
    "Unreadable",
    /year/
  ],
  "a stricter check": [
    Task.make("report", {
      payload: { year: Schema.Number.check(Schema.isGreaterThan(3000)), parts: Schema.Array(Schema.String) }
    }),
    "Unreadable",
    /year/
  ],
  "another type": [
    Task.make("report", { payload: { year: Schema.String, parts: Schema.Array(Schema.String) } }),
    "Unreadable",
    /year/
  ],
  "a removed field": [
    Task.make("report", { payload: { parts: Schema.Array(Schema.String) } }),
    "VersionNotRaised",
    /payload\.year is not written any more/
  ],
  "a removed field, with a version": [
    Task.make("report", {
      payload: { parts: Schema.Array(Schema.String) },
      version: 2,
      upgrades: { 1: (old) => old }
    })
  ],
  "a field that reads both forms and writes the new one": [
    Task.make("report", {
      payload: {
        year: Schema.Union([Schema.Number, Schema.String]).pipe(
          Schema.decodeTo(Schema.Struct({ from: Schema.Number }), {
            decode: SchemaGetter.transform((year: number | string) => ({ from: Number(year) })),
            encode: SchemaGetter.transform(({ from }: { readonly from: number }) => `${from}`)
          })
        ),
        parts: Schema.Array(Schema.String)
      }
    }),
    "VersionNotRaised",
    /payload\.year was 2026, and is written as "2026" now/
  ],
  "another name": [
    Task.make("reports", { payload: { year: Schema.Number, parts: Schema.Array(Schema.String) } }),
    "OtherTask",
    /"report"/
  ]
}

describe("PayloadSnapshot.check", () => {
  for (const [name, [task, reason, issue]] of Object.entries(changes)) {
    it.effect(
      `${name}: ${reason ?? "passes"}`,
      () =>
        Effect.gen(function* () {
          const snapshot = yield* PayloadSnapshot.make(Report, { samples })
          const result = yield* Effect.result(PayloadSnapshot.check(task, snapshot))
          if (reason === undefined) return assert.strictEqual(result._tag, "Success", JSON.stringify(result))
          assert(result._tag === "Failure")
          assert.strictEqual(result.failure.reason._tag, reason)
          assert.match(result.failure.message, issue!)
          assert.match(result.failure.message, /^task "reports?": /)
        }) as Effect.Effect<void, PayloadSnapshot.PayloadSnapshotError>
    )
  }

  it.effect("the error shows the payload", () =>
    Effect.gen(function* () {
      const snapshot = yield* PayloadSnapshot.make(Report, { samples, count: 0 })
      const { reason } = yield* Effect.flip(
        PayloadSnapshot.check(Task.make("report", { payload: { year: Schema.String } }), snapshot)
      )
      assert(reason._tag === "Unreadable")
      assert.deepStrictEqual([reason.version, reason.payload], [1, '{"year":2026,"parts":["a","b"]}'])
    })
  )

  it.effect("a payload of a newer version than the task's is told", () =>
    Effect.gen(function* () {
      const newer = Task.make("report", { payload: { year: Schema.Number }, version: 2 })
      const snapshot = yield* PayloadSnapshot.make(newer)
      const { message } = yield* Effect.flip(PayloadSnapshot.check(Report, snapshot))
      assert.match(message, /has version 2; this worker knows version 1/)
    })
  )

  for (const text of ["", "{}", "[1]", `{"task":"report"}`, `{"task":"report","payloads":[1]}`]) {
    it.effect(`${JSON.stringify(text)} is no snapshot`, () =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(PayloadSnapshot.check(Report, text))
        assert.strictEqual(reason._tag, "NotASnapshot")
      })
    )
  }
})

describe("PayloadSnapshot.make", () => {
  it.effect("writes the given payloads first, one a line, then others from the schema, always the same", () =>
    Effect.gen(function* () {
      const text = yield* PayloadSnapshot.make(Report, { samples, count: 20 })
      assert.strictEqual(text, yield* PayloadSnapshot.make(Report, { samples, count: 20 }))
      const lines = text.split("\n")
      assert.strictEqual(lines[1], `  "task": "report",`)
      assert.strictEqual(lines[3], `    {"version":1,"payload":{"year":2026,"parts":["a","b"]}},`)
      assert.isAbove(lines.length, 15)
    })
  )

  it.effect("works for every kind of value, and for a task without payload", () =>
    Effect.gen(function* () {
      yield* PayloadSnapshot.check(SendMail, yield* PayloadSnapshot.make(SendMail, { count: 50 }))
      const Nothing = Task.make("nothing")
      const text = yield* PayloadSnapshot.make(Nothing)
      assert.match(text, /\{"version":1,"payload":null\}/)
      yield* PayloadSnapshot.check(Nothing, text)
    })
  )

  it.effect("keeps the payloads of older versions", () =>
    Effect.gen(function* () {
      const first = yield* PayloadSnapshot.make(Report, { samples, count: 0 })
      const next = Task.make("report", {
        payload: { years: Schema.Array(Schema.Number) },
        version: 2,
        upgrades: { 1: (old) => ({ years: [(old as { readonly year: number }).year] }) }
      })
      const second = yield* PayloadSnapshot.make(next, { samples: [{ years: [1] }], count: 0, previous: first })
      assert.deepStrictEqual(JSON.parse(second), {
        task: "report",
        payloads: [
          { version: 1, payload: { year: 2026, parts: ["a", "b"] } },
          { version: 2, payload: { years: [1] } }
        ]
      })
      yield* PayloadSnapshot.check(next, second)
      // again at the same version: what it wrote itself is written anew
      assert.strictEqual(
        yield* PayloadSnapshot.make(next, { samples: [{ years: [1] }], count: 0, previous: second }),
        second
      )
    })
  )

  it.effect("a sample that does not fit, and a schema that nothing can be made up from, are told", () =>
    Effect.gen(function* () {
      const invalid = yield* Effect.flip(
        PayloadSnapshot.make(Report, { samples: [...samples, { year: "x" } as never] })
      )
      assert(invalid.reason._tag === "InvalidSample")
      assert.strictEqual(invalid.reason.index, 1)
      class Opaque {}
      const strange = Task.make("strange", { payload: Schema.instanceOf(Opaque) })
      const none = yield* Effect.flip(PayloadSnapshot.make(strange))
      assert.strictEqual(none.reason._tag, "NoSamples")
    })
  )
})
