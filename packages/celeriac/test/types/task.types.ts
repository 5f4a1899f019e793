/** What the compiler promises about definitions, calls and handles. Nothing here is run. */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { expectTypeOf } from "vitest"
import type { Client } from "../../src/Client.ts"
import type { EnqueueError } from "../../src/EnqueueError.ts"
import type { Signature } from "../../src/Signature.ts"
import * as Task from "../../src/Task.ts"
import type { Reason, TaskEnded } from "../../src/TaskEnded.ts"
import type { Change, TaskHandle } from "../../src/TaskHandle.ts"
import type { State, TerminalState } from "../../src/TaskRecord.ts"
import {
  Confide,
  Invoice,
  type NoTenant,
  type OpeningKey,
  Order,
  Purge,
  Resize,
  type SealingKey,
  SendMail,
  Ship,
  SmtpError,
  type Thumbnail,
  Whisper
} from "./definitions.ts"

type Sent = { readonly messageId: string }
type SentProgress = { readonly sent: number }

// --- definition ------------------------------------------------------------------------------------------------------

expectTypeOf(SendMail._tag).toEqualTypeOf<"mail.send">()
expectTypeOf(SendMail.payloadSchema.Type).toEqualTypeOf<{
  readonly to: string
  readonly template: string
  readonly cc?: ReadonlyArray<string>
}>()
expectTypeOf(SendMail.successSchema.Type).toEqualTypeOf<Sent>()
expectTypeOf(SendMail.errorSchema.Type).toEqualTypeOf<SmtpError>()
expectTypeOf(SendMail.progressSchema.Type).toEqualTypeOf<SentProgress>()
expectTypeOf(Purge.payloadSchema.Type).toEqualTypeOf<void>()
expectTypeOf(Purge.successSchema.Type).toEqualTypeOf<void>()
expectTypeOf(Purge.errorSchema.Type).toEqualTypeOf<never>()
expectTypeOf(Purge.progressSchema.Type).toEqualTypeOf<never>()

expectTypeOf<Task.Success<typeof SendMail>>().toEqualTypeOf<Sent>()
expectTypeOf<Task.Error<typeof SendMail>>().toEqualTypeOf<SmtpError>()
expectTypeOf<Task.Error<typeof Invoice>>().toEqualTypeOf<NoTenant>()
expectTypeOf<Task.ServicesClient<typeof SendMail>>().toEqualTypeOf<never>()

Task.make("bad.payload", {
  // @ts-expect-error not a schema
  payload: { to: String }
})
Task.make("bad.success", {
  // @ts-expect-error not a schema
  success: { messageId: String }
})
Task.make("bad.error", {
  // @ts-expect-error an error is a class, or another schema
  error: { code: Schema.Number }
})

// fields are short for a struct
const Fields = Task.make("good.fields", {
  payload: { to: Schema.String },
  success: { messageId: Schema.String, at: Schema.optionalKey(Schema.Number) },
  progress: { sent: Schema.Number }
})
expectTypeOf(Fields.successSchema.Type).toEqualTypeOf<{ readonly messageId: string; readonly at?: number }>()
expectTypeOf(Fields.progressSchema.Type).toEqualTypeOf<{ readonly sent: number }>()
expectTypeOf(Fields.execute({ to: "a" })).toEqualTypeOf<
  Effect.Effect<{ readonly messageId: string; readonly at?: number }, TaskEnded | EnqueueError, Client>
>()
Fields.toLayer((_, task) => Effect.as(task.progress({ sent: 1 }), { messageId: "" }))
// @ts-expect-error a field is missing
Fields.toLayer(() => Effect.succeed({}))
Task.make("bad.option", {
  // @ts-expect-error no such option
  queu: "mail"
})
// @ts-expect-error a task holds no handler
Task.make("bad.handler", { payload: { to: Schema.String }, handler: () => Effect.void })

// --- policies --------------------------------------------------------------------------------------------------------

