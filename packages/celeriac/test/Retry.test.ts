import { assert, describe, it } from "@effect/vitest"
import * as Cron from "effect/Cron"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Retry from "../src/Retry.ts"

class SmtpError extends Schema.TaggedError<SmtpError>()("SmtpError", { code: Schema.Finite }) {}

const failed = (code = 450): Retry.Ending<SmtpError> => ({ _tag: "Failed", error: new SmtpError({ code }) })
const died: Retry.Ending<never> = { _tag: "Died", defect: new Error("boom") }
const soft: Retry.Ending<never> = { _tag: "TimeLimitExceeded", limit: "soft" }
const requested: Retry.Ending<never> = { _tag: "Requested" }

const run = (options: Partial<Retry.Run<SmtpError>> = {}): Retry.Run<SmtpError> => ({
  id: "message-1",
  attempt: 1,
  ending: failed(),
  firstAttemptAt: 0,
  now: 0,
  ...options
})

const after = (delay: number): Retry.Decision => ({ _tag: "RetryAfter", delay })
const giveUp = (why: Retry.GiveUpReason): Retry.Decision => ({ _tag: "GiveUp", why })

type Policy = Retry.Retry<SmtpError> | undefined

const flat = { delay: "1 second", backoff: "constant", jitter: false } as const
const client = (error: SmtpError) => error.code < 500
const ended = Schedule.recurs(0)

describe("whether to try again", () => {
  const cases: ReadonlyArray<readonly [string, Policy, Partial<Retry.Run<SmtpError>>, Retry.Decision]> = [
    ["no policy", undefined, {}, giveUp("no policy")],
    ["no policy, defect", undefined, { ending: died }, giveUp("no policy")],
    ["no policy, but the call says so", undefined, { times: 1, ending: { _tag: "Requested", after: 7 } }, after(7)],
    ["no policy, the call's times are used up", undefined, { times: 1, attempt: 2 }, giveUp("times")],
    ["no policy, but the handler asks", undefined, { ending: { _tag: "Requested", after: 7 } }, after(7)],
    ["no policy, the handler asks for a 4th time", undefined, { ending: requested, attempt: 4 }, giveUp("times")],
    ["true: after the 4th run", true, { attempt: 4 }, giveUp("times")],
    ["times: last retry", { ...flat, times: 2 }, { attempt: 2 }, after(1000)],
    ["times: used up", { ...flat, times: 2 }, { attempt: 3 }, giveUp("times")],
    ["times: 0", { ...flat, times: 0 }, {}, giveUp("times")],
    ["times: Infinity", { ...flat, times: Infinity }, { attempt: 1e6 }, after(1000)],
    ["times: NaN", { ...flat, times: Number.NaN }, {}, giveUp("times")],
    ["times default is 3", flat, { attempt: 3 }, after(1000)],
    ["times default is 3, used up", flat, { attempt: 4 }, giveUp("times")],
    ["the call's times win when larger", { ...flat, times: 0 }, { times: 1 }, after(1000)],
    ["the call's times win when smaller", { ...flat, times: 9 }, { times: 0 }, giveUp("times")],
    ["the call's times limit a schedule", { schedule: Schedule.spaced(5) }, { attempt: 2, times: 1 }, giveUp("times")],
    ["while: yes", { ...flat, while: client }, { ending: failed(450) }, after(1000)],
    ["while: no", { ...flat, while: client }, { ending: failed(550) }, giveUp("while")],
    ["while is not asked about defects", { ...flat, while: () => false }, { ending: died }, after(1000)],
    ["while is not asked about time limits", { ...flat, while: () => false }, { ending: soft }, after(1000)],
    ["while is not asked when the handler asks", { ...flat, while: () => false }, { ending: requested }, after(1000)],
    ["defects: default", flat, { ending: died }, after(1000)],
    ["defects: false", { ...flat, defects: false }, { ending: died }, giveUp("defects")],
    ["defects: false, typed error", { ...flat, defects: false }, {}, after(1000)],
    ["time limits: default", flat, { ending: soft }, after(1000)],
    ["time limits: false", { ...flat, timeLimits: false }, { ending: soft }, giveUp("time limits")],
    ["time limits: false, defect", { ...flat, timeLimits: false }, { ending: died }, after(1000)],
    ["the handler's delay wins", flat, { ending: { _tag: "Requested", after: 250 } }, after(250)],
    ["times limit the handler too", { ...flat, times: 1 }, { ending: requested, attempt: 2 }, giveUp("times")],
    [
      "an ended schedule does not limit its delay",
      { schedule: ended },
      { ending: { _tag: "Requested", after: 1 } },
      after(1)
    ],
    ["times before while", { ...flat, times: 0, while: () => false }, {}, giveUp("times")],
    ["schedule ended", { schedule: ended }, {}, giveUp("schedule ended")]
  ]
  it.effect.each(cases)("%s", ([, policy, options, expected]) =>
    Effect.map(Retry.decide(policy, run(options)), (decision) => assert.deepStrictEqual(decision, expected))
  )
})

