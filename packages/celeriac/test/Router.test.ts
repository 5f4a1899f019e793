import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Router from "../src/Router.ts"

/** What a `TaskGroup` shows of its tasks. */
const group = <const T extends Router.Routable>(...tasks: ReadonlyArray<T>) => ({
  tasks: new Map(tasks.map((task) => [task._tag, task]))
})

const send = { _tag: "mail.send", payloadSchema: Schema.Struct({ to: Schema.String }) } as const
const fetch = { _tag: "web.fetch", payloadSchema: Schema.Struct({ url: Schema.String }) } as const
const prototype = { _tag: "constructor", payloadSchema: Schema.Void } as const

const routeOf = (layer: Layer.Layer<never, Router.RouteError>, task: string, payload?: unknown) =>
  Router.route({ task, payload }).pipe(Effect.provide(layer))

describe("default", () => {
  it.effect("routes nothing", () =>
    Effect.map(Router.route({ task: "mail.send", payload: {} }), (route) => assert.isUndefined(route))
  )
})

describe("patterns", () => {
  const cases: ReadonlyArray<readonly [pattern: string, fits: ReadonlyArray<string>, fitsNot: ReadonlyArray<string>]> =
    [
      ["mail.send", ["mail.send"], ["mail.sends", "xmail.send", "mailXsend", "MAIL.SEND", ""]],
      ["mail.*", ["mail.send", "mail.", "mail.a.b"], ["mail", "email.send", "mailX"]],
      ["*", ["mail.send", "x", "a\nb"], []],
      ["*.nightly", ["a.nightly", ".nightly", "a.nightly.nightly"], ["nightly", "a.nightly2"]],
      ["a*b", ["ab", "aXb", "abb", "a\nb"], ["a", "b", "ba", "aba"]],
      ["a*a", ["aa", "aaa", "aXa"], ["a"]],
      ["ab*ba", ["abba", "abXba"], ["aba", "ab", "ba"]],
      ["*x*", ["x", "axb", "xx"], ["", "a"]],
      ["a*b*c", ["abc", "aXbYc", "abbc", "abcc"], ["ac", "acb", "abcd", "bc"]],
      ["a*bc*c", ["abcc", "abcXc"], ["abc", "acbc"]],
      ["a**b", ["ab", "aXb"], ["a"]],
      ["a.b+(c)?$^[d]|\\", ["a.b+(c)?$^[d]|\\"], ["aXb", "a.b"]]
    ]
  it.effect.each(cases)("%s", ([pattern, fits, fitsNot]) =>
    Effect.gen(function* () {
      const layer = Router.layerPatterns({ [pattern]: "hit" })
      for (const task of fits) assert.deepStrictEqual(yield* routeOf(layer, task), { queue: "hit" }, task)
      for (const task of fitsNot) assert.isUndefined(yield* routeOf(layer, task), task)
    })
  )

  it.effect("the first that fits wins", () =>
    Effect.gen(function* () {
      const layer = Router.layerPatterns({
        "mail.digest": { queue: "slow", priority: 0 },
        "mail.*": "mail",
        "*": { queue: "rest", priority: 9 }
      })
      assert.deepStrictEqual(yield* routeOf(layer, "mail.digest"), { queue: "slow", priority: 0 })
      assert.deepStrictEqual(yield* routeOf(layer, "mail.send"), { queue: "mail" })
      assert.deepStrictEqual(yield* routeOf(layer, "web.fetch"), { queue: "rest", priority: 9 })
    })
  )

  it.effect("many stars take no long time", () =>
    Effect.map(routeOf(Router.layerPatterns({ [`${"*a".repeat(50)}b`]: "hit" }), "a".repeat(5000)), (route) =>
      assert.isUndefined(route)
    )
  )

  const wrong: ReadonlyArray<readonly [Readonly<Record<string, string | Router.Route>>, RegExp]> = [
    [{ "": "mail" }, /pattern is empty/],
    [{ "mail.*": "" }, /"mail\.\*".*queue is empty/],
    [{ "*": "ok", "mail.*": "my queue" }, /"mail\.\*".*a space/],
    [{ "mail.*": { queue: "mail", priority: 10 } }, /"mail\.\*".*0 to 9/]
  ]
  it.effect.each(wrong)("a table that is wrong fails at the start: %o", ([table, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Router.layerPatterns(table))))
      assert.strictEqual(error._tag, "RouteError")
      assert.match(error.message, message)
    })
  )
})

