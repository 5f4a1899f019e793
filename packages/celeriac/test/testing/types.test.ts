/** What the compiler promises of the kit. */
import { describe, expectTypeOf, it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type { Broker } from "../../src/Broker.ts"
import type { Notifier } from "../../src/Notifier.ts"
import type { ResultBackend } from "../../src/ResultBackend.ts"
import type * as Task from "../../src/Task.ts"
import type { TaskEnded } from "../../src/TaskEnded.ts"
import { type Conformance, Faults, PayloadSnapshot, TaskTest } from "../../src/testing/index.ts"
import * as Worker from "../../src/Worker.ts"
import { mail, Purge, SendMail, type SmtpError } from "./fixtures.ts"

type Mail = typeof SendMail.payloadSchema.Type
type Sent = typeof SendMail.successSchema.Type

describe("types of the kit", () => {
  it("run: result, error and progress are those of the task; the handler is required", () => {
    const ran = TaskTest.run(SendMail, mail("ada"))
    expectTypeOf<Effect.Success<typeof ran>["exit"]>().toEqualTypeOf<
      Exit.Exit<Sent, SmtpError | TaskEnded> | undefined
    >()
    expectTypeOf<Effect.Success<typeof ran>["progress"]>().toEqualTypeOf<ReadonlyArray<{ readonly done: number }>>()
    expectTypeOf<Effect.Services<typeof ran>>().toEqualTypeOf<Task.TaskHandler<"mail.send">>()
    // @ts-expect-error: not a payload of the task
    void TaskTest.run(SendMail, { to: 1 })
    // @ts-expect-error: a run in place waits for nothing
    void TaskTest.run(SendMail, mail("ada"), { delay: "1 minute" })
  })

  it("checkIdempotent: requires what `observe` requires", () => {
    const checked = TaskTest.checkIdempotent(Purge, undefined, { observe: TaskTest.enqueued() })
    expectTypeOf<Effect.Services<typeof checked>>().toEqualTypeOf<Task.TaskHandler<"purge"> | TaskTest.Recorder>()
  })

  it("enqueued and its assertions: payloads are those of the task", () => {
    expectTypeOf<Effect.Success<ReturnType<typeof TaskTest.assertEnqueued<typeof SendMail>>>>().toEqualTypeOf<
      ReadonlyArray<TaskTest.Enqueued<Mail>>
    >()
    const found = TaskTest.enqueued(SendMail, { payload: (payload) => payload.size > 1n })
    expectTypeOf<Effect.Success<typeof found>>().toEqualTypeOf<ReadonlyArray<TaskTest.Enqueued<Mail>>>()
    // @ts-expect-error: a field of another type
    void TaskTest.assertEnqueued(SendMail, { payload: { to: 1 } })
    // @ts-expect-error: no such field
    void TaskTest.refuteEnqueued(SendMail, { payload: { from: "ada" } })
  })

  it("drain: requires the handlers of its tasks, and without tasks none", () => {
    const own = TaskTest.drain({ tasks: [SendMail, Purge] })
    expectTypeOf<Effect.Services<typeof own>>().toEqualTypeOf<
      TaskTest.Recorder | Broker | ResultBackend | Notifier | Task.TaskHandler<"mail.send"> | Task.TaskHandler<"purge">
    >()
    expectTypeOf<Effect.Error<typeof own>>().toEqualTypeOf<TaskTest.DrainFailed | Worker.WorkerError>()
    const others = TaskTest.drain({ withRetries: true })
    expectTypeOf<Effect.Services<typeof others>>().toEqualTypeOf<TaskTest.Recorder>()
    expectTypeOf<Effect.Error<typeof others>>().toEqualTypeOf<TaskTest.DrainFailed>()
  })

  it("killable: requires what the worker requires", () => {
    const [worker] = Faults.killable(Worker.layer({ tasks: [Purge] }))
    expectTypeOf<Layer.Services<typeof worker>>().toEqualTypeOf<
      Task.TaskHandler<"purge"> | Broker | ResultBackend | Notifier
    >()
  })

  it("PayloadSnapshot.make: samples are payloads of the task", () => {
    void PayloadSnapshot.make(SendMail, { samples: [mail("ada")] })
    // @ts-expect-error: not a payload of the task
    void PayloadSnapshot.make(SendMail, { samples: [{ to: 1 }] })
  })

  it("Conformance: each suite requires the services of its contract", () => {
    expectTypeOf<(typeof Conformance.notifier)[number]>().toEqualTypeOf<Conformance.Case<Notifier>>()
    expectTypeOf<(typeof Conformance.broker)[number]>().toEqualTypeOf<
      Conformance.Case<Broker | Notifier | Conformance.ConformanceTime>
    >()
  })
})