/** The delays of the first retries, until the policy gives up. */
const delays = (policy: Policy, count: number, options: Partial<Retry.Run<SmtpError>> = {}) =>
  Effect.gen(function* () {
    const found: Array<number | string> = []
    let now = 0
    for (let attempt = 1; attempt <= count; attempt++) {
      const decision = yield* Retry.decide(policy, run({ attempt, now, ...options }))
      if (decision._tag === "GiveUp") return [...found, decision.why]
      found.push(decision.delay)
      now += decision.delay
    }
    return found
  })

describe("delays", () => {
  const unlimited = { jitter: false, times: Infinity }
  const capped = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("10 seconds")])
  const cases: ReadonlyArray<readonly [string, Policy, ReadonlyArray<number | string>]> = [
    ["default shape", unlimited, [1000, 2000, 4000, 8000, 16_000]],
    ["constant", { ...unlimited, delay: 300, backoff: "constant" }, [300, 300, 300]],
    ["linear", { ...unlimited, delay: 300, backoff: "linear" }, [300, 600, 900, 1200]],
    ["exponential", { ...unlimited, delay: 300, backoff: "exponential" }, [300, 600, 1200, 2400]],
    ["max", { ...unlimited, delay: 300, max: 700 }, [300, 600, 700, 700]],
    ["zero", { ...unlimited, delay: 0 }, [0, 0, 0]],
    ["fractions are rounded up", { ...unlimited, delay: "1500 micros" }, [2, 3, 6]],
    ["default max is 10 minutes", { ...unlimited, delay: "4 minutes" }, [240_000, 480_000, 600_000, 600_000]],
    ["a delay as long as the default max has none", { ...unlimited, delay: "1 hour" }, [3_600_000, 7_200_000]],
    ["three retries", { jitter: false }, [1000, 2000, 4000, "times"]],
    ["schedule", { schedule: capped }, [1000, 2000, 4000, 8000, 10_000, 10_000]],
    ["schedule with times", { schedule: capped, times: 2 }, [1000, 2000, "times"]],
    ["schedule that ends", { schedule: Schedule.upTo(capped, { times: 3 }) }, [1000, 2000, 4000, "schedule ended"]],
    [
      "schedules in turn",
      { schedule: Schedule.concat(Schedule.upTo(Schedule.spaced(1), { times: 2 }), Schedule.spaced(9)) },
      [1, 1, 9, 9]
    ],
    [
      "schedule with a time limit",
      { schedule: Schedule.max([Schedule.spaced(400), Schedule.during(1000)]) },
      [400, 400, 400, "schedule ended"]
    ]
  ]
  it.effect.each(cases)("%s", ([, policy, expected]) =>
    Effect.map(delays(policy, expected.length), (found) => assert.deepStrictEqual(found, expected))
  )

  const extremes: ReadonlyArray<readonly [string, Policy, Partial<Retry.Run<SmtpError>>, number]> = [
    ["nothing, overflown", { ...unlimited, delay: 0 }, { attempt: 5000 }, 0],
    ["a formula that overflows", { ...unlimited, max: Infinity }, { attempt: 5000 }, Retry.maxDelay],
    ["an infinite delay", { ...unlimited, delay: Infinity }, {}, Retry.maxDelay],
    ["a negative delay", { ...unlimited, delay: -5 }, {}, 0],
    ["a NaN delay", { ...unlimited, delay: Number.NaN }, {}, 0],
    ["a negative max", { ...unlimited, max: -5 }, {}, 0],
    ["an infinite schedule", { schedule: Schedule.spaced(Infinity) }, {}, Retry.maxDelay],
    ["an infinite schedule, replayed", { schedule: Schedule.spaced(Infinity) }, { attempt: 3 }, Retry.maxDelay],
    ["a schedule that overflows", { schedule: Schedule.exponential("1 second") }, { attempt: 5000 }, Retry.maxDelay],
    ["a negative schedule", { schedule: Schedule.spaced(-5) }, {}, 0],
    ["more attempts than are replayed", { schedule: Schedule.spaced(5) }, { attempt: 1e9 }, 5],
    ["the handler's infinite delay", flat, { ending: { _tag: "Requested", after: Infinity } }, Retry.maxDelay],
    ["the handler's NaN", flat, { ending: { _tag: "Requested", after: Number.NaN } }, 0],
    ["the handler's negative delay", flat, { ending: { _tag: "Requested", after: -1 } }, 0]
  ]
  it.effect.each(extremes)("%s", ([, policy, options, delay]) =>
    Effect.map(Retry.decide(policy, run(options)), (decision) => assert.deepStrictEqual(decision, after(delay)))
  )
})

