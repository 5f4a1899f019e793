import { describe, expect, it } from "vitest"
import { median, quantile, ratio, summary } from "../src/statistics.ts"

describe("statistics", () => {
  it("takes the least value that a part of them does not exceed", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([0.01, 0.5, 0.99, 0.999, 1].map((part) => quantile(values, part))).toEqual([1, 50, 99, 100, 100])
    expect(quantile([7], 0.5)).toBe(7)
  })

  it("has the median between the two in the middle", () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it("tells the middle half", () => {
    expect(summary([8, 1, 2, 3, 4, 5, 6, 7])).toEqual({ median: 4.5, lower: 2, upper: 6, min: 1, max: 8, rounds: 8 })
  })

  it("compares round by round, not median by median", () => {
    // a disturbance halves both in the same round
    expect(ratio([100, 50, 102], [10, 5, 10.2])).toMatchObject({ median: 10, min: 10, max: 10 })
    expect(ratio([100, undefined, 90], [10, 10, undefined])).toMatchObject({ median: 10, rounds: 1 })
    expect(ratio([undefined], [1])).toBeUndefined()
  })
})
