/** A server of its own, for as long as its scope is open. */
import * as Effect from "effect/Effect"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../../scripts/redis-server.mjs"

// the script's own words
const start = startRedis as () => Promise<{ readonly url: string; readonly stop: () => Promise<void> }>

/** Its URL. */
export const redisServer = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => start()),
    ({ stop }) => Effect.promise(stop)
  ),
  ({ url }) => url
)
