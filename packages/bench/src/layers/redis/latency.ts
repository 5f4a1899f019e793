import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Task, Worker } from "celeriac"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import type { Server } from "../../server.ts"
import { quantile } from "../../statistics.ts"

const nanos = Effect.map(Clock.monotonicTimeNanos, Number)

class Now extends Task.make("now", { success: Schema.Number }) {}

const worker = Layer.provide(
  Worker.layer({ tasks: [Now] }),
  Now.toLayer(() => nanos)
)

const rounds = 1000

/** From the call of `enqueue` to the handler and to the result, while nothing else happens. */
export const latency = ({ url }: Server) =>
  Effect.gen(function* () {
    yield* Layer.build(worker)
    const starts: Array<number> = []
    const results: Array<number> = []
    for (let round = 0; round < rounds; round++) {
      const enqueued = yield* nanos
      const started = yield* Effect.flatMap(Now.enqueue(), (handle) => handle.await)
      results.push(((yield* nanos) - enqueued) / 1e6)
      starts.push((started - enqueued) / 1e6)
    }
    for (const [what, times] of [
      ["start ", starts],
      ["result", results]
    ] as const) {
      yield* Console.log(
        `idle, from enqueue to ${what}: p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms`
      )
    }
  }).pipe(Effect.scoped, Effect.provide(CeleriacRedis.layer({ url, prefix: "latency" })))
