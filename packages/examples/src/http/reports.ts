/** The task, with its result and its error. Producers, workers and the HTTP API share this file. */
import { Task } from "celeriac"
import { Schema } from "effect"

export class Report extends Schema.Class<Report>("Report")({
  customer: Schema.String,
  orders: Schema.Int,
  total: Schema.Finite
}) {}

/** A failure of the task, and an answer of the API: raised in a worker, it reaches the HTTP client as it is. */
export class NoOrders extends Schema.TaggedError<NoOrders>()(
  "NoOrders",
  { customer: Schema.String },
  { httpApiStatus: 422 }
) {}

export class MakeReport extends Task.make("report.make", {
  payload: { customer: Schema.String },
  success: Report,
  error: NoOrders,
  timeLimit: "1 minute"
}) {}
