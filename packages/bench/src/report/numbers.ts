/** Numbers for people: three figures are enough. */
import type { Summary } from "../statistics.ts"

/** 72 312 → `72.3k`, 1 234 567 → `1.23M`. */
export const short = (value: number): string => {
  const size = Math.abs(value)
  if (size >= 999_500) return `${rounded(value / 1e6)}M`
  if (size >= 999.5) return `${rounded(value / 1e3)}k`
  return rounded(value)
}

const rounded = (value: number): string =>
  Math.abs(value) >= 99.95 ? value.toFixed(0) : Math.abs(value) >= 9.995 ? value.toFixed(1) : value.toFixed(2)

/** The median, and the middle half in brackets. */
export const spread = ({ lower, median, rounds, upper }: Summary): string =>
  rounds === 1 ? short(median) : `${short(median)} (${short(lower)}–${short(upper)})`

export const times = ({ lower, median, rounds, upper }: Summary): string =>
  rounds === 1 ? `${rounded(median)}×` : `${rounded(median)}× (${rounded(lower)}–${rounded(upper)})`