describe("schedules", () => {
  it.effect("each step sees the last error", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const schedule = Schedule.spaced("1 second").pipe(
        Schedule.setInputType<SmtpError>(),
        Schedule.while(({ input }) => Effect.sync(() => seen.push(input.code) > 0 && input.code < 500))
      )
      assert.deepStrictEqual(yield* Retry.decide({ schedule }, run({ attempt: 3, ending: failed(421) })), after(1000))
      assert.deepStrictEqual(seen, [421, 421, 421])
      assert.deepStrictEqual(yield* Retry.decide({ schedule }, run({ ending: failed(550) })), giveUp("schedule ended"))
    })
  )

  const inputs: ReadonlyArray<readonly [string, Retry.Ending<SmtpError>, unknown]> = [
    ["defect", { _tag: "Died", defect: "gone" }, "gone"],
    ["time limit", soft, soft],
    ["request", requested, undefined]
  ]
  it.effect.each(inputs)("other endings are told as they are: %s", ([, ending, input]) =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const schedule = Schedule.tap(Schedule.forever, (step) => Effect.sync(() => seen.push(step.input)))
      yield* Retry.decide({ schedule }, run({ ending }))
      assert.deepStrictEqual(seen, [input])
    })
  )

  it.effect("time passes from the first attempt to now", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [elapsed: number, now: number]> = []
      const schedule = Schedule.tap(Schedule.spaced(100), (step) =>
        Effect.sync(() => seen.push([step.elapsed, step.now]))
      )
      yield* Retry.decide({ schedule }, run({ attempt: 3, firstAttemptAt: 5000, now: 9000 }))
      assert.deepStrictEqual(seen, [
        [0, 5000],
        [100, 5100],
        [4000, 9000]
      ])
    })
  )

  it.effect("a calendar is read at the time of now", () =>
    Effect.gen(function* () {
      const schedule = Schedule.cron(Cron.parseUnsafe("0 9 * * *", "UTC"))
      const at = (text: string) => Date.parse(text)
      const options = { attempt: 4, firstAttemptAt: at("2026-01-01T03:00:00Z"), now: at("2026-01-09T07:00:00Z") }
      assert.deepStrictEqual(yield* Retry.decide({ schedule }, run(options)), after(Duration.toMillis("2 hours")))
    })
  )

  it.effect("a clock that went back does no harm", () =>
    Effect.map(
      Retry.decide({ schedule: Schedule.spaced(100) }, run({ attempt: 3, firstAttemptAt: 9000, now: 5000 })),
      (decision) => assert.deepStrictEqual(decision, after(100))
    )
  )
})

