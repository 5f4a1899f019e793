import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import { EnqueueError } from "../src/EnqueueError.ts"
import * as PromiseClient from "../src/PromiseClient.ts"
import * as Task from "../src/Task.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as Worker from "../src/Worker.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Number }) {}

class Answer extends Task.make("answer", {
  payload: { how: Schema.Literals(["well", "refused", "broken", "ignored", "never"]) },
  success: Schema.DateTimeUtc,
  error: Refused,
  progress: Schema.Struct({ heard: Schema.String })
}) {}

class Purge extends Task.make("purge") {}

const day = Schema.decodeSync(Schema.DateTimeUtcFromString)("2026-11-22T00:00:00Z")

/** Called when a handler that never ends has started. */
let onNever = () => {}

const AnswerLive = Answer.toLayer(
  Effect.fnUntraced(function* ({ how }, task) {
    yield* task.progress({ heard: how })
    if (how === "never") return yield* Effect.andThen(Effect.sync(onNever), Effect.never)
    if (how === "refused") return yield* new Refused({ code: 7 })
    if (how === "broken") return yield* Effect.die(new TypeError("broken"))
    if (how === "ignored") return yield* task.ignore
    return day
  })
)

const server = Layer.provideMerge(
  Worker.layer({ tasks: [Answer, Purge] }).pipe(
    Layer.provide([AnswerLive, Purge.toLayer(() => Effect.void)]),
    Layer.provide(Logger.layer([]))
  ),
  CeleriacMemory.layer
)

let open: PromiseClient.PromiseClient | undefined
const connect = () => (open = PromiseClient.make(server))
afterEach(() => {
  onNever = () => {}
  return open?.close()
})

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => assert.fail(`it resolved to ${String(value)}`),
    (error: unknown) => error
  )

describe("result", () => {
  it("is decoded", async () => {
    const handle = await connect().enqueue(Answer, { how: "well" })
    assert.deepStrictEqual(await handle.result(), day)
    assert.deepStrictEqual(await handle.ending(), { status: "succeeded", value: day })
    assert.strictEqual(await handle.state(), "succeeded")
  })

  it("rejects with the task's error", async () => {
    const handle = await connect().enqueue(Answer, { how: "refused" })
    assert.deepStrictEqual(await rejection(handle.result()), new Refused({ code: 7 }))
    assert.deepStrictEqual(await handle.ending(), { status: "failed", error: new Refused({ code: 7 }) })
  })

  it("rejects with the defect", async () => {
    const handle = await connect().enqueue(Answer, { how: "broken" })
    const error = await rejection(handle.result())
    assert.isTrue(error instanceof Error && error.message === "broken")
    const ending = await handle.ending()
    assert.isTrue(ending.status === "died" && (ending.defect as Error).message === "broken")
  })

  it("rejects with another ending", async () => {
    const handle = await connect().enqueue(Answer, { how: "ignored" })
    const error = await rejection(handle.result())
    assert.isTrue(error instanceof TaskEnded && error.reason._tag === "Ignored")
    const ending = await handle.ending()
    assert.isTrue(ending.status === "ended" && ending.ended.reason._tag === "Ignored")
  })

  it("aborting stops the wait, not the message", async () => {
    const handle = await connect().enqueue(Answer, { how: "never" })
    const controller = new AbortController()
    const waits = [handle.result({ signal: controller.signal }), handle.ending({ signal: controller.signal })]
    controller.abort()
    await Promise.all(waits.map(rejection))
    assert.isTrue(await handle.revoke())
  })
})

describe("calls", () => {
  it("a payload that does not fit is refused", async () => {
    const error = await rejection(connect().enqueue(Answer, { how: "badly" as "well" }))
    assert.isTrue(error instanceof EnqueueError && error.reason._tag === "InvalidPayload")
  })

  it("a void payload is left out", async () => {
    assert.strictEqual(await connect().execute(Purge), undefined)
  })

  it("many at once", async () => {
    const handles = await connect().enqueueAll(Answer, [{ how: "well" }, { how: "refused" }])
    const endings = await Promise.all(handles.map((handle) => handle.ending()))
    assert.deepStrictEqual(
      endings.map(({ status }) => status),
      ["succeeded", "failed"]
    )
  })

  it("options are passed on, and ids find their message", async () => {
    const client = connect()
    await client.enqueue(Answer, { how: "well" }, { id: "a-1", queue: "elsewhere", delay: "1 hour" })
    assert.strictEqual(await (await client.handle(Answer, "a-1", { queue: "elsewhere" })).state(), "scheduled")
    assert.strictEqual(await (await client.handle(Answer, "a-2")).state(), undefined)
  })

  it("execute resolves to the result; aborting it revokes", async () => {
    const client = connect()
    assert.deepStrictEqual(await client.execute(Answer, { how: "well" }), day)

    const controller = new AbortController()
    onNever = () => controller.abort()
    await rejection(client.execute(Answer, { how: "never" }, { id: "a-3", signal: controller.signal }))
    assert.strictEqual(await (await client.handle(Answer, "a-3")).state(), "revoked")
  })
})

describe("handle", () => {
  it("changes end with the message", async () => {
    const handle = await connect().enqueue(Answer, { how: "never" })
    const seen: Array<PromiseClient.Change<unknown, unknown, unknown>> = []
    for await (const change of handle.changes()) {
      seen.push(change)
      if (change.type === "progress") await handle.revoke()
    }
    assert.deepInclude(seen, { type: "progress", value: { heard: "never" } })
    const last = seen.at(-1)
    assert.isTrue(last?.type === "ended" && last.ending.status === "ended")
  })

  it("leaving the loop stops following", async () => {
    const handle = await connect().enqueue(Answer, { how: "never" })
    for await (const change of handle.changes()) if (change.type === "progress") break
    assert.isTrue(await handle.revoke())
  })

  it("forget drops the result", async () => {
    const handle = await connect().enqueue(Answer, { how: "well" })
    await handle.result()
    await handle.forget()
    const ending = await handle.ending()
    assert.isTrue(ending.status === "ended" && ending.ended.reason._tag === "ResultGone")
  })

  it("revokes only what waits, if it is told so", async () => {
    const handle = await connect().enqueue(Answer, { how: "well" }, { delay: "1 hour" })
    assert.isTrue(await handle.revoke({ waitingOnly: true }))
    assert.strictEqual(await handle.state(), "revoked")
  })
})

describe("close", () => {
  const handles = {
    close: (client: PromiseClient.PromiseClient) => client.close(),
    "the end of its block": (client: PromiseClient.PromiseClient) => client[Symbol.asyncDispose]()
  }
  for (const [name, close] of Object.entries(handles)) {
    it(`${name} closes the layer`, async () => {
      const log: Array<string> = []
      const client = PromiseClient.make(
        Layer.merge(
          CeleriacMemory.layer,
          Layer.effectDiscard(
            Effect.acquireRelease(
              Effect.sync(() => log.push("opened")),
              () => Effect.sync(() => log.push("closed"))
            )
          )
        )
      )
      assert.deepStrictEqual(log, [])
      await client.enqueue(Purge)
      assert.deepStrictEqual(log, ["opened"])
      await close(client)
      assert.deepStrictEqual(log, ["opened", "closed"])
    })
  }
})
