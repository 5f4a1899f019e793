/** How many messages a worker holds ready, by the rate at which its runs have ended. */
import { assert, describe, it } from "@effect/vitest"
import { Prefetch } from "../src/internal/worker/Prefetch.ts"

const origin = 1_700_000_000_000

/** Looks every millisecond from then on; so many runs end in each. Answers what is to be held at the end. */
const lookOn = (prefetch: Prefetch, from: number, millis: number, ends: number): number => {
  for (let at = from; at < from + millis; at++) {
    prefetch.target(at)
    for (let nth = 0; nth < ends; nth++) prefetch.ended()
  }
  return prefetch.target(from + millis)
}

describe("a number", () => {
  it("is what is held, at any rate and time", () => {
    const prefetch = new Prefetch(7)
    assert.strictEqual(lookOn(prefetch, origin, 100, 3), 7)
    assert.strictEqual(prefetch.target(0), 7)
  })
})

describe("auto", () => {
  it("nothing before a rate is known", () => {
    assert.strictEqual(new Prefetch("auto").target(origin), 0)
  })

  it.each([
    [1, 50],
    [3, 150],
    [50, 1000]
  ])("%i ends in a millisecond: %i, the work of 50 ms, at most 1 000", (ends, held) => {
    assert.strictEqual(lookOn(new Prefetch("auto"), origin, 100, ends), held)
  })

  it("follows the rate down", () => {
    const prefetch = new Prefetch("auto")
    lookOn(prefetch, origin, 100, 3)
    assert.strictEqual(lookOn(prefetch, origin + 100, 40, 1), 50)
    assert.strictEqual(lookOn(prefetch, origin + 140, 40, 0), 0)
  })

  /** Milliseconds from the last look to the next. */
  const gaps: ReadonlyArray<readonly [what: string, gap: number]> = [
    ["a long silence", 401],
    ["a clock that was set forward", 3_600_000],
    ["a clock that was set back", -3_600_000],
    ["a clock that was set back by little", -1]
  ]
  it.each(gaps)("%s says nothing about the rate, and does not stop the count", (_, gap) => {
    const prefetch = new Prefetch("auto")
    const last = origin + 100
    assert.strictEqual(lookOn(prefetch, origin, 100, 3), 150)
    // many, so that any rate that was made of them would show
    for (let nth = 0; nth < 1000; nth++) prefetch.ended()
    assert.strictEqual(prefetch.target(last + gap), 0)
    assert.strictEqual(lookOn(prefetch, last + gap, 20, 2), 100)
  })
})