describe("policies that break", () => {
  const bad = {
    toString: () => assert.fail("printed"),
    get message() {
      return assert.fail("read")
    }
  }
  const unprintable = Object.assign(Object.create(Error.prototype), {})
  Object.defineProperty(unprintable, "message", {
    get: () => {
      throw new Error("no message")
    }
  })
  const throwing = (value: unknown) => () => {
    throw value
  }

  const cases: ReadonlyArray<readonly [string, Policy, RegExp]> = [
    ["while throws", { while: throwing(new TypeError("e is undefined")) }, /^TypeError: e is undefined$/],
    ["while throws text", { while: throwing("no") }, /no/],
    ["while throws what cannot be printed", { while: throwing(unprintable) }, /cannot be printed/],
    ["while throws nothing", { while: throwing(undefined) }, /undefined/],
    ["while throws a lot", { while: throwing("x".repeat(1e6)) }, /^.{900,1000}$/s],
    ["schedule throws", { schedule: Schedule.while(Schedule.forever, throwing(new Error("in a step"))) }, /in a step/],
    ["schedule dies", { schedule: Schedule.tap(Schedule.forever, () => Effect.die(new Error("dead"))) }, /dead/],
    ["schedule fails", { schedule: Schedule.tap(Schedule.forever, () => Effect.fail("refused")) }, /refused/],
    ["schedule interrupts itself", { schedule: Schedule.tap(Schedule.forever, () => Effect.interrupt) }, /./],
    ["duration is nonsense", { delay: "a while" as "1 second" }, /a while/],
    ["not a schedule", { schedule: 5 as never as Schedule.Schedule<number> }, /./]
  ]
  it.effect.each(cases)("%s", ([, policy, detail]) =>
    Effect.gen(function* () {
      const decision = yield* Retry.decide(policy, run())
      assert.deepInclude(decision, { _tag: "GiveUp", why: "policy failed" })
      assert.match((decision._tag === "GiveUp" && decision.detail) || "", detail)
    })
  )

  it.effect("a while that answers with something odd does not crash", () =>
    Effect.map(Retry.decide({ while: () => bad as never, ...flat }, run()), (decision) =>
      assert.deepStrictEqual(decision, after(1000))
    )
  )
})

describe("jitter", () => {
  it.effect.prop(
    "full jitter lies between nothing and the formula",
    { attempt: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })), id: Schema.String },
    ({ attempt, id }) =>
      Effect.gen(function* () {
        const options = run({ attempt, id })
        const whole = yield* Retry.decide<SmtpError>({ times: 40, jitter: false }, options)
        const part = yield* Retry.decide<SmtpError>({ times: 40 }, options)
        if (whole._tag !== "RetryAfter" || part._tag !== "RetryAfter") return false
        return part.delay >= 0 && part.delay <= whole.delay
      })
  )

  it.effect("is a part of the longest delay too", () =>
    Effect.gen(function* () {
      const policy = { max: Infinity, times: Infinity }
      const delays = yield* Effect.forEach(["a", "b", "c"], (id) => Retry.decide(policy, run({ id, attempt: 5000 })))
      assert.strictEqual(new Set(delays.map((decision) => JSON.stringify(decision))).size, 3)
    })
  )

  it.effect("spreads evenly over messages and over attempts", () =>
    Effect.gen(function* () {
      for (const vary of [(n: number) => ({ id: `message-${n}` }), (n: number) => ({ attempt: n + 1 })]) {
        const tenths = Array.from({ length: 10 }, () => 0)
        for (let n = 0; n < 2000; n++) {
          const decision = yield* Retry.decide<SmtpError>({ backoff: "constant", times: Infinity }, run(vary(n)))
          if (decision._tag === "RetryAfter") tenths[Math.min(9, Math.floor(decision.delay / 100))]! += 1
        }
        for (const count of tenths) assert.isTrue(count > 140 && count < 260, `uneven: ${tenths.join(" ")}`)
      }
    })
  )

  const policies: ReadonlyArray<readonly [string, Policy]> = [
    ["formula", true],
    ["schedule", { schedule: Schedule.jittered(Schedule.exponential("1 second")) }]
  ]
  it.effect.each(policies)("two workers decide alike: %s", ([, policy]) =>
    Effect.gen(function* () {
      const options = run({ attempt: 3, now: 7000 })
      const one = yield* Random.withSeed(Retry.decide(policy, options), "worker 1")
      const two = yield* Random.withSeed(Retry.decide(policy, options), "worker 2")
      const other = yield* Retry.decide(policy, { ...options, id: "message-2" })
      assert.deepStrictEqual(one, two)
      assert.notDeepEqual(one, other)
    })
  )

  it.effect("a replay goes the way that was gone before", () =>
    Effect.gen(function* () {
      const taken: Array<number> = []
      const schedule = Schedule.jittered(Schedule.exponential("1 second")).pipe(
        Schedule.tap(({ duration }) => Effect.sync(() => taken.push(Duration.toMillis(duration))))
      )
      yield* Retry.decide({ schedule }, run({ attempt: 1 }))
      yield* Retry.decide({ schedule }, run({ attempt: 2 }))
      const [first, again, second] = taken
      assert.strictEqual(taken.length, 3)
      assert.strictEqual(again, first)
      assert.isAbove(second ?? 0, 1600)
    })
  )
})

