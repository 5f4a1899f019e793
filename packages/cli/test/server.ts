/** Raw commands to the server of the tests. */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"

interface Connection {
  readonly call: (name: string, ...args: ReadonlyArray<string | number>) => Promise<unknown>
  readonly disconnect: () => void
}

// the driver's own client: this package has none
const { Redis } = createRequire(createRequire(import.meta.url).resolve("@celeriac/redis/package.json"))("ioredis") as {
  readonly Redis: new (url: string) => Connection
}

export type Command = (name: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>

/** A connection as long as the scope. */
export const commands = (url: string): Effect.Effect<Command, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Redis(url)),
      (redis) => Effect.sync(() => redis.disconnect())
    ),
    (redis): Command =>
      (name, ...args) =>
        Effect.promise(() => redis.call(name, ...args))
  )
