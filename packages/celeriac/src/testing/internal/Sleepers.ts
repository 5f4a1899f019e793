import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How many handlers run, and until when the first of those that sleep does. */
export class Sleepers {
  /** Grows with each start and end. */
  changes = 0
  /** Handlers that run now. */
  running = 0
  /** What the handlers get: the clock, and what it is asked to wait for is written down. */
  readonly clock: Clock.Clock
  private readonly ends = new Map<object, number>()

  constructor(clock: Clock.Clock) {
    const sleep: Clock.Clock["sleep"] = (duration) =>
      Effect.suspend(() => {
        const key = {}
        this.ends.set(key, clock.currentTimeMillisUnsafe() + Duration.toMillis(duration))
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => this.ends.delete(key))
        )
      })
    // inherits what a test clock has on top of a clock
    this.clock = Object.create(clock, { sleep: { value: sleep } }) as Clock.Clock
  }

  started(): void {
    this.running++
    this.changes++
  }

  ended(): void {
    this.running--
    this.changes++
  }

  /** Milliseconds since 1970; `Infinity` when none sleeps. */
  firstEnd(): number {
    return Math.min(Infinity, ...this.ends.values())
  }
}