Task.make("good.retry.short", { retry: true })
Task.make("good.retry.plain", {
  retry: { times: 3, delay: "1 second", backoff: "linear", max: "1 hour", jitter: false }
})
Task.make("good.retry.while", {
  error: SmtpError,
  retry: {
    while: (error) => {
      expectTypeOf(error).toEqualTypeOf<SmtpError>()
      return error.code < 500
    }
  }
})
Task.make("good.retry.schedule", {
  error: SmtpError,
  retry: {
    // the schedule's input is the error
    schedule: Schedule.while(Schedule.identity<SmtpError>(), ({ input }) => Effect.succeed(input.code < 500)),
    defects: false,
    timeLimits: false
  }
})
Task.make("good.upgrade", {
  version: 2,
  payload: { to: Schema.Array(Schema.String) },
  upgrades: {
    1: Task.upgrade(
      Schema.Struct({ to: Schema.String }),
      Schema.Struct({ to: Schema.Array(Schema.String) }),
      ({ to }) => ({ to: [to] })
    )
  }
})

Task.make("bad.retry.while", {
  error: SmtpError,
  // @ts-expect-error the task's error has no such field
  retry: { while: (error) => error.reason === "x" }
})
Task.make("bad.retry.while.never", {
  // @ts-expect-error a task without errors has none to look at
  retry: { while: (error) => error.code < 500 }
})
Task.make("bad.retry.input", {
  error: SmtpError,
  // @ts-expect-error the schedule wants another error
  retry: { schedule: Schedule.identity<{ readonly reason: string }>() }
})
Task.make("bad.retry.both", {
  // @ts-expect-error either a schedule or a formula
  retry: { schedule: Schedule.spaced("1 second"), delay: "1 second" }
})
Task.make("bad.retry.both.jitter", {
  // @ts-expect-error either a schedule or a formula
  retry: { schedule: Schedule.spaced("1 second"), jitter: true }
})
Task.make("bad.retry.backoff", {
  // @ts-expect-error no such backoff
  retry: { backoff: "quadratic" }
})
Task.make("bad.retry.false", {
  // @ts-expect-error no retries is said by leaving it out
  retry: false
})
Task.make("bad.limit", {
  // @ts-expect-error not a duration
  timeLimit: "30 parsecs"
})
Task.make("bad.priority", {
  // @ts-expect-error priorities are 0 to 9
  priority: 10
})
Task.make("bad.ack", {
  // @ts-expect-error early or late
  ack: "never"
})
Task.upgrade(
  Schema.Struct({ to: Schema.String }),
  Schema.Struct({ to: Schema.Array(Schema.String) }),
  // @ts-expect-error the new version holds a list
  ({ to }) => ({ to })
)

// --- enqueue ---------------------------------------------------------------------------------------------------------

const sent = SendMail.enqueue({ to: "a", template: "b" }, { delay: "10 minutes", priority: 9 })
expectTypeOf(sent).toEqualTypeOf<Effect.Effect<TaskHandle<Sent, SmtpError, SentProgress>, EnqueueError, Client>>()

Purge.enqueue() // a void payload is no argument …
Purge.enqueue(undefined, { delay: "1 minute" }) // … unless options follow
Resize.enqueue({ url: "u" }) // constructor defaults may be left out …
expectTypeOf(Resize.payloadSchema.Type.width).toEqualTypeOf<number>() // … and are there in the handler
Ship.enqueue({ id: "1" }) // a class takes its fields …
Ship.enqueue(new Order({ id: "1" })) // … or an instance
SendMail.enqueue({ to: "a", template: "b" }, { at: new Date(), expires: "1 hour" })
SendMail.enqueue({ to: "a", template: "b" }, { at: 1_800_000_000_000, expires: new Date() })

// @ts-expect-error a field is missing
SendMail.enqueue({ to: "a" })
// @ts-expect-error a field has the wrong type
SendMail.enqueue({ to: 1, template: "b" })
// @ts-expect-error a field is unknown
SendMail.enqueue({ to: "a", template: "b", bcc: "c" })
// @ts-expect-error the payload is missing
SendMail.enqueue()
// @ts-expect-error no payload for a task without one
Purge.enqueue({ all: true })
// @ts-expect-error priorities are 0 to 9
SendMail.enqueue({ to: "a", template: "b" }, { priority: 10 })
// @ts-expect-error not a duration
SendMail.enqueue({ to: "a", template: "b" }, { delay: "10 parsecs" })
// @ts-expect-error no such option
SendMail.enqueue({ to: "a", template: "b" }, { dealy: "10 minutes" })
// @ts-expect-error headers are text
SendMail.enqueue({ to: "a", template: "b" }, { headers: { attempt: 1 } })
// @ts-expect-error what an interrupt does is a matter of `execute`
SendMail.enqueue({ to: "a", template: "b" }, { onInterrupt: "detach" })

