/** What the compiler promises about workers, services, routers, defaults and clients. Nothing here is run. */
// @effect-diagnostics floatingEffect:off missingEffectContext:off missingEffectError:off
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expectTypeOf } from "vitest"
import type { Broker } from "../../src/Broker.ts"
import * as CeleriacMemory from "../../src/CeleriacMemory.ts"
import type { Client } from "../../src/Client.ts"
import * as Defaults from "../../src/Defaults.ts"
import type { EnqueueError } from "../../src/EnqueueError.ts"
import type { Notifier } from "../../src/Notifier.ts"
import * as PromiseClient from "../../src/PromiseClient.ts"
import * as PromiseHandler from "../../src/PromiseHandler.ts"
import type { ResultBackend } from "../../src/ResultBackend.ts"
import * as Router from "../../src/Router.ts"
import type * as Task from "../../src/Task.ts"
import type { Info } from "../../src/TaskContext.ts"
import type { TaskEnded } from "../../src/TaskEnded.ts"
import type { State } from "../../src/TaskRecord.ts"
import * as Worker from "../../src/Worker.ts"
import {
  type Audit,
  Confide,
  CurrentTenant,
  Invoice,
  NoTenant,
  type OpeningKey,
  Purge,
  type SealingKey,
  SendMail,
  Ship,
  Smtp,
  SmtpError,
  Tasks,
  Tenant,
  Whisper
} from "./definitions.ts"
import { SendMailLive } from "./handlers.types.ts"

type Services = Broker | ResultBackend | Notifier

// --- worker ----------------------------------------------------------------------------------------------------------

// what is missing is in the requirements
const NoHandlers = Worker.layer({ tasks: [SendMail, Purge], queues: ["mail"] })
expectTypeOf(NoHandlers).toEqualTypeOf<
  Layer.Layer<never, Worker.WorkerError, Task.TaskHandler<"mail.send"> | Task.TaskHandler<"cache.purge"> | Services>
>()
expectTypeOf(Worker.layer({ tasks: [Tasks, Invoice] })).toEqualTypeOf<
  Layer.Layer<
    never,
    Worker.WorkerError,
    | Task.TaskHandler<"mail.send">
    | Task.TaskHandler<"cache.purge">
    | Task.TaskHandler<"image.resize">
    | Task.TaskHandler<"invoice.make">
    | Services
  >
>()
expectTypeOf(Worker.layerModule({ module: new URL("file:///handlers.js") })).toEqualTypeOf<
  Layer.Layer<never, Worker.WorkerError, Services>
>()

const OneMissing = NoHandlers.pipe(Layer.provide(Purge.toLayer(() => Effect.void)), Layer.provide(CeleriacMemory.layer))
expectTypeOf(OneMissing).toEqualTypeOf<Layer.Layer<never, Worker.WorkerError, Task.TaskHandler<"mail.send">>>()
// @ts-expect-error the handler of "mail.send" is missing
Effect.runFork(Layer.launch(OneMissing))

const NoSmtp = Layer.provide(OneMissing, SendMailLive)
// @ts-expect-error the handler is there, the service that it needs is not
Effect.runFork(Layer.launch(NoSmtp))

const Main = Layer.provide(NoSmtp, Layer.succeed(Smtp, { host: "localhost" }))
expectTypeOf(Main).toEqualTypeOf<Layer.Layer<never, Worker.WorkerError>>()
Effect.runFork(Layer.launch(Main))

Worker.layer({ tasks: [Purge], queues: { mail: 3, default: 1 } }) // weights
// @ts-expect-error which tasks?
Worker.layer({ queues: ["mail"] })
// @ts-expect-error a name is no task
Worker.layer({ tasks: ["mail.send"] })
// @ts-expect-error nor is a handler
Worker.layer({ tasks: [SendMailLive] })
// @ts-expect-error no such option
Worker.layer({ tasks: [Purge], concurency: 5 })
// @ts-expect-error a list of names, or weights
Worker.layer({ tasks: [Purge], queues: "mail" })
// @ts-expect-error not a duration
Worker.layer({ tasks: [Purge], drainLimit: "a while" })

// --- schemas that need services --------------------------------------------------------------------------------------

// a worker opens what producers seal, and seals what it sends back
expectTypeOf(Whisper.toLayer(() => Effect.void)).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"whisper">, never, OpeningKey>
>()
expectTypeOf(Confide.toLayer(() => Effect.succeed("x"))).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"confide">, never, SealingKey>
>()
expectTypeOf(PromiseHandler.toLayer(Whisper, async () => {})).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"whisper">, never, OpeningKey>
>()

// --- middleware ------------------------------------------------------------------------------------------------------

// its error joins the caller's
expectTypeOf(Invoice.execute({ order: "1" })).toEqualTypeOf<
  Effect.Effect<void, NoTenant | TaskEnded | EnqueueError, Client>
>()
// what it provides leaves the handler's requirements; it joins the Layer's itself
expectTypeOf(Invoice.toLayer(() => Effect.asVoid(CurrentTenant))).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"invoice.make">, never, Tenant | Audit>
>()
// without the middleware nobody provides it
expectTypeOf(Purge.toLayer(() => Effect.asVoid(CurrentTenant))).toEqualTypeOf<
  Layer.Layer<Task.TaskHandler<"cache.purge">, never, CurrentTenant>
>()
// @ts-expect-error its error is not the handler's
Invoice.toLayer(() => new NoTenant())

