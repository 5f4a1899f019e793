import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TaskRecord from "../src/TaskRecord.ts"

const endedAt = 1_700_000_000_000

// These texts lie in the databases of running systems: a change that breaks one of them needs a new version of the format.
const golden: ReadonlyArray<readonly [wire: string, TaskRecord.TaskRecord]> = [
  [
    `1s1700000000000{"v":{"n":1}}`,
    { state: "succeeded", endedAt, attempts: 1, ending: { _tag: "Success", value: { n: 1 } } }
  ],
  [`1s1700000000000`, { state: "succeeded", endedAt, attempts: 1, ending: { _tag: "Success", value: null } }],
  [
    `1s1700000000000{"v":false}`,
    { state: "succeeded", endedAt, attempts: 1, ending: { _tag: "Success", value: false } }
  ],
  [
    `1s1700000000000{"v":"","n":4}`,
    { state: "succeeded", endedAt, attempts: 4, ending: { _tag: "Success", value: "" } }
  ],
  [`1s1700000000000{"i":1}`, { state: "succeeded", endedAt, attempts: 1, ending: { _tag: "Gone" } }],
  [
    `1f1700000000000{"e":{"_tag":"Boom"},"n":3}`,
    { state: "failed", endedAt, attempts: 3, ending: { _tag: "Error", error: { _tag: "Boom" } } }
  ],
  [`1f1700000000000{"e":null}`, { state: "failed", endedAt, attempts: 1, ending: { _tag: "Error", error: null } }],
  [`1f1700000000000{"d":"x"}`, { state: "failed", endedAt, attempts: 1, ending: { _tag: "Defect", defect: "x" } }],
  [
    `1f1700000000000{"w":{"_tag":"Rejected"}}`,
    { state: "failed", endedAt, attempts: 1, ending: { _tag: "Reason", reason: { _tag: "Rejected" } } }
  ],
  [
    `1r1700000000000{"w":{"_tag":"Revoked"}}`,
    { state: "revoked", endedAt, attempts: 0, ending: { _tag: "Reason", reason: { _tag: "Revoked" } } }
  ],
  [
    `1x1700000000000{"w":{"_tag":"Expired"}}`,
    { state: "expired", endedAt, attempts: 0, ending: { _tag: "Reason", reason: { _tag: "Expired" } } }
  ],
  [
    `1i1700000000000{"w":{"_tag":"Ignored"},"n":1}`,
    { state: "ignored", endedAt, attempts: 1, ending: { _tag: "Reason", reason: { _tag: "Ignored" } } }
  ],
  [
    `1d1700000000000{"w":{"_tag":"Undecodable","detail":"x"}}`,
    { state: "dead", endedAt, attempts: 0, ending: { _tag: "Reason", reason: { _tag: "Undecodable", detail: "x" } } }
  ],
  [`1s0000000000000{"n":0}`, { state: "succeeded", endedAt: 0, attempts: 0, ending: { _tag: "Success", value: null } }]
]

describe("the record, to the letter", () => {
  it.each(golden)("%s", (wire, record) => {
    assert.strictEqual(TaskRecord.encode(record), wire)
    assert.deepStrictEqual(Result.getOrThrow(TaskRecord.decode(wire)), record)
    assert.strictEqual(TaskRecord.stateOf(wire), record.state)
  })

  it("an error that JSON would leave out is no success", () => {
    const record: TaskRecord.TaskRecord = {
      state: "failed",
      endedAt: 0,
      attempts: 1,
      ending: { _tag: "Error", error: undefined }
    }
    assert.deepStrictEqual(Result.getOrThrow(TaskRecord.decode(TaskRecord.encode(record))).ending, {
      _tag: "Error",
      error: null
    })
  })

  it("fractions of milliseconds are cut", () => {
    const wire = TaskRecord.encode({ state: "revoked", endedAt: endedAt + 0.9, attempts: 0, ending: { _tag: "Gone" } })
    assert.strictEqual(wire, `1r1700000000000{"i":1}`)
  })
})

const whole = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 9_999_999_999_999 }), Schema.isInt())
const AnyRecord = Schema.Struct({
  state: Schema.Literals(["succeeded", "failed", "revoked", "expired", "ignored", "dead"]),
  endedAt: whole,
  attempts: whole,
  ending: Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("Success"), value: Schema.Json }),
    Schema.Struct({ _tag: Schema.Literal("Error"), error: Schema.Json }),
    Schema.Struct({ _tag: Schema.Literal("Defect"), defect: Schema.Json }),
    Schema.Struct({ _tag: Schema.Literal("Reason"), reason: Schema.Json }),
    Schema.Struct({ _tag: Schema.Literal("Gone") })
  ])
})

describe("any record", () => {
  it.prop(
    "survives the store",
    [AnyRecord],
    ([record]) => {
      const expected: unknown = JSON.parse(JSON.stringify(record))
      const decoded = Result.getOrThrow(TaskRecord.decode(TaskRecord.encode(record)))
      assert.deepStrictEqual(decoded, expected)
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop("any text is a record or a reason", [Schema.String], ([wire]) => {
    for (const candidate of [wire, `1s${wire}`, `1s1700000000000${wire}`, `1f1700000000000{${wire}}`]) {
      const result = TaskRecord.decode(candidate)
      if (Result.isFailure(result)) assert.isNotEmpty(result.failure)
      TaskRecord.stateOf(candidate)
      TaskRecord.decodeAttempt(candidate)
    }
  })
})

describe("what is no record", () => {
  it.each([
    "",
    "1",
    "1s",
    "1s17",
    "1q1700000000000",
    "2s1700000000000",
    "1s17000000000xx",
    "1s1700000000.00",
    "1s             ",
    "1s-170000000000",
    "1s1.70000000e12",
    "1s1700000000000{",
    "1s1700000000000null",
    "1s1700000000000[]",
    "1s17000000000007",
    `1s1700000000000"v"`,
    `1s1700000000000{"n":"many"}`,
    `1s1700000000000{"n":-1}`,
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "\ud800".repeat(20)
  ])("%j", (wire) => {
    const result = TaskRecord.decode(wire)
    assert(Result.isFailure(result), "it was read")
    assert.isBelow(result.failure.length, 200)
  })

  it("a megabyte of something else", () => {
    const result = TaskRecord.decode("x".repeat(1_000_000))
    assert(Result.isFailure(result))
    assert.isBelow(result.failure.length, 200)
  })

  it("keys of later versions are ignored", () => {
    const record = Result.getOrThrow(TaskRecord.decode(`1s1700000000000{"v":1,"zz":2,"__proto__":{"e":1}}`))
    assert.deepStrictEqual(record.ending, { _tag: "Success", value: 1 })
  })
})

describe("notes of attempts", () => {
  const note: TaskRecord.AttemptNote = {
    attempt: 1,
    at: 2,
    nextAt: 3,
    worker: "w",
    ending: { _tag: "Error", error: { code: 1 } }
  }
  it("survive", () => assert.deepStrictEqual(TaskRecord.decodeAttempt(TaskRecord.encodeAttempt(note)), note))

  it.each([
    "",
    "x",
    "null",
    "1",
    "[]",
    "{}",
    `{"ending":1}`,
    `{"ending":{}}`,
    `{"attempt":"1","ending":{"_tag":"Gone"}}`
  ])("%s is none", (value) => assert.isUndefined(TaskRecord.decodeAttempt(value)))
})
