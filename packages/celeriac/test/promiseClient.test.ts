import { setImmediate } from "node:timers/promises"
import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import { Client } from "../src/Client.ts"
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
    for (const error of await Promise.all(waits.map(rejection))) {
      assert.isTrue(error instanceof DOMException && error.name === "AbortError")
    }
    assert.isTrue(await handle.revoke())
  })

  it("an error that is undefined is an error", async () => {
    class Silent extends Task.make("silent", { error: Schema.Undefined }) {}
    const client = (open = PromiseClient.make(
      Layer.provideMerge(
        Worker.layer({ tasks: [Silent] }).pipe(
          Layer.provide(Silent.toLayer(() => Effect.fail(undefined))),
          Layer.provide(Logger.layer([]))
        ),
        CeleriacMemory.layer
      )
    ))
    const handle = await client.enqueue(Silent)
    assert.deepStrictEqual(await handle.ending(), { status: "failed", error: undefined })
    assert.strictEqual(await rejection(handle.result()), undefined)
  })

  const reasons = [new Error("enough"), "enough", { code: 1 }]
  for (const [index, reason] of reasons.entries()) {
    it(`aborting rejects with the signal's own reason (${index})`, async () => {
      const client = connect()
      const handle = await client.enqueue(Answer, { how: "never" }, { delay: "1 hour" })
      const controller = new AbortController()
      const { signal } = controller
      const waits = [
        handle.result({ signal }),
        handle.ending({ signal }),
        client.execute(Answer, { how: "well" }, { id: "e", delay: "1 hour", signal })
      ]
      // the message of `execute` is on its way
      while ((await (await client.handle(Answer, "e")).state()) === undefined) await setImmediate()
      controller.abort(reason)
      for (const error of await Promise.all(waits.map(rejection))) assert.strictEqual(error, reason)
      assert.strictEqual(await (await client.handle(Answer, "e")).state(), "revoked")
    })

    it(`a signal that has aborted before: nothing is sent (${index})`, async () => {
      const client = connect()
      const signal = AbortSignal.abort(reason)
      assert.strictEqual(await rejection(client.execute(Answer, { how: "well" }, { id: "e", signal })), reason)
      assert.strictEqual(await (await client.handle(Answer, "e")).state(), undefined)
      const handle = await client.enqueue(Answer, { how: "well" })
      assert.strictEqual(await rejection(handle.result({ signal })), reason)
    })
  }
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

describe("what is no task", () => {
  const tasks: ReadonlyArray<unknown> = [undefined, null, 5, "answer", {}, () => undefined]
  for (const [index, given] of tasks.entries()) {
    it(`is refused by a rejection (${index})`, async () => {
      const client = connect()
      const task = given as typeof Purge
      const calls = [
        () => client.enqueue(task),
        () => client.enqueueAll(task, []),
        () => client.execute(task),
        () => client.handle(task, "a")
      ]
      for (const call of calls) {
        const error = await rejection(call())
        assert.isTrue(error instanceof EnqueueError && error.reason._tag === "InvalidTask")
      }
    })
  }

  it("and so are options that are none", async () => {
    const client = connect()
    for (const options of [null, 5, { dealy: 1 }]) {
      for (const call of [client.enqueue, client.execute] as const) {
        const error = await rejection(call(Answer, { how: "well" }, options as never))
        assert.isTrue(error instanceof EnqueueError && error.reason._tag === "InvalidOption")
      }
    }
  })
})

describe("close", () => {
  const closed = (error: unknown) =>
    assert.isTrue(error instanceof PromiseClient.ClientClosed && error.message === "the client was closed")

  it("all later calls reject with a tagged error", async () => {
    const client = connect()
    const handle = await client.enqueue(Answer, { how: "well" })
    await client.close()
    const calls = [
      client.ready(),
      client.enqueue(Purge),
      client.enqueueAll(Purge, [undefined]),
      client.execute(Purge),
      client.handle(Purge, "a"),
      handle.result(),
      handle.ending(),
      handle.state(),
      handle.revoke(),
      handle.forget(),
      handle.changes()[Symbol.asyncIterator]().next()
    ]
    for (const error of await Promise.all(calls.map(rejection))) closed(error)
    await client.close()
  })

  it("a client that was never used", async () => {
    const client = connect()
    await client.close()
    closed(await rejection(client.enqueue(Purge)))
  })

  it("open waits reject with it as well", async () => {
    const client = connect()
    const handle = await client.enqueue(Answer, { how: "well" }, { delay: "1 hour" })
    const changes = handle.changes()[Symbol.asyncIterator]()
    await changes.next()
    const waits = [
      handle.result(),
      handle.ending(),
      changes.next(),
      client.execute(Answer, { how: "well" }, { id: "e", delay: "1 hour" })
    ].map(rejection)
    while ((await (await client.handle(Answer, "e")).state()) === undefined) await setImmediate()
    await client.close()
    for (const error of await Promise.all(waits)) closed(error)
  })

  it("while the layer is built", async () => {
    const client = (open = PromiseClient.make(Layer.effect(Client, Effect.never)))
    const call = rejection(client.enqueue(Purge))
    await client.close()
    closed(await call)
  })

  it("a layer that cannot be built rejects with its error", async () => {
    const client = PromiseClient.make(Layer.effect(Client, new Refused({ code: 1 })))
    assert.deepStrictEqual(await rejection(client.ready()), new Refused({ code: 1 }))
    assert.deepStrictEqual(await rejection(client.enqueue(Purge)), new Refused({ code: 1 }))
  })

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
