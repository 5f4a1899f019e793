import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Task, Worker } from "celeriac"
import { Console, Effect, Layer, Schema } from "effect"
import type { Server } from "../../server.ts"

class Measure extends Task.make("measure", { payload: { text: Schema.String }, success: Schema.Number }) {}

const worker = Layer.provide(
  Worker.layer({ tasks: [Measure] }),
  Measure.toLayer(({ text }) => Effect.succeed(text.length))
)

/** So long that the message has 200 characters. */
const text = "x".repeat(200 - '15{"t":"measure","p":{"text":""}}'.length)

/** Bytes of the server for each waiting message, and for each that has ended with a small result. */
export const memory = (server: Server, tasks: number) =>
  Effect.gen(function* () {
    const before = yield* server.memory
    const handles = yield* Measure.enqueueAll(Array.from({ length: tasks }, () => ({ text })))
    const waiting = (yield* server.memory) - before
    yield* Effect.scoped(Effect.andThen(Layer.build(worker), handles[tasks - 1]!.await))
    const ended = (yield* server.memory) - before
    yield* Console.log(`bytes: a waiting message of 200 characters ${(waiting / tasks).toFixed(1)}`)
    yield* Console.log(`bytes: a finished task with a small result ${(ended / tasks).toFixed(1)}`)
  }).pipe(Effect.provide(CeleriacRedis.layer({ url: server.url, prefix: "memory" })))
