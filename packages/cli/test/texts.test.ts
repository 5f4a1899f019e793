/** The pure parts: what is typed, and what is masked. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { queuesIn } from "../src/flags.ts"
import { aligned, masked } from "../src/output.ts"
import { redisCommand } from "../src/rawTaskText.ts"
import { spanIn, spanWords } from "../src/spans.ts"

describe("spans", () => {
  it.each([
    ["500ms", 500],
    ["25s", 25_000],
    ["1.5m", 90_000],
    ["2 h", 7_200_000],
    ["1d", 86_400_000],
    ["90", 90_000],
    ["", undefined],
    ["-1s", undefined],
    ["1 week", undefined]
  ])('"%s"', (text, millis) => {
    const span = spanIn(text)
    assert.strictEqual(span === undefined ? undefined : Duration.toMillis(span), millis)
  })

  it("are told in words", () => {
    assert.deepStrictEqual([0, 12.4, 59_999, 90_500].map(spanWords), ["0ms", "12ms", "59s 999ms", "1m 31s"])
  })
})

describe("queues", () => {
  it("are an order, or weights", () => {
    assert.deepStrictEqual(queuesIn("mail, reports"), ["mail", "reports"])
    assert.deepStrictEqual(queuesIn("mail=3,reports=0.5"), { mail: 3, reports: 0.5 })
  })

  it.each([
    ["mail,mail", /named twice/],
    ["mail=3,reports", /all queues a weight/],
    ["mail=0", /above 0/],
    ["ma il", /queue/],
    ["", /empty/]
  ])('"%s" is refused', (text, problem) => {
    assert.throws(() => queuesIn(text), problem)
  })
})

describe("passwords", () => {
  it.each([
    ["redis://me:secret@host:6379/0", "redis://me:***@host:6379/0"],
    ["at rediss://:se@cr/et@host, and redis://a:b@c", "at rediss://:***@host, and redis://a:***@c"],
    ["redis://host:6379/0", "redis://host:6379/0"],
    ["http://host/a@b", "http://host/a@b"],
    ['{"url":"http://host:80/x","mail":"a@b.c"}', '{"url":"http://host:80/x","mail":"a@b.c"}']
  ])("in %s", (text, shown) => {
    assert.strictEqual(masked(text), shown)
  })
})

describe("text", () => {
  it("stands in columns", () => {
    const rows = aligned(
      [
        ["a", "one\ntwo"],
        ["long", "three"]
      ],
      (_format, text) => text
    )
    assert.strictEqual(rows, "  a     one\n        two\n  long  three")
  })

  it("can be pasted behind redis-cli", () => {
    assert.strictEqual(redisCommand(["hget", "{a:b}:messages", "it's"]), "HGET '{a:b}:messages' 'it'\\''s'")
  })
})