describe("validate", () => {
  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<RegExp>]> = [
    ["nothing", undefined, []],
    ["true", true, []],
    ["empty", {}, []],
    [
      "all of the plain",
      { delay: 1, max: "1 hour", backoff: "linear", jitter: true, times: 0, while: client, defects: true },
      []
    ],
    ["schedule", { schedule: Schedule.forever, times: Infinity }, []],
    ["delay and max alike", { delay: 5, max: 5 }, []],
    ["max infinite", { max: Infinity }, []],
    ["times negative", { times: -1 }, [/retry.times/]],
    ["times fraction", { times: 1.5 }, [/retry.times/]],
    ["times NaN", { times: Number.NaN }, [/retry.times/]],
    ["times text", { times: "3" }, [/retry.times/]],
    ["delay negative", { delay: -1 }, [/retry.delay is negative/]],
    ["delay NaN", { delay: Number.NaN }, [/retry.delay is not a duration/]],
    ["delay pair with NaN", { delay: [Number.NaN, 1] }, [/retry.delay is not a duration/]],
    ["delay object with NaN", { delay: { seconds: Number.NaN } }, [/retry.delay is not a duration/]],
    ["delay nonsense", { delay: "soon" }, [/retry.delay is not a duration/]],
    ["delay null", { delay: null }, [/retry.delay is not a duration/]],
    ["delay infinite", { delay: Infinity }, [/retry.delay is infinite/]],
    ["max negative", { max: "-1 seconds" }, [/retry.max is negative/]],
    ["max NaN", { max: Number.NaN }, [/retry.max is not a duration/]],
    ["max below delay", { delay: 10, max: 5 }, [/retry.max is shorter/]],
    ["backoff unknown", { backoff: "quadratic" }, [/retry.backoff .*constant, linear, exponential/]],
    ["backoff from a prototype", { backoff: "toString" }, [/retry.backoff/]],
    ["while no function", { while: true }, [/retry.while/]],
    ["no schedule", { schedule: "1 second" }, [/retry.schedule/]],
    ["both", { schedule: Schedule.forever, delay: 5 }, [/schedule and also/]],
    ["several", { times: -1, delay: -1, backoff: "x" }, [/times/, /delay/, /backoff/]]
  ]
  it.each(cases)("%s", (_, policy, expected) => {
    const problems = Retry.validate(policy as Policy)
    assert.strictEqual(problems.length, expected.length, problems.join("\n"))
    expected.forEach((pattern, index) => assert.match(problems[index] ?? "", pattern))
    for (const problem of problems) assert.match(problem, /^retry.* .*\.$/, "a sentence")
  })
})

describe("types", () => {
  it("take the error from the task alone", () => {
    const policies: ReadonlyArray<Retry.Retry<SmtpError>> = [
      true,
      { while: (error) => error.code < 500 },
      { schedule: Schedule.exponential("1 second"), times: 5, while: (error) => error.code < 500 },
      { schedule: Schedule.cron("0 9 * * *") },
      { schedule: Schedule.forever.pipe(Schedule.setInputType<SmtpError>()) },
      // @ts-expect-error no such field
      { while: (error) => error.reason === "x" },
      // @ts-expect-error both shapes
      { schedule: Schedule.forever, delay: "1 second" },
      // @ts-expect-error both shapes
      { schedule: Schedule.forever, backoff: "constant" },
      // @ts-expect-error a schedule of another error
      { schedule: Schedule.forever.pipe(Schedule.setInputType<{ readonly reason: string }>()) },
      // @ts-expect-error no such backoff
      { backoff: "quadratic" },
      // @ts-expect-error "no retries" is to leave it out
      false
    ]
    assert.strictEqual(policies.length, 11)
  })
})
