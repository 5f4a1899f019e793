/** The workers as the story sees them: each is employed by its name, and can be killed. Where they run is up to the Layer. */
import { Context, type Effect, Schema, type Scope } from "effect"

/** A worker did not come to work. */
export class NotEmployed extends Schema.TaggedError<NotEmployed>()("NotEmployed", {
  worker: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `worker ${this.worker} did not start: ${this.problem}`
  }
}

export interface Hand {
  /** Ends it without a farewell. What it has in hand is lost to it; whoever waits for that has to wait for its lease. */
  readonly kill: Effect.Effect<void>
}

export class Crew extends Context.Service<
  Crew,
  {
    /** Starts a worker, and waits until it is ready. It ends with the scope. */
    readonly employ: (name: string) => Effect.Effect<Hand, NotEmployed, Scope.Scope>
  }
>()("demo/Crew") {}
