/** What the compiler promises about handlers, their context, and groups. Nothing here is run. */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { expectTypeOf } from "vitest"
import * as PromiseHandler from "../../src/PromiseHandler.ts"
import type * as Task from "../../src/Task.ts"
import {
  type Running,
  type SoftTimeLimitExceeded,
  TaskContext,
  type TaskSignal,
  type Typed
} from "../../src/TaskContext.ts"
import * as TaskGroup from "../../src/TaskGroup.ts"
import { Invoice, type Order, Purge, Resize, SendMail, Ship, Smtp, SmtpError, Tasks, Thumbnail } from "./definitions.ts"

class Database extends Context.Service<Database, { readonly url: string }>()("test/Database") {}

// --- handlers --------------------------------------------------------------------------------------------------------

export const SendMailLive = SendMail.toLayer(
  Effect.fnUntraced(function* ({ template, to }) {
    const smtp = yield* Smtp
    const info = yield* TaskContext
    const task = yield* SendMail.context
    yield* task.progress({ sent: 1 })
    yield* Effect.acquireRelease(Effect.void, () => Effect.void) // each message has a scope
    if (info.attempt > 3) return yield* info.reject()
    if (template === "") return yield* new SmtpError({ code: 500 })
    return { messageId: smtp.host + to }
  })
)
expectTypeOf(SendMailLive).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"mail.send">, never, Smtp>>()

// an ordinary function, and the context as its second argument
expectTypeOf(
  SendMail.toLayer((payload, task) => Effect.as(task.progress({ sent: 1 }), { messageId: payload.to }))
).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"mail.send">>>()

// built once for each worker: what the build needs and how it fails is the Layer's
const ResizeLive = Resize.toLayer(
  Effect.gen(function* () {
    const smtp = yield* Smtp
    if (smtp.host === "") return yield* new SmtpError({ code: 0 })
    return ({ url, width }: typeof Resize.payloadSchema.Type) => Effect.succeed(new Thumbnail({ url, width }))
  })
)
expectTypeOf(ResizeLive).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"image.resize">, SmtpError, Smtp>>()

// the build's services, the handler's services; a scope is there for both
expectTypeOf(
  Purge.toLayer(
    Effect.map(
      Effect.acquireRelease(Database, () => Effect.void),
      () => () => Effect.scoped(Effect.asVoid(Smtp))
    )
  )
).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"cache.purge">, never, Database | Smtp>>()

Ship.toLayer((order) => {
  expectTypeOf(order).toEqualTypeOf<Order>()
  return Effect.void
})

// @ts-expect-error wrong success type
SendMail.toLayer(() => Effect.succeed({ id: "x" }))
// @ts-expect-error no success
SendMail.toLayer(() => Effect.void)
// @ts-expect-error an error that the task does not declare
SendMail.toLayer(() => Effect.fail("nope"))
// @ts-expect-error a task without an error schema does not fail
Purge.toLayer(() => new SmtpError({ code: 1 }))
// @ts-expect-error progress of another type
SendMail.toLayer((_, task) => Effect.as(task.progress({ done: 1 }), { messageId: "" }))
// @ts-expect-error a task without a progress schema reports none
Purge.toLayer((_, task) => task.progress(1))
// @ts-expect-error no such field in the payload
SendMail.toLayer((payload) => Effect.succeed({ messageId: payload.subject }))
// @ts-expect-error no effect
SendMail.toLayer(async ({ to }) => ({ messageId: to }))

// --- context ---------------------------------------------------------------------------------------------------------

declare const context: Typed<{ readonly sent: number }>

expectTypeOf(context.retry({ after: "1 minute" })).toEqualTypeOf<Effect.Effect<never, TaskSignal>>()
expectTypeOf(context.snooze("1 hour")).toEqualTypeOf<Effect.Effect<never, TaskSignal>>()
expectTypeOf(context.reject({ requeue: true, detail: "why" })).toEqualTypeOf<Effect.Effect<never, TaskSignal>>()
expectTypeOf(context.ignore).toEqualTypeOf<Effect.Effect<never, TaskSignal>>()
expectTypeOf(context.progress({ sent: 1 })).toEqualTypeOf<Effect.Effect<void>>()
expectTypeOf(context.deadline).toEqualTypeOf<DateTime.Utc | undefined>()
expectTypeOf(context.withSoftTimeLimit(Effect.fail("e").pipe(Effect.andThen(Smtp)))).toEqualTypeOf<
  Effect.Effect<Smtp["Service"], string | SoftTimeLimitExceeded, Smtp>
>()

// @ts-expect-error how long?
context.snooze()
// @ts-expect-error not a duration
context.snooze("1 parsec")
// @ts-expect-error not a duration
context.retry({ after: "soon" })
// @ts-expect-error `detail` is its name
context.reject({ reason: "why" })
// @ts-expect-error an effect, not a function
context.ignore()

