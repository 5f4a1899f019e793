/** The Redis server of a run: one of its own, or one that is there already. */
import { Console, Effect, Redacted, Schema } from "effect"
// plain JavaScript: it also serves scripts that run before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../../scripts/redis-server.mjs"
import type { Address } from "./choice.ts"
import { QueuesLost } from "./story.ts"
import { checkSweepable, sweep } from "./sweep.ts"

/** There is no server, and none can be started. */
export class NoServer extends Schema.TaggedError<NoServer>()("NoServer", { problem: Schema.String }) {
  override get message(): string {
    return `${this.problem}. Or give the address of a server: npm start -- --redis redis://host:port`
  }
}

/** What this program uses of a server that it starts. */
interface Server {
  readonly url: string
  readonly pid: number
  readonly stop: () => Promise<void>
  /** Resolved when it has ended. */
  readonly gone: Promise<unknown>
}

/** Ends with the scope, and with this process if that is killed. */
export const ownServer = Effect.acquireRelease(
  Effect.tryPromise({
    try: (): Promise<Server> => startRedis(),
    catch: (error) =>
      new NoServer({ problem: (error instanceof Error ? error.message : String(error)).replace(/[\s:]+$/, "") })
  }),
  ({ stop }) => Effect.promise(stop)
).pipe(
  Effect.map(({ gone, pid, url }) => ({
    url: Redacted.make(url),
    lost: Effect.flatMap(
      Effect.promise(() => gone),
      () => new QueuesLost({ message: `the Redis server at ${url} has ended` })
    ),
    description: `Each is a process of its own.\nBetween them is a Redis server: process ${pid}, at ${url}.`,
    tidyUp: Effect.void
  }))
)

/** The server that was asked for cannot be used for this. */
export class UnfitServer extends Schema.TaggedError<UnfitServer>()("UnfitServer", { message: Schema.String }) {}

export const givenServer = Effect.fnUntraced(function* ({ shown, url }: Address, prefix: string) {
  yield* Effect.mapError(
    checkSweepable(url, prefix),
    ({ message }) =>
      new UnfitServer({ message: `${shown}: the keys of this run could not be removed at the end: ${message}` })
  )
  return {
    url,
    // somebody may start it again: it is waited for
    lost: Effect.never,
    description: `Each is a process of its own.\nBetween them is ${shown}. All keys there have the prefix\n${prefix}, and are removed at the end.`,
    tidyUp: sweep(url, prefix).pipe(
      Effect.catch(({ message }) =>
        Effect.andThen(
          Console.error(`The keys with the prefix ${prefix} are still on ${shown}: ${message}`),
          Effect.sync(() => (process.exitCode = 1))
        )
      )
    )
  }
})
