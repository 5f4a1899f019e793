/** The definitions: all that producers and workers share. This file would be a package of its own. */
import { Task, TaskGroup } from "celeriac"
import { Schema } from "effect"

export class Unpayable extends Schema.TaggedError<Unpayable>()("Unpayable", { reason: Schema.String }) {}

export class Charge extends Task.make("payment.charge", {
  queue: "payments",
  payload: { account: Schema.String, cents: Schema.Int },
  success: Schema.Struct({ receipt: Schema.String }),
  error: Unpayable
}) {}

export class SendReceipt extends Task.make("receipt.send", {
  queue: "mail",
  payload: { to: Schema.String, receipt: Schema.String }
}) {}

export const Tasks = TaskGroup.make(Charge, SendReceipt)