// signals and the soft limit may pass, whatever the task's error is
expectTypeOf(
  Purge.toLayer(
    Effect.fnUntraced(function* (_, task) {
      yield* task.withSoftTimeLimit(Effect.sleep("1 second"))
      if (task.attempt === 1) return yield* task.retry()
      if (task.attempt === 2) return yield* task.snooze("1 minute")
      return yield* task.ignore
    })
  )
).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"cache.purge">>>()

// another task's context: the requirement stays, and nobody can provide it
expectTypeOf(Purge.toLayer(() => Effect.asVoid(SendMail.context))).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"cache.purge">, never, Running<"mail.send">>
>()
// code that serves any task
expectTypeOf(Purge.toLayer(() => Effect.asVoid(TaskContext))).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"cache.purge">>
>()
// @ts-expect-error which has no progress, for it does not know the task
Purge.toLayer(() => Effect.flatMap(TaskContext, (task) => task.progress(1)))

// --- groups ----------------------------------------------------------------------------------------------------------

type Handlers = Task.TaskHandler<"mail.send"> | Task.TaskHandler<"cache.purge"> | Task.TaskHandler<"image.resize">

expectTypeOf(
  Tasks.toLayer({
    "mail.send": ({ to }) => Effect.map(Smtp, (smtp) => ({ messageId: smtp.host + to })),
    "cache.purge": () => Effect.asVoid(Database),
    "image.resize": ({ url, width }) => Effect.succeed(new Thumbnail({ url, width }))
  })
).toEqualTypeOf<Layer.Layer<Handlers, never, Smtp | Database>>()

// built once; the requirements of the build and of the handlers
expectTypeOf(
  Tasks.toLayer(
    Effect.gen(function* () {
      const { url } = yield* Database
      if (url === "") return yield* new SmtpError({ code: 1 })
      return {
        "mail.send": ({ to }, task) => Effect.as(task.progress({ sent: 1 }), { messageId: to }),
        "cache.purge": () => Effect.asVoid(Smtp),
        "image.resize": () => Effect.never
      }
    })
  )
).toEqualTypeOf<Layer.Layer<Handlers, SmtpError, Smtp | Database>>()

Tasks.toLayer({
  // typed by its place in the table
  "mail.send": Effect.fnUntraced(function* ({ to }, task) {
    yield* task.progress({ sent: 1 })
    yield* SendMail.context
    return { messageId: to }
  }),
  "cache.purge": () => Effect.void,
  "image.resize": Effect.fnUntraced(function* ({ url, width }) {
    return new Thumbnail({ url, width })
  })
})

// @ts-expect-error a handler is missing
Tasks.toLayer({ "cache.purge": () => Effect.void, "image.resize": () => Effect.never })
Tasks.toLayer({
  "mail.send": () => Effect.never,
  "cache.purge": () => Effect.void,
  "image.resize": () => Effect.never,
  // @ts-expect-error nobody asked for this one
  "image.rotate": () => Effect.void
})
Tasks.toLayer({
  // @ts-expect-error wrong success type
  "mail.send": () => Effect.succeed({ id: 1 }),
  "cache.purge": () => Effect.void,
  "image.resize": () => Effect.never
})

// groups grow
expectTypeOf(Tasks.add(Ship)["~handler"]).toEqualTypeOf<Handlers | Task.TaskHandler<"order.ship">>()
expectTypeOf(Tasks.merge(TaskGroup.make(Invoice))["~handler"]).toEqualTypeOf<
  Handlers | Task.TaskHandler<"invoice.make">
>()

// --- promises --------------------------------------------------------------------------------------------------------

expectTypeOf(
  PromiseHandler.toLayer(SendMail, async ({ to }, task) => {
    expectTypeOf(task.signal).toEqualTypeOf<AbortSignal>()
    expectTypeOf(task.deadline).toEqualTypeOf<Date | undefined>()
    expectTypeOf(task.progress({ sent: 1 })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(task.withSoftTimeLimit(async () => 1)).toEqualTypeOf<Promise<number>>()
    if (task.attempt > 3) return task.reject()
    if (task.attempt > 2) return task.retry({ after: "1 minute" })
    if (task.attempt > 1) return task.snooze("1 minute")
    if (to === "") return task.ignore()
    return { messageId: to }
  })
).toEqualTypeOf<Layer.Layer<Task.TaskHandler<"mail.send">>>()

expectTypeOf(PromiseHandler.make(Purge, async () => {})).toEqualTypeOf<Task.Handler<typeof Purge, never>>()

// @ts-expect-error wrong success type
PromiseHandler.toLayer(SendMail, async () => ({ id: "x" }))
// @ts-expect-error no such field in the payload
PromiseHandler.toLayer(SendMail, async (payload) => ({ messageId: payload.subject }))
// @ts-expect-error progress of another type
PromiseHandler.toLayer(SendMail, async (_, task) => task.progress({ done: 1 }).then(() => ({ messageId: "" })))
// @ts-expect-error no promise
PromiseHandler.toLayer(SendMail, ({ to }) => ({ messageId: to }))
// @ts-expect-error effects are for the task's own toLayer
PromiseHandler.toLayer(Purge, () => Effect.void)
