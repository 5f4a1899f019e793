/** Calls that make no sense, and payloads that do not fit: a tagged error that says what to do, and nothing is sent. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Defaults from "../src/Defaults.ts"
import type { EnqueueError } from "../src/EnqueueError.ts"
import * as Router from "../src/Router.ts"
import * as Task from "../src/Task.ts"
import { Boom, epoch, errorOf, exitWithin, run, untyped } from "./fixture.ts"

class Mail extends Task.make("mail", { payload: { to: Schema.String }, success: Schema.String, error: Boom }) {}

describe("a call that makes no sense is refused, nothing is sent", () => {
  const cases: ReadonlyArray<readonly [option: string, EnqueueOptions, RegExp]> = [
    ["id", { id: "" }, /1 to 256/],
    ["id", { id: "x".repeat(257) }, /1 to 256/],
    ["id", { id: "a b" }, /without spaces/],
    ["id", { id: "a\n" }, /printable/],
    ["id", { id: "é" }, /ASCII/],
    ["id", { id: "\0" }, /printable/],
    ["id", untyped({ id: 5 }), /1 to 256/],
    ["queue", { queue: "" }, /empty/],
    ["queue", { queue: "{a}" }, /brace/],
    ["queue", { queue: "a b" }, /space/],
    ["queue", { queue: "x".repeat(200) }, /128/],
    ["queue", untyped({ queue: 5 }), /text/],
    ["priority", untyped({ priority: 10 }), /0 to 9/],
    ["priority", untyped({ priority: -1 }), /0 to 9/],
    ["priority", untyped({ priority: 1.5 }), /0 to 9/],
    ["priority", untyped({ priority: Number.NaN }), /0 to 9/],
    ["priority", untyped({ priority: "9" }), /0 to 9/],
    ["delay", { delay: -1 }, /0 or more/],
    ["delay", { delay: "-5 seconds" }, /0 or more/],
    ["delay", { delay: Infinity }, /finite/],
    ["delay", { delay: Number.NaN }, /span of time/],
    ["delay", untyped({ delay: "soon" }), /span of time/],
    ["delay", untyped({ delay: null }), /span of time/],
    ["at", { delay: 5, at: epoch + 5 }, /either "delay" or "at"/],
    ["at", { at: -1 }, /1970/],
    ["at", { at: Number.NaN }, /1970/],
    ["at", { at: Infinity }, /1970/],
    ["at", { at: new Date(Number.NaN) }, /1970/],
    ["at", untyped({ at: "tomorrow" }), /1970/],
    ["at", untyped({ at: null }), /1970/],
    ["at", { at: 1e300 }, /1970/],
    ["at", { at: 9e15 }, /Date can hold/],
    ["at", { at: 8.64e15 + 1 }, /Date can hold/],
    ["delay", { delay: 1e300 }, /last time/],
    ["delay", { delay: 8.64e15 - epoch + 1 }, /last time/],
    ["expires", { expires: 1e300 }, /last time/],
    ["expires", { expires: 9e15 }, /last time/],
    ["expires", { expires: Number.NaN }, /span of time/],
    ["expires", { expires: Infinity }, /finite/],
    ["expires", untyped({ expires: null }), /span of time/],
    ["resultTtl", { resultTtl: 1e300 }, /last time/],
    ["retries", { retries: 1e300 }, /whole number/],
    ["timeLimit", { timeLimit: 1e300 }, /too long/],
    ["softTimeLimit", { softTimeLimit: 9e15 }, /too long/],
    ["options", untyped(null), /must be an object, they are null/],
    ["options", untyped(5), /must be an object, they are 5/],
    ["options", untyped("1 minute"), /must be an object, they are "1 minute"/],
    ["options", untyped([]), /must be an object/],
    ["options", untyped(() => 1), /must be an object, they are a function/],
    ["dealy", untyped({ dealy: "1 minute" }), /no such option; there are id, queue, priority, delay, /],
    ["onInterrupt", untyped({ onInterrupt: "detach" }), /no such option/],
    ["expires", { expires: -1 }, /0 or more/],
    ["expires", untyped({ expires: "some day" }), /span of time/],
    ["expires", { expires: new Date(Number.NaN) }, /1970/],
    ["resultTtl", { resultTtl: -1 }, /0 or more/],
    ["resultTtl", { resultTtl: Infinity }, /finite/],
    ["retries", { retries: -1 }, /whole number/],
    ["retries", { retries: 1.5 }, /whole number/],
    ["retries", untyped({ retries: "3" }), /whole number/],
    ["timeLimit", { softTimeLimit: "2 seconds", timeLimit: "1 second" }, /lower softTimeLimit/],
    ["timeLimit", { softTimeLimit: "1 second", timeLimit: "1 second" }, /not shorter/],
    ["timeLimit", { softTimeLimit: -1 }, /softTimeLimit of the call is negative/],
    ["timeLimit", { timeLimit: 0 }, /zero/],
    ["timeLimit", untyped({ timeLimit: "fast" }), /not a duration/],
    ["headers", untyped({ headers: { n: 1 } }), /texts/],
    ["headers", untyped({ headers: ["a"] }), /texts/],
    ["headers", untyped({ headers: "a" }), /texts/],
    ["ack", untyped({ ack: "sometimes" }), /"early" or "late"/],
    ["ignoreResult", untyped({ ignoreResult: "yes" }), /true or false/]
  ]
  it.effect.each(cases)("%s: %o", ([option, given, detail]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueue({ to: "a" }, given)))
        assert.strictEqual(error._tag, "EnqueueError")
        assert(error.reason._tag === "InvalidOption", error.message)
        assert.strictEqual(error.reason.option, option)
        assert.match(error.message, detail)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect.each([{ at: 8.64e15 }, { at: new Date(8.64e15) }, { delay: 8.64e15 - epoch }, { timeLimit: Infinity }])(
    "%o is taken",
    (options) =>
      run(() =>
        Effect.gen(function* () {
          const handle = yield* Mail.enqueue({ to: "a" }, options)
          assert(Option.isSome(yield* handle.state))
        })
      )
  )

  class Odd extends Task.make("odd", {
    payload: { n: Schema.Number, list: Schema.Array(Schema.String), any: Schema.optionalKey(Schema.Unknown) }
  }) {}
  const circular: Record<string, unknown> = { n: 1 }
  circular["self"] = circular
  const payloads: ReadonlyArray<readonly [name: string, payload: unknown, RegExp]> = [
    ["nothing", undefined, /object/i],
    ["null", null, /object/i],
    ["a text", "text", /object/i],
    ["a field of another kind", { n: "1", list: [] }, /n/],
    ["a missing field", { n: 1 }, /list/],
    ["one wrong among many", { n: 1, list: ["a", 2, "c"] }, /1/],
    ["a circle", { n: 1, list: [], any: circular }, /./],
    ["a bigint", { n: 1, list: [], any: 1n }, /./],
    [
      "a getter that throws",
      {
        n: 1,
        get list(): never {
          throw new Error("no")
        }
      },
      /./
    ],
    [
      "something that cannot be printed",
      {
        n: {
          toString() {
            throw new Error("no")
          },
          toJSON() {
            throw new Error("no")
          }
        },
        list: []
      },
      /./
    ]
  ]
  it.effect.each(payloads)("payload: %s", ([, payload, issue]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Odd.enqueue(untyped(payload))))
        assert(error.reason._tag === "InvalidPayload", error.message)
        assert.strictEqual(error.reason.task, "odd")
        assert.match(error.reason.issue, issue)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("one bad payload refuses its whole batch", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueueAll(untyped([{ to: "a" }, { to: 1 }, { to: "c" }]))))
        assert.strictEqual(error.reason._tag, "InvalidPayload")
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("a payload over the maximum size, to the character", () => {
    const limit = 100
    return run(({ wire }) =>
      Effect.gen(function* () {
        const fits = limit - `15{"t":"mail","p":{"to":""}}`.length
        const defaults = yield* Defaults.Defaults
        const enqueue = (length: number) =>
          Mail.enqueue({ to: "x".repeat(length) }).pipe(
            Effect.provideService(Defaults.Defaults, { ...defaults, maxMessageSize: limit })
          )
        yield* enqueue(fits)
        const error = errorOf(yield* exitWithin(0, enqueue(fits + 1)))
        assert(error.reason._tag === "TooLarge")
        assert.deepInclude(error.reason, { task: "mail", size: limit + 1, limit })
        assert.match(error.message, /store the data elsewhere/)
        assert.strictEqual(wire.count("publish"), 1)
      })
    )
  })

  it.effect("30 MB", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const error = errorOf(yield* exitWithin(0, Mail.enqueue({ to: "x".repeat(30_000_000) })))
        assert.strictEqual(error.reason._tag, "TooLarge")
        assert.isBelow(error.message.length, 500)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  const routers: ReadonlyArray<
    readonly [name: string, router: (request: Router.Request) => Router.Route | undefined, RegExp]
  > = [
    [
      "throws",
      () => {
        throw new Error("no route")
      },
      /threw/
    ],
    ["names no queue", () => ({ queue: "a b" }), /space/],
    ["names no priority", () => ({ queue: "a", priority: 12 }), /0 to 9/]
  ]
  it.effect.each(routers)("a Router that %s", ([, router, detail]) =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const enqueue = Effect.provideService(Mail.enqueue({ to: "a" }), Router.Router, router)
        const error = errorOf(yield* exitWithin(0, enqueue))
        assert(error.reason._tag === "InvalidOption")
        assert.strictEqual(error.reason.option, "Router")
        assert.match(error.message, detail)
        assert.strictEqual(wire.count("publish"), 0)
      })
    )
  )

  it.effect("execute refuses the same, and does not wait", () =>
    run(() =>
      Effect.gen(function* () {
        const exit = yield* exitWithin(0, Mail.execute({ to: "a" }, { delay: -1 }))
        assert.strictEqual((errorOf(exit) as EnqueueError)._tag, "EnqueueError")
      })
    )
  )
})

it.effect("a codec that throws is a refusal", () =>
  run(() =>
    Effect.gen(function* () {
      class Throws extends Task.make("throws", {
        payload: Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: SchemaGetter.transform((): string => {
              throw new Error("encoder")
            })
          })
        )
      }) {}
      const exit = yield* exitWithin(0, Throws.enqueue("a"))
      assert.strictEqual(errorOf(exit).reason._tag, "InvalidPayload")
    })
  )
)
