/** The task under test. */
import { Task } from "celeriac"
import { Schema } from "effect"

export class MailServerDown extends Schema.TaggedError<MailServerDown>()("MailServerDown", {}) {}

export class SendMail extends Task.make("mail.send", {
  queue: "mail",
  payload: { to: Schema.String, template: Schema.Literals(["welcome", "first week", "offer of the day"]) },
  error: MailServerDown,
  retry: { times: 3, delay: "1 hour", backoff: "linear", max: "1 day", jitter: false }
}) {}
