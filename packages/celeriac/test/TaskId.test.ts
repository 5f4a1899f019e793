import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as TaskId from "../src/TaskId.ts"

/** Random bytes that repeat: `pattern` over and over. */
const fill =
  (...pattern: ReadonlyArray<number>) =>
  (bytes: Uint8Array) =>
    bytes.forEach((_, index) => {
      bytes[index] = pattern[index % pattern.length] ?? 0
    })

const random = (bytes: Uint8Array<ArrayBuffer>) => globalThis.crypto.getRandomValues(bytes)

const year2100 = 4_102_444_800_000
const longest = 2 ** 48 - 1

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: longest }))
const Byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Bytes = Schema.Tuple([Byte, Byte, Byte, Byte, Byte, Byte, Byte, Byte])

describe("form", () => {
  it("is a known UUIDv7, written in 22 characters", () => {
    // the example of RFC 9562, appendix A.6, with a counter of 0
    const id = TaskId.makeGenerator(fill(0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f))(0x017f22e279b0)
    assert.strictEqual(TaskId.toUuid(id), "017f22e2-79b0-7000-98c4-dc0c0c07398f")
    assert.strictEqual(id.length, 22)
  })

  it.prop("has version 7 and the RFC's variant, whatever the time and the random bytes", { Millis, Bytes }, (input) => {
    const id = TaskId.makeGenerator(fill(...input.Bytes))(input.Millis)
    assert.match(id, /^[0-9A-Z_a-z~]{22}$/)
    assert.match(TaskId.toUuid(id), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.isTrue(TaskId.isGenerated(id))
    assert.isTrue(TaskId.isValid(id))
  })

  it("keeps all 62 random bits", () => {
    const seen = [0, 0xff].map((byte) =>
      BigInt(
        `0x${TaskId.toUuid(TaskId.makeGenerator(fill(byte))(1))
          .slice(19)
          .replace("-", "")}`
      )
    )
    assert.deepStrictEqual(seen, [0x8000_0000_0000_0000n, 0xbfff_ffff_ffff_ffffn])
  })

  it("uses each random byte once", () => {
    let fills = 0
    const next = TaskId.makeGenerator((bytes) => {
      fills++
      bytes.forEach((_, index) => {
        bytes[index] = Math.floor(index / 8) & 0xff
      })
    })
    const ends = Array.from({ length: 512 }, () => TaskId.toUuid(next(1)).slice(-12))
    assert.strictEqual(fills, 1)
    assert.deepStrictEqual(
      ends,
      Array.from({ length: 512 }, (_, index) => (index & 0xff).toString(16).padStart(2, "0").repeat(6))
    )
    next(1)
    assert.strictEqual(fills, 2)
  })
})

describe("time", () => {
  it.each([1, 63, 64, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 1_700_000_000_000, year2100, longest])(
    "of %d",
    (millis) => {
      assert.strictEqual(TaskId.timeOf(TaskId.makeGenerator(random)(millis)), millis)
    }
  )

  it.prop("sorts as text", { one: Millis, other: Millis }, ({ one, other }) => {
    const [a, b] = [TaskId.makeGenerator(random)(one), TaskId.makeGenerator(random)(other)]
    if (one !== other) assert.strictEqual(a < b, one < other)
  })

  it("the first 7 characters name a span of 64 ms", () => {
    const name = (millis: number) => TaskId.makeGenerator(random)(millis).slice(0, 7)
    const start = 64 * 26_562_500_000
    assert.strictEqual(name(start), name(start + 63))
    assert.notStrictEqual(name(start), name(start - 1))
    assert.notStrictEqual(name(start), name(start + 64))
  })

  it.each(["order-17", "", "0".repeat(22), "~".repeat(22)])("of %j is not known", (id) =>
    assert.isUndefined(TaskId.timeOf(id))
  )
})

describe("growth", () => {
  const cases: ReadonlyArray<readonly [string, number, (n: number) => number]> = [
    ["within a millisecond", 4096, () => 5000],
    ["beyond the counter", 3 * 4096, () => 5000],
    ["with a clock that goes back", 10_000, (n) => 100_000 - n],
    ["with a clock that jumps to and fro", 10_000, (n) => 100_000 + (n % 3) * 40_000 * (n % 2 === 0 ? 1 : -1)],
    ["with the time", 1000, (n) => 5000 + n]
  ]
  it.each(cases)("is strict %s", (_, count, clock) => {
    // random bits that fall would break an order that leans on them
    let last = 0xff
    const next = TaskId.makeGenerator((bytes) => bytes.fill(last--))
    let previous = ""
    for (let n = 0; n < count; n++) {
      const id = next(clock(n))
      if (!(previous < id)) assert.fail(`${previous} is not before ${id} (${n})`)
      previous = id
    }
  })

  it("runs ahead of the clock by a millisecond for each 4096 ids", () => {
    const next = TaskId.makeGenerator(random)
    const times = Array.from({ length: 2 * 4096 + 1 }, () => TaskId.timeOf(next(5000)))
    assert.deepStrictEqual(
      [times[0], times[4095], times[4096], times[8191], times[8192]],
      [5000, 5000, 5001, 5001, 5002]
    )
    assert.strictEqual(TaskId.timeOf(next(5001)), 5002)
    assert.strictEqual(TaskId.timeOf(next(5003)), 5003)
  })

  it("two generators do not meet", () => {
    const [one, two] = [TaskId.makeGenerator(random), TaskId.makeGenerator(random)]
    const ids = new Set(Array.from({ length: 1000 }, () => [one(5000), two(5000)]).flat())
    assert.strictEqual(ids.size, 2000)
  })
})

describe("UUIDs", () => {
  it.prop("there and back", { Millis, Bytes }, (input) => {
    const id = TaskId.makeGenerator(fill(...input.Bytes))(input.Millis)
    assert.strictEqual(TaskId.fromUuid(TaskId.toUuid(id)), id)
  })

  it.each([
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "00000000-0000-7000-8000-000000000000"
  ])("back and there: %s", (uuid) => {
    assert.strictEqual(TaskId.toUuid(TaskId.fromUuid(uuid)), uuid)
    assert.isTrue(TaskId.isGenerated(TaskId.fromUuid(uuid)))
  })

  it("in capitals", () =>
    assert.strictEqual(
      TaskId.fromUuid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"),
      TaskId.fromUuid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    ))
})

describe("guards", () => {
  const id = TaskId.makeGenerator(random)(1_700_000_000_000)
  const version4 = TaskId.fromUuid("2c5ea4c0-4067-4fe9-8bad-9b1deb4d3b7d")
  const cases: ReadonlyArray<readonly [string, id: string, isGenerated: boolean, isValid: boolean]> = [
    ["generated", id, true, true],
    ["a character short", id.slice(1), false, true],
    ["a character long", `${id}0`, false, true],
    ["with a line feed", `${id}\n`, false, false],
    ["version 4", version4, false, true],
    ["its UUID", TaskId.toUuid(id), false, true],
    ["beyond the alphabet", `${id.slice(0, 21)}+`, false, true],
    ["one character", "x", false, true],
    [
      "all that is printable",
      Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join(""),
      false,
      true
    ],
    ["256 characters", "x".repeat(256), false, true],
    ["257 characters", "x".repeat(257), false, false],
    ["nothing", "", false, false],
    ["a space", "order 17", false, false],
    ["a tab", "order\t17", false, false],
    ["a line feed", "order\n", false, false],
    ["DEL", "order\u007f", false, false],
    ["beyond ASCII", "größe", false, false]
  ]
  it.each(cases)("%s", (_, text, generated, valid) => {
    assert.strictEqual(TaskId.isGenerated(text), generated)
    assert.strictEqual(TaskId.isValid(text), valid)
  })
})

describe("make", () => {
  it.effect("takes the time of the Clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(year2100)
      const [one, two] = [yield* TaskId.make, yield* TaskId.make]
      assert.strictEqual(TaskId.timeOf(one), year2100)
      assert.isTrue(one < two)
    })
  )

  it.effect("takes the generator of the surroundings", () =>
    Effect.gen(function* () {
      const next = TaskId.makeGenerator(fill(1))
      const again = TaskId.makeGenerator(fill(1))
      yield* TestClock.setTime(7)
      const id = yield* Effect.provideService(TaskId.make, TaskId.Generator, { next })
      assert.strictEqual(id, again(7))
    })
  )
})