Layer.succeed(Tenant, (run, info) => {
  expectTypeOf(info).toExtend<Info & { readonly payload: unknown }>()
  return info.headers["tenant"] === undefined
    ? new NoTenant()
    : Effect.provideService(run, CurrentTenant, { id: info.headers["tenant"] })
})
// @ts-expect-error it owes the handler a tenant
Layer.succeed(Tenant, (run) => run)
// @ts-expect-error it cannot make up a result
Layer.succeed(Tenant, (run) => Effect.as(Effect.provideService(run, CurrentTenant, { id: "a" }), { ok: true }))
// @ts-expect-error it has not declared this error
Layer.succeed(Tenant, () => new SmtpError({ code: 1 }))

// --- router ----------------------------------------------------------------------------------------------------------

expectTypeOf(Router.layerPatterns({ "mail.*": "mail", "*": { queue: "rest", priority: 1 } })).toEqualTypeOf<
  Layer.Layer<never, Router.RouteError>
>()
expectTypeOf(
  Router.layerTasks(Tasks, {
    "mail.send": ({ to }) => ({ queue: to.endsWith("@vip") ? "vip" : "mail" }),
    "image.resize": ({ width }) => (width > 1000 ? { queue: "large" } : undefined)
  })
).toEqualTypeOf<Layer.Layer<never>>()
// @ts-expect-error no such field in that task's payload
Router.layerTasks(Tasks, { "mail.send": ({ url }) => ({ queue: url }) })
// @ts-expect-error no such task in the group
Router.layerTasks(Tasks, { "mail.sent": () => ({ queue: "mail" }) })
// @ts-expect-error a route names its queue
Router.layerTasks(Tasks, { "mail.send": () => ({ priority: 1 }) })

// --- defaults --------------------------------------------------------------------------------------------------------

expectTypeOf(Defaults.layer({ queue: "main", priority: 9, resultTtl: "1 hour" })).toEqualTypeOf<
  Layer.Layer<never, Defaults.DefaultsError>
>()
// @ts-expect-error no such setting
Defaults.layer({ resultTTL: "1 hour" })
// @ts-expect-error not a duration
Defaults.layer({ dedupeWindow: "a while" })
// @ts-expect-error priorities are 0 to 9
Defaults.layer({ priority: 10 })

// --- promises --------------------------------------------------------------------------------------------------------

export const plain = async () => {
  await using client = PromiseClient.make(CeleriacMemory.layer)
  const handle = await client.enqueue(SendMail, { to: "a", template: "b" }, { delay: "1 second" })
  expectTypeOf(handle).toEqualTypeOf<
    PromiseClient.PromiseHandle<{ readonly messageId: string }, SmtpError, { readonly sent: number }>
  >()
  expectTypeOf(await handle.result()).toEqualTypeOf<{ readonly messageId: string }>()
  expectTypeOf(await handle.state()).toEqualTypeOf<State | undefined>()
  const ending = await handle.ending()
  if (ending.status === "succeeded") expectTypeOf(ending.value).toEqualTypeOf<{ readonly messageId: string }>()
  if (ending.status === "failed") expectTypeOf(ending.error).toEqualTypeOf<SmtpError>()
  if (ending.status === "ended") expectTypeOf(ending.ended).toEqualTypeOf<TaskEnded>()
  if (ending.status === "died") expectTypeOf(ending.defect).toEqualTypeOf<unknown>()
  for await (const change of handle.changes()) {
    if (change.type === "progress") expectTypeOf(change.value).toEqualTypeOf<{ readonly sent: number }>()
    if (change.type === "retrying") expectTypeOf(change.ending).toEqualTypeOf<PromiseClient.Ending<never, SmtpError>>()
    if (change.type === "ended") expectTypeOf(change.ending).toEqualTypeOf<typeof ending>()
  }
  expectTypeOf(await client.execute(SendMail, { to: "a", template: "b" })).toEqualTypeOf<{
    readonly messageId: string
  }>()
  expectTypeOf(await client.enqueueAll(Ship, [{ id: "1" }])).toEqualTypeOf<
    ReadonlyArray<PromiseClient.PromiseHandle<void, never, string>>
  >()
  expectTypeOf(await client.handle(Invoice, "id")).toEqualTypeOf<PromiseClient.PromiseHandle<void, NoTenant>>()
  await client.enqueue(Purge) // a void payload is no argument …
  await client.enqueue(Purge, undefined, { delay: "1 second" }) // … unless options follow
  expectTypeOf(await client.execute(Purge)).toEqualTypeOf<void>()

  // @ts-expect-error a field is missing
  await client.enqueue(SendMail, { to: "a" })
  // @ts-expect-error the payload is missing
  await client.enqueue(SendMail)
  // @ts-expect-error no payload for a task without one
  await client.enqueue(Purge, { all: true })
  // @ts-expect-error no such option
  await client.enqueue(SendMail, { to: "a", template: "b" }, { dealy: "1 second" })
  // @ts-expect-error its payload needs a service to be encoded
  await client.enqueue(Whisper, { text: "a" })
  // @ts-expect-error its result needs a service to be decoded
  await client.execute(Confide)
  // @ts-expect-error and so does the result of a handle
  await client.handle(Confide, "id")
}

// a layer without a client is none
// @ts-expect-error nothing to send with
PromiseClient.make(CeleriacMemory.layerServer)
