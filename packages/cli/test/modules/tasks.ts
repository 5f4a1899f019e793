/** Definitions for the tests of the worker command. */
import { Task } from "celeriac"
import { Schema } from "effect"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

export class Greet extends Task.make("greet", { queue: "mail", payload: Schema.String, success: Schema.String }) {}
export class Count extends Task.make("count", { queue: "reports", payload: Schema.String, success: Schema.Int }) {}
export class Refuse extends Task.make("refuse", { queue: "mail", payload: Schema.String, error: Refused }) {}
export class Again extends Task.make("again", {
  queue: "mail",
  error: Refused,
  retry: { delay: "5 millis", times: 1 }
}) {}
export class Break extends Task.make("break", { queue: "mail", payload: Schema.String }) {}
/** Ends when something is pushed to this list of the server. */
export class Hold extends Task.make("hold", { queue: "slow" }) {}
/** Ends at its limit. */
export class Late extends Task.make("late", { queue: "mail", timeLimit: "50 millis" }) {}
