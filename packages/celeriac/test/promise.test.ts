/** The client for programs that do not use Effect. It lives outside of any fiber, so that its clock is the real one. */
import { assert, describe, it } from "@effect/vitest"
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
import { Boom } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number },
  success: Schema.DateTimeUtcFromMillis,
  error: Boom,
  progress: Schema.Number,
  retry: { delay: 0, times: 1 }
}) {}

class Ping extends Task.make("ping", { success: Schema.String }) {}

/** Odd ones, by their number. */
const stays = 1
const fails = 2
const dies = 3
const ignores = 4
const tells = 5

const handlers = (events: Array<string>) =>
  Layer.mergeAll(
    Job.toLayer(({ n }, context) =>
      Effect.gen(function* () {
        if (n === fails) return yield* new Boom({ code: context.attempt })
        if (n === dies) return yield* Effect.die(new TypeError("broken"))
        if (n === ignores) return yield* context.ignore
        if (n === tells) yield* context.progress(50)
        if (n === stays || n === tells) {
          return yield* Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("interrupted")))
        }
        return Schema.decodeSync(Job.successSchema)(n)
      })
    ),
    Ping.toLayer(() => Effect.succeed("pong"))
  )

const program = (events: Array<string> = []) =>
  Worker.layer({ tasks: [Job, Ping] }).pipe(
    Layer.provide(handlers(events)),
    Layer.provideMerge(CeleriacMemory.layer),
    Layer.provide(Logger.layer([]))
  )

const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  return assert.fail("it was not rejected")
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** As soon as it holds. */
const until = async (holds: () => Promise<boolean> | boolean) => {
  for (let turn = 0; turn < 1000; turn++) {
    if (await holds()) return
    await nextTurn()
  }
  assert.fail("it never came to that")
}

