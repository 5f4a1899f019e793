import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Console, Effect, Layer } from "effect"
import type { Server } from "../../server.ts"
import { Double, perSecond, timed, worker } from "../throughput.ts"

const chunk = 5000

setFlagsFromString("--expose-gc")
const collect = Effect.sync(() => (runInNewContext("gc") as () => void)())

/** Megabytes. */
const heap = Effect.andThen(
  collect,
  Effect.sync(() => process.memoryUsage().heapUsed / 1e6)
)

/** Ten times as many messages as elsewhere, due in an hour: what they take in the worker's process and on the server. */
export const delayed = (server: Server, tasks: number) =>
  Effect.gen(function* () {
    const count = 10 * tasks
    yield* Layer.build(worker)
    const [heapBefore, bytesBefore] = [yield* heap, yield* server.memory]
    const payloads = Array.from({ length: chunk }, (_, n) => ({ n }))
    const [, time] = yield* timed(
      Effect.repeat(Effect.asVoid(Double.enqueueAll(payloads, { delay: "1 hour" })), { times: count / chunk - 1 })
    )
    const [heapAfter, bytesAfter] = [yield* heap, yield* server.memory]
    yield* Console.log(
      `${count.toLocaleString("en")} delayed messages: enqueued ${perSecond((count * 1000) / time).trim()}, ${((bytesAfter - bytesBefore) / count).toFixed(0)} bytes each, heap of client and worker ${heapBefore.toFixed(1)} → ${heapAfter.toFixed(1)} MB`
    )
  }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer({ url: server.url, prefix: "delayed" })))
