/**
 * The figures of the Redis layers, on a server started for them, with workers and clients in this process.
 *
 * Run: `npm run bench -- redis [tasks] [rounds]`
 */
import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import { Console, Effect, Logger } from "effect"
import * as Server from "../../server.ts"
import * as Throughput from "../throughput.ts"
import { delayed } from "./delayed.ts"
import { idle } from "./idle.ts"
import { latency } from "./latency.ts"
import { memory } from "./memory.ts"
import { singles } from "./singles.ts"

export const main = Effect.fn("redis")(
  function* (tasks = 100_000, rounds = 5) {
    const server = yield* Server.start
    const version = yield* server.version
    yield* Console.log(`Redis ${version}, ${tasks} typed no-op tasks, ${rounds} rounds after one warm-up`)
    yield* Throughput.rounds(rounds, tasks, (round) =>
      CeleriacRedis.layer({ url: server.url, prefix: `round-${round}` })
    )
    for (const figure of [singles, memory, latency, idle, delayed]) {
      yield* server.empty
      yield* figure(server, tasks)
    }
  },
  Effect.scoped,
  Effect.provide(Logger.layer([]))
)
