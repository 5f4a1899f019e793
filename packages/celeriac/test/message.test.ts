import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Message from "../src/Message.ts"
import * as TaskId from "../src/TaskId.ts"

const address = { id: "a", queue: "q" }

const decode = (wire: string) => Message.decode(address, wire)

const read = (wire: string): Message.Message => Result.getOrThrow(decode(wire))

const refusal = (wire: string): Message.Unreadable => {
  const result = decode(wire)
  assert(Result.isFailure(result), "it was read")
  return result.failure
}

const least: Message.Message = { ...address, task: "t", priority: 5 }

/** A value for each field, and what the wire says of it. */
const samples: ReadonlyArray<readonly [Partial<Message.Message>, json: string]> = [
  [{ payload: { n: 1, s: "ü", list: [null, true, 1.5] } }, `"p":{"n":1,"s":"ü","list":[null,true,1.5]}`],
  [{ payload: null }, `"p":null`],
  [{ payload: "text" }, `"p":"text"`],
  [{ payloadVersion: 3 }, `"v":3`],
  [{ contentType: "application/cbor" }, `"ct":"application/cbor"`],
  [{ compression: "gzip" }, `"z":"gzip"`],
  [{ keyId: "k1" }, `"k":"k1"`],
  [{ enqueuedAt: 1_700_000_000_000 }, `"e":1700000000000`],
  [{ attempts: 2 }, `"n":2`],
  [{ attemptTimes: [1, 2] }, `"at":[1,2]`],
  [{ requeues: 1 }, `"rq":1`],
  [{ snoozes: 4 }, `"sn":4`],
  [{ softTimeLimit: 100 }, `"s":100`],
  [{ timeLimit: 0 }, `"h":0`],
  [{ retries: 0 }, `"r":0`],
  [{ expiresAt: 9 }, `"x":9`],
  [{ resultTtl: 60_000 }, `"l":60000`],
  [{ ignoreResult: false }, `"i":false`],
  [{ ack: "early" }, `"a":"early"`],
  [{ uniqueKey: "u" }, `"u":"u"`],
  [{ fairnessKey: "g" }, `"g":"g"`],
  [{ canvas: ["c", "0"] }, `"c":["c","0"]`],
  [{ parentId: "p" }, `"pi":"p"`],
  [{ rootId: "r" }, `"ri":"r"`],
  [{ traceparent: "00-1-2-01" }, `"tp":"00-1-2-01"`],
  [{ tracestate: "a=b" }, `"ts":"a=b"`],
  [{ baggage: "c=d" }, `"b":"c=d"`],
  [{ ownId: true }, `"o":true`],
  [{ headers: { a: "1", __proto_: "2" } }, `"hd":{"a":"1","__proto_":"2"}`],
  [{ replyTo: "client" }, `"rt":"client"`]
]

const keyOf = (field: string): string => Object.entries(Message.fields).find(([, known]) => known.field === field)![0]

// These texts lie in the queues of running systems: a change that breaks one of them needs a new version of the format.
describe("the wire form, to the letter", () => {
  it("the least message", () => assert.strictEqual(Message.encode(least), `15{"t":"t"}`))

  it.each(samples)("%o is %s", (fields, json) => {
    const message = { ...least, ...fields }
    const wire = `15{"t":"t",${json}}`
    assert.strictEqual(Message.encode(message), wire)
    assert.deepStrictEqual(read(wire), message)
  })

  it("every field has a sample", () => {
    const known = Object.values(Message.fields).map(({ field }) => field)
    const sampled = new Set(["task", ...samples.flatMap(([fields]) => Object.keys(fields))])
    assert.deepStrictEqual(new Set(known), sampled)
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const)("priority %i is the second character", (priority) => {
    const wire = Message.encode({ ...least, priority })
    assert.strictEqual(wire, `1${priority}{"t":"t"}`)
    assert.strictEqual(read(wire).priority, priority)
  })

  it("the id, the queue and fields without a value are no part of it", () => {
    const none = Object.fromEntries(Object.values(Message.fields).map(({ field }) => [field, undefined]))
    assert.strictEqual(Message.encode({ ...none, ...least }), `15{"t":"t"}`)
    assert.deepStrictEqual(Result.getOrThrow(Message.decode({ id: "other", queue: "elsewhere" }, `15{"t":"t"}`)), {
      ...least,
      id: "other",
      queue: "elsewhere"
    })
  })

  it("unknown keys are ignored, also those that objects have by nature", () => {
    const wire = `17{"t":"t","zz":1,"__proto__":{"attempts":9},"constructor":1,"toString":"x","hasOwnProperty":[],"id":"x"}`
    assert.deepStrictEqual(read(wire), { ...least, priority: 7 })
    assert.isUndefined(read(wire).attempts)
  })
})

const whole = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Schema.isInt())
const text = Schema.String
const optional = Schema.optionalKey

