import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Console, Effect } from "effect"
import type { Server } from "../../server.ts"
import { Double, perSecond, timed } from "../throughput.ts"

/** Each caller waits for its receipt before it enqueues the next one. */
export const singles = ({ url }: Server, tasks: number) =>
  Effect.gen(function* () {
    for (const callers of [1000, 1000, 50, 1]) {
      const each = Math.max(10, Math.floor(tasks / (callers === 1 ? 50 : callers)))
      const caller = Effect.gen(function* () {
        for (let n = 0; n < each; n++) yield* Double.enqueue({ n })
      })
      const all = Effect.forEach(Array.from({ length: callers }), () => caller, {
        concurrency: "unbounded",
        discard: true
      })
      const [, time] = yield* timed(all)
      yield* Console.log(
        `one by one, ${String(callers).padStart(4)} callers: ${perSecond((each * callers * 1000) / time)}`
      )
    }
  }).pipe(Effect.provide(CeleriacRedis.layer({ url, prefix: "singles" })))
