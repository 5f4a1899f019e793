import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as TimeLimit from "../src/TimeLimit.ts"

const limits = (soft: number | undefined, hard: number | undefined): TimeLimit.Limits => ({ soft, hard })

describe("resolve", () => {
  const cases: ReadonlyArray<readonly [string, TimeLimit.Levels, TimeLimit.Limits]> = [
    ["nobody says anything", {}, limits(undefined, undefined)],
    ["empty levels", { call: {}, task: {}, worker: {} }, limits(undefined, undefined)],
    ["undefined options", { task: { softTimeLimit: undefined, timeLimit: undefined } }, limits(undefined, undefined)],
    ["both of one level", { task: { softTimeLimit: "20 seconds", timeLimit: "30 seconds" } }, limits(20_000, 30_000)],
    ["soft alone", { task: { softTimeLimit: 5 } }, limits(5, undefined)],
    ["hard alone", { worker: { timeLimit: 5 } }, limits(undefined, 5)],
    ["call over task", { call: { timeLimit: 1 }, task: { timeLimit: 2 } }, limits(undefined, 1)],
    ["task over worker", { task: { timeLimit: 2 }, worker: { timeLimit: 3 } }, limits(undefined, 2)],
    ["call over worker", { call: { timeLimit: 9 }, worker: { timeLimit: 3 } }, limits(undefined, 9)],
    ["one by one", { call: { timeLimit: 9 }, task: { softTimeLimit: 5, timeLimit: 7 } }, limits(5, 9)],
    ["infinite hides", { call: { timeLimit: Infinity }, task: { timeLimit: 7 } }, limits(undefined, undefined)],
    [
      "infinite text hides",
      { task: { softTimeLimit: "Infinity" }, worker: { softTimeLimit: 7 } },
      limits(undefined, undefined)
    ],
    ["infinite soft beside a hard one", { task: { softTimeLimit: Infinity, timeLimit: 7 } }, limits(undefined, 7)],
    ["both infinite", { task: { softTimeLimit: Infinity, timeLimit: Infinity } }, limits(undefined, undefined)],
    ["soft beside an infinite hard one", { task: { softTimeLimit: 5, timeLimit: Infinity } }, limits(5, undefined)],
    ["just below", { task: { softTimeLimit: 6, timeLimit: 7 } }, limits(6, 7)],
    ["fractions are rounded up", { task: { softTimeLimit: 0.25, timeLimit: "1500 micros" } }, limits(1, 2)],
    [
      "durations of each form",
      { call: { timeLimit: Duration.seconds(2) }, task: { softTimeLimit: [1, 0] } },
      limits(1000, 2000)
    ]
  ]
  it.each(cases)("%s", (_, levels, expected) =>
    assert.deepStrictEqual(TimeLimit.resolve(levels), { limits: expected, problems: [] })
  )
})

