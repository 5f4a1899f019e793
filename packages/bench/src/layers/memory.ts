/**
 * How many typed no-op tasks the memory layers run in a second, in one process.
 *
 * Run: `npm run bench -- memory [tasks] [rounds]`
 */
import { CeleriacMemory } from "celeriac"
import { Console, Effect, Logger } from "effect"
import * as Throughput from "./throughput.ts"

export const main = Effect.fn("memory")(
  function* (tasks = 100_000, rounds = 5) {
    yield* Console.log(`memory layers, ${tasks} typed no-op tasks, ${rounds} rounds after one warm-up`)
    yield* Throughput.rounds(rounds, tasks, () => CeleriacMemory.layer)
  },
  Effect.provide(Logger.layer([]))
)
