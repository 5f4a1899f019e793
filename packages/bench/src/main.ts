/** `npm run bench -- <name> [arguments]`: runs one of the benchmarks in this folder. */
import { Console, Effect } from "effect"
import * as Memory from "./memory.ts"
import * as Redis from "./redis/main.ts"

const benchmarks: Readonly<Record<string, (...numbers: ReadonlyArray<number>) => Effect.Effect<void, unknown>>> = {
  memory: Memory.main,
  redis: Redis.main
}

const [name = "memory", ...rest] = process.argv.slice(2)
const benchmark = benchmarks[name]

// a failure ends the process with 1
await Effect.runPromise(
  benchmark === undefined
    ? Console.error(`There is no benchmark "${name}". Known: ${Object.keys(benchmarks).join(", ")}`)
    : benchmark(...rest.map(Number))
)
