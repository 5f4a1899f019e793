/** Spans of time and counts, as log lines say them. */
import * as Duration from "effect/Duration"

/** `1s 500ms`. */
export const spanOf = (millis: number): string => (millis === 0 ? "0ms" : Duration.format(Duration.millis(millis)))

/** `1 run`, `2 runs`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