expectTypeOf(Purge.enqueueAll([undefined, undefined])).toEqualTypeOf<
  Effect.Effect<NonEmptyReadonlyArray<TaskHandle<void>>, EnqueueError, Client>
>()
// what may be empty gives what may be empty
declare const some: ReadonlyArray<{ readonly url: string }>
declare const oneOrMore: NonEmptyReadonlyArray<{ readonly url: string }>
expectTypeOf(Resize.enqueueAll(some)).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<TaskHandle<Thumbnail>>, EnqueueError, Client>
>()
expectTypeOf(Resize.enqueueAll([])).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<TaskHandle<Thumbnail>>, EnqueueError, Client>
>()
expectTypeOf(Resize.enqueueAll(oneOrMore)).toEqualTypeOf<
  Effect.Effect<NonEmptyReadonlyArray<TaskHandle<Thumbnail>>, EnqueueError, Client>
>()
SendMail.enqueueAll(new Set([{ to: "a", template: "b" }]), { priority: 1 })
// @ts-expect-error one of the payloads does not fit
SendMail.enqueueAll([{ to: "a", template: "b" }, { to: "a" }])
// @ts-expect-error one id cannot serve them all
SendMail.enqueueAll([{ to: "a", template: "b" }], { id: "x" })

expectTypeOf(SendMail.execute({ to: "a", template: "b" })).toEqualTypeOf<
  Effect.Effect<Sent, SmtpError | TaskEnded | EnqueueError, Client>
>()
SendMail.execute({ to: "a", template: "b" }, { onInterrupt: "detach" })
// @ts-expect-error revoke or detach
SendMail.execute({ to: "a", template: "b" }, { onInterrupt: "ignore" })

expectTypeOf(SendMail.handle("id")).toEqualTypeOf<
  Effect.Effect<TaskHandle<Sent, SmtpError, SentProgress>, never, Client>
>()

// the methods are functions: they need no receiver
export const { enqueue } = SendMail
expectTypeOf(enqueue({ to: "a", template: "b" })).toEqualTypeOf<
  Effect.Effect<TaskHandle<Sent, SmtpError, SentProgress>, EnqueueError, Client>
>()

// schemas ask for their services: to encode the payload, to decode what comes back
expectTypeOf(Whisper.enqueue({ text: "x" })).toEqualTypeOf<
  Effect.Effect<TaskHandle<void>, EnqueueError, Client | SealingKey>
>()
expectTypeOf(Confide.enqueue()).toEqualTypeOf<Effect.Effect<TaskHandle<string>, EnqueueError, Client | OpeningKey>>()
expectTypeOf(Confide.handle("id")).toEqualTypeOf<Effect.Effect<TaskHandle<string>, never, Client | OpeningKey>>()

// --- signatures ------------------------------------------------------------------------------------------------------

const mail = SendMail.s({ to: "a", template: "b" }, { priority: 9 })
expectTypeOf(mail).toEqualTypeOf<Signature<"mail.send", Sent, SmtpError, SentProgress>>()
expectTypeOf(Purge.s()).toEqualTypeOf<Signature<"cache.purge", void, never>>()
expectTypeOf(Invoice.s({ order: "1" })).toEqualTypeOf<Signature<"invoice.make", void, NoTenant>>()
expectTypeOf<Signature.Handle<typeof mail>>().toEqualTypeOf<TaskHandle<Sent, SmtpError, SentProgress>>()
expectTypeOf<Signature.Services<typeof mail>>().toEqualTypeOf<never>()
expectTypeOf(Whisper.s({ text: "x" })).toEqualTypeOf<Signature<"whisper", void, never, never, SealingKey>>()

// different tasks in one batch: a tuple of handles
expectTypeOf(Task.enqueueAll([mail, Purge.s(), Resize.s({ url: "u" })])).toEqualTypeOf<
  Effect.Effect<
    readonly [TaskHandle<Sent, SmtpError, SentProgress>, TaskHandle<void>, TaskHandle<Thumbnail>],
    EnqueueError,
    Client
  >
