import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { readChoice } from "../../src/demo/choice.ts"

describe("readChoice", () => {
  it("takes place in memory, or on a server of its own", () => {
    assert.deepStrictEqual(readChoice([]), Result.succeed({ _tag: "Memory" }))
    assert.deepStrictEqual(readChoice(["--redis"]), Result.succeed({ _tag: "Redis", address: undefined }))
  })

  it.each([
    ["redis://host", "redis://host:6379/0"],
    ["redis://host:7000/3", "redis://host:7000/3"],
    ["redis://user:secret@host:7000/3", "redis://host:7000/3"],
    ["redis://:se%2Fcret@host", "redis://host:6379/0"],
    ["rediss://user:secret@host/1", "rediss://host:6379/1"],
    ["redis://[::1]:7000", "redis://[::1]:7000/0"]
  ])("reads %s", (url, shown) => {
    for (const args of [["--redis", url], [`--redis=${url}`]]) {
      const choice = Result.getOrThrow(readChoice(args))
      assert.isTrue(choice._tag === "Redis" && choice.address?.shown === shown)
      assert.isTrue(
        choice._tag === "Redis" && choice.address !== undefined && Redacted.value(choice.address.url) === url
      )
    }
  })

  it.each([
    "",
    "host",
    "host:6379",
    "http://:secret@host",
    "redis://",
    "redis://:secret@",
    "redis://:secret@host:port",
    "redis://:secret@host:99999",
    "redis://:secret@host/zero",
    "redis://:secret@host/0/1",
    "redis://user:12/secret@host",
    "redis://user:12?secret@host",
    "redis://user:12#secret@host",
    "redis://user:%secret@host"
  ])("refuses the address %j, and does not show it", (url) => {
    const error = Result.getOrThrow(Result.flip(readChoice(["--redis", url])))
    assert.strictEqual(error._tag, "NoAddress")
    assert.notInclude(error.message, "secret")
  })

  it.each([
    [["--bogus"], "--bogus"],
    [["redis://:secret@host"], "…@…"],
    [["--redis", "--bogus"], "--bogus"],
    [["--redis", "redis://host", "more"], "more"],
    [["--redis=redis://host", "more"], "more"]
  ])("%j: says what is wrong and how it is used", (args, wrong) => {
    const error = Result.getOrThrow(Result.flip(readChoice(args)))
    assert.strictEqual(error._tag, "Misuse")
    assert.match(error.message, /^unknown argument: .+\. Usage: npm start -- \[--redis \[redis:\/\//)
    assert.include(error.message, `unknown argument: ${wrong}.`)
    assert.notInclude(error.message, "secret")
  })
})
