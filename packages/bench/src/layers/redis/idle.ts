import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Console, Effect, Layer } from "effect"
import type { Server } from "../../server.ts"
import { Double, worker } from "../throughput.ts"

const span = 20
const messages = 200

/** What idle workers cost: commands a second, and commands for each message. */
export const idle = (server: Server) =>
  Effect.forEach([1, 500], (workers) =>
    Effect.gen(function* () {
      yield* server.empty
      yield* Effect.forEach(Array.from({ length: workers }), () => Layer.build(Layer.fresh(worker)), {
        concurrency: 50,
        discard: true
      })
      yield* Effect.sleep("2 seconds")
      const resting = yield* server.commandsDuring(Effect.sleep(span * 1000))
      const one = Effect.flatMap(Double.enqueue({ n: 1 }), (handle) => handle.await)
      const busy = yield* server.commandsDuring(
        Effect.forEach(Array.from({ length: messages }), () => one, { discard: true })
      )
      yield* Console.log(
        `${String(workers).padStart(3)} idle workers: ${(resting / span).toFixed(2)} commands a second in all, ${(busy / messages).toFixed(2)} commands for each message with its result`
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(CeleriacRedis.layer({ url: server.url, prefix: `idle-${workers}` }), { local: true })
    )
  )
