import { Task } from "celeriac"
import { Schema } from "effect"

/** Defaults throughout: late acknowledgement, results kept for a day. */
export class Bench extends Task.make("bench", {
  payload: { n: Schema.Number, sentAt: Schema.Number, text: Schema.String },
  success: Schema.Number
}) {}
