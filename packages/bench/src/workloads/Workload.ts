/** What is measured: named figures of one system in one round. */
import type { Effect } from "effect"
import type { Bench, Figures } from "../comparison/bench.ts"
import type { Plan } from "../comparison/plan.ts"
import type { Spoilt } from "../comparison/process.ts"
import type { ServerError } from "../server.ts"
import type { System } from "../systems/System.ts"

export interface Metric {
  readonly key: string
  readonly title: string
  readonly unit: "/s" | "ms" | "bytes" | "µs" | "MB" | "%" | "messages"
  /** Which is better. Left out: it only says under what circumstances the others were measured. */
  readonly better?: "more" | "less"
}

export interface Context {
  readonly bench: Bench
  readonly plan: Plan
  readonly system: System
  /** How many tasks this system is expected to run in the plan's `seconds`. */
  readonly tasks: number
  /** Tells how many tasks a second it ran, for the rounds to come. */
  readonly ran: (perSecond: number) => void
  /** Its tasks a second so far. */
  readonly pace: number
}

export interface Workload {
  readonly name: string
  readonly title: string
  /** One sentence: what happens in a round. */
  readonly how: string
  readonly metrics: ReadonlyArray<Metric>
  /** Which systems can do it. */
  readonly fits: (system: System) => boolean
  readonly measure: (context: Context) => Effect.Effect<Figures, Spoilt | ServerError>
}

/** Of the payload as JSON, where nothing else is said. */
export const usualBytes = 200
