/** Definitions that the type tests share. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Task from "../../src/Task.ts"
import * as TaskGroup from "../../src/TaskGroup.ts"
import * as TaskMiddleware from "../../src/TaskMiddleware.ts"

export class SmtpError extends Schema.TaggedError<SmtpError>()("SmtpError", { code: Schema.Number }) {}

/** What the handlers need. */
export class Smtp extends Context.Service<Smtp, { readonly host: string }>()("test/Smtp") {}

export class SendMail extends Task.make("mail.send", {
  payload: { to: Schema.String, template: Schema.String, cc: Schema.optionalKey(Schema.Array(Schema.String)) },
  success: Schema.Struct({ messageId: Schema.String }),
  error: SmtpError,
  progress: Schema.Struct({ sent: Schema.Number }),
  queue: "mail",
  retry: { schedule: Schedule.exponential("1 second"), times: 5, while: (e) => e.code >= 400 && e.code < 500 },
  softTimeLimit: "20 seconds",
  timeLimit: "30 seconds"
}) {}

/** Nothing goes in, nothing comes out. */
export class Purge extends Task.make("cache.purge") {}

export class Thumbnail extends Schema.Class<Thumbnail>("Thumbnail")({ url: Schema.String, width: Schema.Number }) {}

/** A payload with a default, and a class as result. */
export class Resize extends Task.make("image.resize", {
  payload: Schema.Struct({
    url: Schema.String,
    width: Schema.Number.pipe(Schema.withConstructorDefault(Effect.succeed(64)))
  }),
  success: Thumbnail
}) {}

/** The payload is a class. */
export class Order extends Schema.Class<Order>("Order")({ id: Schema.String }) {}
export const Ship = Task.make("order.ship", { payload: Order, progress: Schema.String })

export const Tasks = TaskGroup.make(SendMail, Purge, Resize)

// middlewares

export class CurrentTenant extends Context.Service<CurrentTenant, { readonly id: string }>()("test/CurrentTenant") {}
export class NoTenant extends Schema.TaggedError<NoTenant>()("NoTenant", {}) {}
export class Tenant extends TaskMiddleware.Service<Tenant, CurrentTenant>()("test/Tenant", { error: NoTenant }) {}
export class Audit extends TaskMiddleware.Service<Audit>()("test/Audit") {}

export class Invoice extends Task.make("invoice.make", { payload: { order: Schema.String } })
  .middleware(Tenant)
  .middleware(Audit) {}

// schemas that need services

export class SealingKey extends Context.Service<SealingKey, string>()("test/SealingKey") {}
export class OpeningKey extends Context.Service<OpeningKey, string>()("test/OpeningKey") {}
declare const Sealed: Schema.Codec<string, string, OpeningKey, SealingKey>

/** Its payload is sealed by producers and opened by workers; its result goes the other way. */
export const Whisper = Task.make("whisper", { payload: { text: Sealed } })
export const Confide = Task.make("confide", { success: Sealed })