describe("problems", () => {
  const cases: ReadonlyArray<readonly [string, TimeLimit.Levels, TimeLimit.Limits, ReadonlyArray<RegExp>]> = [
    ["zero", { task: { timeLimit: 0 } }, limits(undefined, undefined), [/^timeLimit of the task is zero.*Infinity/]],
    [
      "negative",
      { call: { softTimeLimit: -1 } },
      limits(undefined, undefined),
      [/^softTimeLimit of the call is negative/]
    ],
    [
      "negative infinity",
      { call: { timeLimit: -Infinity } },
      limits(undefined, undefined),
      [/^timeLimit of the call is negative/]
    ],
    [
      "NaN",
      { worker: { timeLimit: Number.NaN } },
      limits(undefined, undefined),
      [/^timeLimit of the worker is not a duration/]
    ],
    ["NaN in a pair", { task: { timeLimit: [Number.NaN, 0] } }, limits(undefined, undefined), [/not a duration/]],
    [
      "NaN in an object",
      { task: { timeLimit: { seconds: Number.NaN } } },
      limits(undefined, undefined),
      [/not a duration/]
    ],
    ["nonsense", { task: { timeLimit: "long" as "1 second" } }, limits(undefined, undefined), [/"30 seconds"/]],
    ["null", { task: { timeLimit: null as never } }, limits(undefined, undefined), [/not a duration/]],
    [
      "a wrong one does not hide",
      { call: { timeLimit: 0 }, task: { timeLimit: 5 } },
      limits(undefined, 5),
      [/of the call is zero/]
    ],
    [
      "a hidden one is checked",
      { call: { timeLimit: 5 }, worker: { timeLimit: -1 } },
      limits(undefined, 5),
      [/of the worker is negative/]
    ],
    [
      "soft above hard",
      { task: { softTimeLimit: "1 minute", timeLimit: "30 seconds" } },
      limits(undefined, 30_000),
      [/^softTimeLimit of the task \(1m\).*timeLimit of the task \(30s\).*Raise timeLimit or lower softTimeLimit\.$/]
    ],
    [
      "soft equals hard",
      { call: { softTimeLimit: 7 }, worker: { timeLimit: 7 } },
      limits(undefined, 7),
      [/softTimeLimit of the call .*timeLimit of the worker/]
    ],
    [
      "equal once rounded",
      { call: { softTimeLimit: 6.5, timeLimit: 7 } },
      limits(undefined, 7),
      [/softTimeLimit of the call .*timeLimit of the call/]
    ],
    [
      "the call's hard limit below the task's soft one",
      { call: { timeLimit: "5 seconds" }, task: { softTimeLimit: "20 seconds", timeLimit: "30 seconds" } },
      limits(undefined, 5000),
      [/softTimeLimit of the task \(20s\).*timeLimit of the call \(5s\)/]
    ],
    [
      "several",
      { call: { softTimeLimit: 0, timeLimit: Number.NaN } },
      limits(undefined, undefined),
      [/^soft/, /^timeLimit/]
    ]
  ]
  it.each(cases)("%s", (_, levels, expected, patterns) => {
    const { limits, problems } = TimeLimit.resolve(levels)
    assert.deepStrictEqual(limits, expected)
    assert.strictEqual(problems.length, patterns.length, problems.join("\n"))
    patterns.forEach((pattern, index) => assert.match(problems[index] ?? "", pattern))
  })
})

describe("in messages", () => {
  const cases: ReadonlyArray<readonly [TimeLimit.Options, { softTimeLimit?: number; timeLimit?: number }]> = [
    [{}, {}],
    [
      { softTimeLimit: "1 second", timeLimit: 1.5 },
      { softTimeLimit: 1000, timeLimit: 2 }
    ],
    [{ timeLimit: Infinity }, { timeLimit: 0 }],
    [{ softTimeLimit: -1, timeLimit: Number.NaN }, {}],
    [{ softTimeLimit: 0, timeLimit: "long" as "1 second" }, {}]
  ]
  it.each(cases)("%o", (options, fields) => assert.deepStrictEqual(TimeLimit.encode(options), fields))

  const limit = Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1e12 })),
    Schema.Literal("Infinity")
  ])
  const level = Schema.Struct({ softTimeLimit: Schema.optional(limit), timeLimit: Schema.optional(limit) })
  it.prop("a worker resolves what the call said", { call: level, task: level }, ({ call, task }) => {
    const direct = TimeLimit.resolve({ call, task })
    const carried = TimeLimit.resolve({ call: TimeLimit.decode(TimeLimit.encode(call)), task })
    assert.deepStrictEqual(carried, direct)
  })

  it.prop("limits can always be used", { call: level, task: level, worker: level }, (levels) => {
    const { hard, soft } = TimeLimit.resolve(levels).limits
    return (soft ?? 1) > 0 && (hard ?? 1) > 0 && (soft === undefined || hard === undefined || soft < hard)
  })
})