const AnyMessage = Schema.Struct({
  id: text,
  queue: text,
  task: Schema.NonEmptyString,
  priority: Schema.Literals([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
  payload: optional(Schema.Json),
  payloadVersion: optional(whole),
  contentType: optional(text),
  compression: optional(text),
  keyId: optional(text),
  ownId: optional(Schema.Boolean),
  enqueuedAt: optional(whole),
  attempts: optional(whole),
  attemptTimes: optional(Schema.Tuple([whole, whole])),
  requeues: optional(whole),
  snoozes: optional(whole),
  softTimeLimit: optional(whole),
  timeLimit: optional(whole),
  retries: optional(whole),
  expiresAt: optional(whole),
  resultTtl: optional(whole),
  ignoreResult: optional(Schema.Boolean),
  ack: optional(Schema.Literals(["early", "late"])),
  uniqueKey: optional(text),
  fairnessKey: optional(text),
  canvas: optional(Schema.Tuple([text, text])),
  parentId: optional(text),
  rootId: optional(text),
  traceparent: optional(text),
  tracestate: optional(text),
  baggage: optional(text),
  headers: optional(Schema.Record(text, text)),
  replyTo: optional(text)
})

describe("any message", () => {
  it("the property covers every field", () =>
    assert.deepStrictEqual(
      new Set(Object.keys(AnyMessage.fields)),
      new Set(["id", "queue", "priority", ...Object.values(Message.fields).map(({ field }) => field)])
    ))

  it.prop(
    "survives the wire",
    [AnyMessage],
    ([message]) => {
      // as JSON, which knows no -0
      const expected: unknown = JSON.parse(JSON.stringify(message))
      const wire = Message.encode(message)
      const decoded = Result.getOrThrow(Message.decode(message, wire))
      assert.deepStrictEqual(decoded, expected)
      assert.strictEqual(Message.encode(decoded), wire, "and is written the same again")
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "any text is a message or a reason",
    [text],
    ([wire]) => {
      for (const candidate of [wire, `1${wire}`, `15${wire}`, `15{${wire}}`, `15{"t":"t",${wire}}`]) {
        const result = decode(candidate)
        if (Result.isFailure(result)) assert.isNotEmpty(result.failure.detail)
      }
    },
    { arbitrary: { runs: 200 } }
  )
})

describe("a field of the wrong kind is named", () => {
  const strangers: ReadonlyArray<unknown> = [
    null,
    true,
    "text",
    "",
    -1,
    1.5,
    1e300,
    [],
    [1],
    [1, -1],
    [1, "2"],
    ["1", 2],
    ["a", "b", "c"],
    {},
    { a: 1 },
    { a: null }
  ]
  const accepts: Record<string, (value: unknown) => boolean> = {
    text: (value) => typeof value === "string",
    "whole number": (value) => Number.isSafeInteger(value) && Number(value) >= 0,
    "true or false": (value) => typeof value === "boolean",
    [`"early" or "late"`]: () => false,
    "two texts": () => false,
    "object of texts": (value) => typeof value === "object" && value !== null && JSON.stringify(value) === "{}"
  }
  const cases = Object.entries(Message.fields)
    .filter(([key]) => key !== "p")
    .flatMap(([key, { field, kind }]) =>
      strangers
        .filter((value) => !(accepts[kind]?.(value) ?? false) || (key === "t" && value === ""))
        .map((value) => [key, field, JSON.stringify(value)] as const)
    )
  it("there are many", () => assert.isAbove(cases.length, 300))

  it.each(cases)("%s (%s): %s", (key, field, json) => {
    const { detail, newer } = refusal(key === "t" ? `15{"t":${json}}` : `15{"t":"t","${key}":${json}}`)
    assert.include(detail, `"${key}"`)
    assert.include(detail, field)
    assert.include(detail, Message.fields[key]!.kind)
    assert.isFalse(newer)
  })

  it("the last of two equal keys counts, as in all JSON", () =>
    assert.strictEqual(read(`15{"t":"t","n":-1,"n":2}`).attempts, 2))
})

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`

describe("what is no message", () => {
  const cases: ReadonlyArray<readonly [name: string, wire: string, RegExp]> = [
    ["nothing", "", /version/],
    ["one character", "1", /priority/],
    ["two characters", "15", /JSON/],
    ["no JSON", "15hello", /JSON/],
    ["cut off", `15{"t":"t","p":{"a":`, /JSON/],
    ["something after it", `15{"t":"t"}}`, /JSON/],
    ["an array", "15[]", /no JSON object/],
    ["null", "15null", /no JSON object/],
    ["a number", "155", /no JSON object/],
    ["a string", `15"t"`, /no JSON object/],
    ["no task", "15{}", /"t" \(task\)/],
    ["only a prototype", `15{"__proto__":{"t":"t"}}`, /"t" \(task\)/],
    ["no priority", `1{"t":"t"}`, /priority/],
    ["a priority beyond 9", `1:{"t":"t"}`, /priority/],
    ["an older version", `05{"t":"t"}`, /version/],
    ["another program's JSON", `{"t":"t"}`, /version/],
    ["NULs", "\0\0\0\0", /version/],
    ["NULs inside", `15{"t":"a\0b"}`, /JSON/],
    ["lone surrogates", "\ud800\udfff\udc00", /version/],
    ["a lone surrogate for a priority", "1\ud800{}", /priority/],
    ["a byte order mark", `\ufeff15{"t":"t"}`, /version/]
  ]
  const refused = (wire: string, detail: RegExp) => {
    const reason = refusal(wire)
    assert.match(reason.detail, detail)
    assert.isBelow(reason.detail.length, 500, "the reason does not hold the message")
    assert.isFalse(reason.newer)
  }
  it.each(cases)("%s", (_, wire, detail) => refused(wire, detail))

  // not in the table: their names would be as long
  it("30 MB of digits", () => refused("1".repeat(30_000_000), /no JSON object/))
  it("30 MB in quotes", () => refused(`15"${"x".repeat(30_000_000)}"`, /no JSON object/))
  it("100 000 levels of arrays", () => refused(`15${deep(100_000)}`, /no JSON object/))

  it.each(["2", "3", "9"])("version %s is a newer one", (version) => {
    const { detail, newer } = refusal(`${version}5 in whatever form`)
    assert.isTrue(newer)
    assert.include(detail, version)
  })

  it("odd text is text", () => {
    for (const payload of ["\0", "\ud800", "\u2028", "</script>", "💥"]) {
      assert.strictEqual(read(Message.encode({ ...least, payload })).payload, payload)
    }
    assert.strictEqual(read(`15{"t":"t","p":"${"x".repeat(30_000_000)}"}`).task, "t")
    assert.strictEqual(
      read(`15{"t":"t","p":${deep(100_000)}}`).task,
      "t",
      "what is in a payload is its schema's affair"
    )
  })
})

describe("put off", () => {
  const heads: ReadonlyArray<readonly [wire: string, marked: string]> = [
    [`15{"t":"t"}`, `15(1700000000000,1){"t":"t"}`],
    ["25 in whatever form", "25(1700000000000,1) in whatever form"],
    ["90", "90(1700000000000,1)"],
    ["35((1,2)", "35(1700000000000,1)((1,2)"],
    ["35(1,2)", "35(1700000000000,1)"]
  ]
  it.each(heads)("%s is marked as %s", (wire, marked) => {
    const mark = [1_700_000_000_000, 1] as const
    assert.strictEqual(Message.withPutOff(wire, mark), marked)
    assert.deepStrictEqual(Message.putOff(marked), mark)
    assert.strictEqual(Message.withPutOff(marked, [5, 77]), marked.replace("1700000000000,1", "5,77"), "again")
  })

  it("a message without a mark was not put off", () => {
    for (const wire of ["", "1", "15", `15{"t":"(1,2)"}`, "15()", "15(1)", "15(-1,2)", "1x(1,2)", "15 (1,2)"]) {
      assert.isUndefined(Message.putOff(wire), wire)
    }
  })

  it("the mark is no part of the message, and goes when that is written anew", () => {
    const message = read(`15(1700000000000,3){"t":"t"}`)
    assert.deepStrictEqual(message, least)
    assert.strictEqual(Message.encode(message), `15{"t":"t"}`)
  })

  it.each([`15(1{"t":"t"}`, `15(1,2,3){"t":"t"}`, `15(1,2)`, `15(1,2)(3,4){"t":"t"}`])("%s is no message", (wire) => {
    assert.isFalse(refusal(wire).newer)
  })

  it("a newer version that is marked is still a newer one", () => {
    assert.isTrue(refusal("25(1700000000000,3) in whatever form").newer)
    assert.isFalse(refusal("2").newer, "without a priority it is of no version")
    assert.isFalse(refusal("2x").newer)
  })
})

describe("enqueuedAt", () => {
  const generate = TaskId.makeGenerator((bytes) => bytes.fill(7))
  it.each([
    ["the field", { ...least, id: generate(5), enqueuedAt: 9 }, 9],
    ["the id", { ...least, id: generate(1_700_000_000_000) }, 1_700_000_000_000],
    ["not known", { ...least, id: "mine" }, 0]
  ] as const)("from %s", (_, message, at) => assert.strictEqual(Message.enqueuedAt(message), at))
})

it("the keys of the wire are all different, and short", () => {
  const keys = Object.values(Message.fields).map(({ field }) => keyOf(field))
  assert.strictEqual(new Set(keys).size, Object.keys(Message.fields).length)
  for (const key of keys) assert.isAtMost(key.length, 2)
})
