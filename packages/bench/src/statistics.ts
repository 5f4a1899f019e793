/** Middles and spreads. All of these need one value at least. */

export interface Summary {
  readonly median: number
  /** The middle half of the values lies between these two. */
  readonly lower: number
  readonly upper: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** The least of the values that so large a part of them does not exceed. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * part) - 1))]!
}

/** Of an even number of values: the mean of the two in the middle. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((left, right) => left - right)
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}

export const summary = (values: ReadonlyArray<number>): Summary => ({
  median: median(values),
  lower: quantile(values, 0.25),
  upper: quantile(values, 0.75),
  min: Math.min(...values),
  max: Math.max(...values),
  rounds: values.length
})

/**
 * How many times the one is the other, round by round: what disturbs a round disturbs both, so the quotients are steadier
 * than the quotient of the medians. `undefined` when no round has both.
 */
export const ratio = (
  one: ReadonlyArray<number | undefined>,
  other: ReadonlyArray<number | undefined>
): Summary | undefined => {
  const quotients = one.flatMap((value, round) => {
    const against = other[round]
    return value === undefined || against === undefined || against === 0 ? [] : [value / against]
  })
  return quotients.length === 0 ? undefined : summary(quotients)
}