describe("PromiseClient", () => {
  it("result: the value, the task's error, a TaskEnded, the defect", async () => {
    await using client = PromiseClient.make(program())
    const fine = await client.enqueue(Job, { n: 7 })
    assert.strictEqual(Schema.encodeSync(Job.successSchema)(await fine.result()), 7)
    const boom = await rejection((await client.enqueue(Job, { n: fails })).result())
    assert.instanceOf(boom, Boom)
    assert.deepInclude(boom, { code: 2 })
    const ended = await rejection((await client.enqueue(Job, { n: ignores })).result())
    assert(ended instanceof TaskEnded)
    assert.strictEqual(ended.reason._tag, "Ignored")
    const defect = await rejection((await client.enqueue(Job, { n: dies })).result())
    assert.deepInclude(defect, { name: "TypeError", message: "broken" })
    assert.strictEqual(await client.execute(Ping), "pong")
  })

  it("ending: the same as data, never a rejection", async () => {
    await using client = PromiseClient.make(program())
    const endings = []
    for (const n of [7, fails, ignores, dies]) endings.push(await (await client.enqueue(Job, { n })).ending())
    assert.deepStrictEqual(
      endings.map((ending) => ending.status),
      ["succeeded", "failed", "ended", "died"]
    )
    const [, failed, ended, died] = endings
    assert(failed?.status === "failed")
    assert.strictEqual(failed.error.code, 2)
    assert(ended?.status === "ended")
    assert.strictEqual(ended.ended.reason._tag, "Ignored")
    assert(died?.status === "died")
    assert.instanceOf(died.defect, Error)
  })

  it("state, revoke, forget; a handle by its id", async () => {
    const events: Array<string> = []
    await using client = PromiseClient.make(program(events))
    const handle = await client.enqueue(Job, { n: stays }, { id: "a" })
    const byId = await client.handle(Job, "a")
    await until(async () => (await byId.state()) === "active")
    assert.isFalse(await byId.revoke({ waitingOnly: true }))
    const result = rejection(handle.result())
    assert.isTrue(await byId.revoke())
    assert.strictEqual(((await result) as TaskEnded).reason._tag, "Revoked")
    assert.strictEqual(await byId.state(), "revoked")
    await until(() => events.length === 1)
    await byId.forget()
    const gone = await rejection(byId.result())
    assert.strictEqual((gone as TaskEnded).reason._tag, "ResultGone")
    const nobody = await client.handle(Job, "nobody")
    assert.isUndefined(await nobody.state())
    assert.strictEqual((await nobody.ending()).status, "ended")
  })

  it("enqueueAll", async () => {
    await using client = PromiseClient.make(program())
    const handles = await client.enqueueAll(Job, [{ n: 10 }, { n: 11 }], { priority: 9 })
    const values = await Promise.all(handles.map((handle) => handle.result()))
    assert.deepStrictEqual(
      values.map((value) => Schema.encodeSync(Job.successSchema)(value)),
      [10, 11]
    )
  })

  it("changes, for await; leaving the loop stops following", async () => {
    await using client = PromiseClient.make(program())
    const handle = await client.enqueue(Job, { n: tells })
    const seen: Array<string> = []
    for await (const change of handle.changes()) {
      seen.push(change.type)
      if (change.type === "progress") {
        assert.strictEqual(change.value, 50)
        break
      }
    }
    assert.strictEqual(seen.at(-1), "progress")
    const rest: Array<string> = []
    const following = (async () => {
      for await (const change of handle.changes()) rest.push(change.type)
    })()
    await handle.revoke()
    await following
    assert.strictEqual(rest.at(-1), "ended")
  })

  it("refused calls reject with an EnqueueError", async () => {
    await using client = PromiseClient.make(program())
    const payload = await rejection(client.enqueue(Job, { n: "1" } as never))
    assert(payload instanceof EnqueueError)
    assert.strictEqual(payload.reason._tag, "InvalidPayload")
    const option = await rejection(client.execute(Job, { n: 1 }, { delay: -1 }))
    assert(option instanceof EnqueueError)
    assert.strictEqual(option.reason._tag, "InvalidOption")
    await client.enqueue(Job, { n: 9 }, { id: "a" })
    const duplicate = await rejection(client.enqueue(Job, { n: 9 }, { id: "a" }))
    assert.strictEqual((duplicate as EnqueueError).reason._tag, "Duplicate")
  })

  it("aborting result or ending stops the wait, not the message", async () => {
    await using client = PromiseClient.make(program())
    const handle = await client.enqueue(Job, { n: stays })
    for (const wait of [handle.result, handle.ending] as const) {
      const controller = new AbortController()
      const waiting = rejection(wait({ signal: controller.signal }))
      await until(async () => (await handle.state()) === "active")
      controller.abort()
      await waiting
      assert.strictEqual(await handle.state(), "active")
    }
    await rejection(handle.result({ signal: AbortSignal.abort() }))
    await handle.revoke()
  })

  it("aborting execute revokes the message", async () => {
    const events: Array<string> = []
    await using client = PromiseClient.make(program(events))
    const controller = new AbortController()
    const executing = rejection(client.execute(Job, { n: stays }, { id: "a", signal: controller.signal }))
    const handle = await client.handle(Job, "a")
    await until(async () => (await handle.state()) === "active")
    controller.abort()
    await executing
    await until(async () => (await handle.state()) === "revoked")
    await until(() => events.length === 1)
  })

  it("close stops its workers, is harmless twice, and calls after it are rejected", async () => {
    const events: Array<string> = []
    const client = PromiseClient.make(program(events))
    const handle = await client.enqueue(Job, { n: 7 })
    await handle.result()
    await client.close()
    await client.close()
    await rejection(client.enqueue(Job, { n: 7 }))
    await rejection(handle.result())
    await rejection(handle.state())
  })

  it("a layer that cannot be built rejects each call with its error", async () => {
    const client = PromiseClient.make(Layer.effectDiscard(Effect.fail("no broker")).pipe(Layer.provideMerge(program())))
    assert.strictEqual(await rejection(client.enqueue(Job, { n: 1 })), "no broker")
    assert.strictEqual(await rejection(client.execute(Ping)), "no broker")
    await client.close()
  })
})
