/**
 * How many messages to hold beyond the free slots. `auto`: what the worker will start within 50 ms at its present rate, so
 * that quick tasks come in large batches and slow ones do not wait behind each other while other workers are free.
 */
export class Prefetch {
  private readonly fixed: number | "auto"
  private since = 0
  private ends = 0
  /** Ends in a millisecond. */
  private rate = 0

  constructor(fixed: number | "auto") {
    this.fixed = fixed
  }

  ended(): void {
    this.ends++
  }

  /** `now` in milliseconds, by a clock that may be set. */
  target(now: number): number {
    if (this.fixed !== "auto") return this.fixed
    const span = now - this.since
    if (span < 0 || span >= window) {
      // neither a long silence nor a clock that was set back says anything about the rate to come
      this.rate = span < 0 || span > silence ? 0 : this.ends / span
      this.since = now
      this.ends = 0
    }
    return Math.min(most, Math.floor(this.rate * ahead))
  }
}

/** Milliseconds. */
const window = 20
const silence = 400
const ahead = 50

const most = 1000