>()
// a list: a list of handles
expectTypeOf(Task.enqueueAll(["a", "b"].map((url) => Resize.s({ url })))).toEqualTypeOf<
  Effect.Effect<ReadonlyArray<TaskHandle<Thumbnail>>, EnqueueError, Client>
>()
expectTypeOf(Task.enqueueAll([Purge.s(), Whisper.s({ text: "x" })])).toEqualTypeOf<
  Effect.Effect<readonly [TaskHandle<void>, TaskHandle<void>], EnqueueError, Client | SealingKey>
>()

// @ts-expect-error a field is missing
SendMail.s({ to: "a" })
// @ts-expect-error a task is no signature
Task.enqueueAll([Purge])
// @ts-expect-error nor is a payload
Task.enqueueAll([{ to: "a", template: "b" }])

// --- handle ----------------------------------------------------------------------------------------------------------

declare const handle: TaskHandle<Sent, SmtpError, SentProgress>

expectTypeOf(handle.await).toEqualTypeOf<Effect.Effect<Sent, SmtpError | TaskEnded>>()
expectTypeOf(handle.poll).toEqualTypeOf<Effect.Effect<Option.Option<Exit.Exit<Sent, SmtpError | TaskEnded>>>>()
expectTypeOf(handle.state).toEqualTypeOf<Effect.Effect<Option.Option<State>>>()
expectTypeOf(handle.changes).toEqualTypeOf<Stream.Stream<Change<Sent, SmtpError, SentProgress>>>()
expectTypeOf(handle.revoke({ waitingOnly: true })).toEqualTypeOf<Effect.Effect<boolean>>()
expectTypeOf(handle.forget).toEqualTypeOf<Effect.Effect<void>>()

// one error by its tag, one ending by its reason, all endings by theirs
const result = handle.await.pipe(
  Effect.catchTag("SmtpError", (error) => Effect.succeed(error.code)),
  Effect.catchReason("TaskEnded", "Expired", () => Effect.succeed(false)),
  Effect.catchTag("TaskEnded", (error) => Effect.succeed(error.reason._tag))
)
expectTypeOf(result).toEqualTypeOf<Effect.Effect<Sent | number | boolean | Reason["_tag"]>>()
expectTypeOf<Reason["_tag"]>().toEqualTypeOf<
  | "Revoked"
  | "Expired"
  | "Ignored"
  | "Rejected"
  | "RetriesExhausted"
  | "RetryRequested"
  | "TimeLimitExceeded"
  | "TooManyDeliveries"
  | "WorkerLost"
  | "Undecodable"
  | "UnknownTask"
  | "ResultGone"
>()

handle.await.pipe(
  // @ts-expect-error the task has no such error
  Effect.catchTag("NoTenant", () => Effect.void)
)
handle.await.pipe(
  // @ts-expect-error no such ending
  Effect.catchReason("TaskEnded", "Cancelled", () => Effect.void)
)

Stream.runForEach(handle.changes, (change) => {
  switch (change._tag) {
    case "State":
      expectTypeOf(change.state).toEqualTypeOf<State>()
      return Effect.void
    case "Progress":
      expectTypeOf(change.value).toEqualTypeOf<SentProgress>()
      return Effect.void
    case "Retrying":
      expectTypeOf(change.exit).toEqualTypeOf<Exit.Exit<never, SmtpError | TaskEnded>>()
      return Effect.void
    case "Ended":
      expectTypeOf(change.exit).toEqualTypeOf<Exit.Exit<Sent, SmtpError | TaskEnded>>()
      expectTypeOf(change.state).toEqualTypeOf<TerminalState | undefined>()
      return Effect.void
  }
})
Purge.enqueue().pipe(
  Effect.flatMap(({ changes }) =>
    Stream.runForEach(changes, (change) => {
      // a task without a progress schema reports none
      if (change._tag === "Progress") expectTypeOf(change.value).toEqualTypeOf<never>()
      return Effect.void
    })
  )
)

// a handle of less is no handle of more, and the other way round it is
expectTypeOf<TaskHandle<Thumbnail>>().toExtend<TaskHandle<unknown, SmtpError, SentProgress>>()
expectTypeOf<TaskHandle<Sent, SmtpError>>().not.toExtend<TaskHandle<Sent>>()