describe("tasks", () => {
  const layer = Router.layerTasks(group<typeof send | typeof fetch>(send, fetch), {
    "mail.send": ({ to }) => (to.endsWith("@vip") ? { queue: "vip", priority: 9 } : undefined)
  })

  it.effect("by payload", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* routeOf(layer, "mail.send", { to: "a@vip" }), { queue: "vip", priority: 9 })
      assert.isUndefined(yield* routeOf(layer, "mail.send", { to: "a@b" }))
      assert.isUndefined(yield* routeOf(layer, "web.fetch", { url: "" }))
    })
  )

  it.effect("names of JavaScript's own are no routes", () =>
    Effect.gen(function* () {
      for (const task of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
        assert.isUndefined(yield* routeOf(layer, task))
      }
      const own = Router.layerTasks(group(prototype), { constructor: () => ({ queue: "mine" }) })
      assert.deepStrictEqual(yield* routeOf(own, "constructor"), { queue: "mine" })
    })
  )

  it.effect("tables can be stacked", () =>
    Effect.gen(function* () {
      const stacked = layer.pipe(Layer.provide(Router.layerPatterns({ "mail.*": "mail", "web.*": "web" })))
      assert.deepStrictEqual(yield* routeOf(stacked, "mail.send", { to: "a@vip" }), { queue: "vip", priority: 9 })
      assert.deepStrictEqual(yield* routeOf(stacked, "mail.send", { to: "a@b" }), { queue: "mail" })
      assert.deepStrictEqual(yield* routeOf(stacked, "web.fetch"), { queue: "web" })
      assert.isUndefined(yield* routeOf(stacked, "other"))

      const patterns = Router.layerPatterns({ "web.*": "web" }).pipe(Layer.provide(layer))
      assert.deepStrictEqual(yield* routeOf(patterns, "mail.send", { to: "a@vip" }), { queue: "vip", priority: 9 })
    })
  )

  it("types", () => {
    const tasks = group<typeof send | typeof fetch>(send, fetch)
    const layers = [
      Router.layerTasks(tasks, { "web.fetch": ({ url }) => ({ queue: url }) }),
      // @ts-expect-error no such field in this task's payload
      Router.layerTasks(tasks, { "mail.send": ({ url }) => ({ queue: url }) }),
      // @ts-expect-error no such task
      Router.layerTasks(tasks, { "mail.sent": () => ({ queue: "x" }) }),
      // @ts-expect-error no route
      Router.layerTasks(tasks, { "mail.send": () => "mail" })
    ]
    assert.strictEqual(layers.length, 4)
  })
})

describe("a route that fails", () => {
  const boom = new Error("boom")
  const throwing = (value: unknown) => () => {
    throw value
  }
  const cases: ReadonlyArray<readonly [string, () => Router.Route | undefined, RegExp]> = [
    ["throws", throwing(boom), /route of "mail.send": the routing function threw/],
    ["throws a non-error", throwing("text"), /the routing function threw/],
    ["names a wrong queue", () => ({ queue: "{mail}" }), /route of "mail.send": .*a brace/],
    ["names a wrong priority", () => ({ queue: "mail", priority: -1 }), /0 to 9/],
    ["names a fraction", () => ({ queue: "mail", priority: 1.5 }), /0 to 9/],
    ["names NaN", () => ({ queue: "mail", priority: Number.NaN }), /0 to 9/]
  ]
  it.effect.each(cases)("%s", ([, router, message]) =>
    Effect.gen(function* () {
      const request = { task: "mail.send", payload: undefined }
      const error = yield* Effect.flip(Effect.provideService(Router.route(request), Router.Router, router))
      assert.instanceOf(error, Router.RouteError)
      assert.strictEqual(error.route, "mail.send")
      assert.match(error.message, message)
      assert.deepStrictEqual(Router.routeWith(router, request), Result.fail(error))
    })
  )

  it.effect("keeps the cause", () =>
    Effect.gen(function* () {
      const layer = Router.layerTasks(group(send), {
        "mail.send": throwing(boom)
      })
      const error = yield* Effect.flip(routeOf(layer, "mail.send", { to: "" }))
      assert.strictEqual(error.cause, boom)
    })
  )
})

describe("names of queues", () => {
  it.each(["a", "mail", "Mail_2.eu-west:high", "0", "-", "x".repeat(128)])("%s", (name) =>
    assert.isUndefined(Router.validateQueue(name))
  )

  const wrong: ReadonlyArray<readonly [string, RegExp]> = [
    ["", /empty/],
    ["x".repeat(129), /129 characters: use at most 128/],
    ["{mail}", /a brace/],
    ["mail}", /a brace/],
    ["mail*", /a wildcard/],
    ["mail?", /a wildcard/],
    ["[mail]", /a wildcard/],
    ["my mail", /a space/],
    ["mail\u00a0", /a space/],
    ["mail\n", /a control character/],
    ["mail\u0000", /a control character/],
    ["mail\u0085", /a control character/],
    ["zürich", /beyond ASCII/],
    ["почта", /beyond ASCII/],
    ["mail📬", /beyond ASCII/],
    ["mail/eu", /not allowed/],
    ["mail@eu", /not allowed/],
    ["mail,web", /not allowed/]
  ]
  it.each(wrong)("%j", (name, pattern) => {
    const problem = Router.validateQueue(name)
    assert.match(problem ?? "", pattern)
    assert.match(problem ?? "", /: (use|give) .*\.$/, "says what to do")
  })
})
