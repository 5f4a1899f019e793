/** Spans of time as people type them. */
import * as Duration from "effect/Duration"

const units: Readonly<Record<string, (amount: number) => Duration.Duration>> = {
  ms: Duration.millis,
  s: Duration.seconds,
  m: Duration.minutes,
  h: Duration.hours,
  d: Duration.days
}

/** `500ms`, `25s`, `2m`, `1h`, `1d`; a bare number is seconds. `undefined`: it is none of those. */
export const spanIn = (text: string): Duration.Duration | undefined => {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim()) ?? []
  return amount === undefined ? undefined : units[unit]!(Number(amount))
}

/** A span in words: `1m 30s`; of what is longer than a minute no milliseconds. */
export const spanWords = (millis: number): string => {
  const rounded = millis >= 60_000 ? Math.round(millis / 1000) * 1000 : Math.round(millis)
  return rounded === 0 ? "0ms" : Duration.format(Duration.millis(rounded))
}
