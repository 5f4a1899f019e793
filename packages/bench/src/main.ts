/** `npm run bench`: see `--help`, or README.md in this package. */
import { Console, Effect, Result } from "effect"
import { read, Request, usage } from "./commandLine.ts"
import { main as compare } from "./comparison/main.ts"
import * as Memory from "./layers/memory.ts"
import * as Redis from "./layers/redis/main.ts"
import * as Micro from "./micro/main.ts"

const singles: Readonly<
  Record<"memory" | "redis" | "micro", (...numbers: ReadonlyArray<number>) => Effect.Effect<void, unknown>>
> = { memory: Memory.main, redis: Redis.main, micro: Micro.main }

const run = (request: Request): Effect.Effect<boolean, unknown> =>
  Request.$match(request, {
    Help: () => Effect.as(Console.log(usage), true),
    Compare: compare,
    Single: ({ benchmark, numbers }) => Effect.as(singles[benchmark](...numbers), true)
  })

const request = read(process.argv.slice(2))

if (Result.isFailure(request)) {
  console.error(`${request.failure}\n\n${usage}`)
  process.exitCode = 2
} else {
  // a failure ends the process with 1, and so does a comparison whose figures cannot be trusted
  const trusted = await Effect.runPromise(run(request.success))
  if (!trusted) process.exitCode = 1
}
