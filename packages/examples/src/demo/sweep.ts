/** Removes the keys of one run from a server that serves others as well. */
import { Effect, Redacted, Schema } from "effect"
import { Redis } from "ioredis"

export class NotSwept extends Schema.TaggedError<NotSwept>()("NotSwept", { message: Schema.String }) {}

const decodeScan = Schema.decodeUnknownEffect(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))

/** The driver's keys begin with the prefix, or with the prefix and a queue in braces. Channels are no keys. */
const isOwn = (prefix: string) => (key: string) => key.startsWith(`${prefix}:`) || key.startsWith(`{${prefix}:`)

type Send = (name: string, ...args: ReadonlyArray<string>) => Effect.Effect<unknown, NotSwept>

/** Returns how many keys were there. */
const pass = Effect.fnUntraced(function* (send: Send, prefix: string) {
  let cursor = "0"
  let removed = 0
  do {
    const [next, keys] = yield* Effect.flatMap(
      send("SCAN", cursor, "MATCH", `*${prefix}:*`, "COUNT", "1000"),
      (reply) =>
        // a server that answers otherwise is none
        Effect.orDie(decodeScan(reply))
    )
    const own = keys.filter(isOwn(prefix))
    if (own.length > 0) yield* send("UNLINK", ...own)
    removed += own.length
    cursor = next
  } while (cursor !== "0")
  return removed
})

const notSwept = (error: unknown) => new NotSwept({ message: error instanceof Error ? error.message : String(error) })

/** A connection that is made once; what it has to say is in its failures. */
const connection = (address: Redacted.Redacted<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const options = { connectTimeout: 5000, connectionName: "demo-sweep", retryStrategy: null, lazyConnect: true }
        return new Redis(Redacted.value(address), options).on("error", () => {})
      }),
      (redis) => Effect.sync(() => redis.disconnect())
    ),
    (redis): Send =>
      (name, ...args) =>
        Effect.tryPromise({ try: () => redis.call(name, ...args), catch: notSwept })
  )

const secondsToSweep = 20

/** Goes over all keys of the database until there is none with the prefix. */
export const sweep = (address: Redacted.Redacted<string>, prefix: string): Effect.Effect<void, NotSwept> =>
  Effect.flatMap(connection(address), (send) =>
    // a client goes on in database 0 when the server does not have the one that was asked for
    Effect.andThen(
      send("SELECT", new URL(Redacted.value(address)).pathname.slice(1) || "0"),
      Effect.repeat(pass(send, prefix), { until: (removed) => removed === 0 })
    )
  ).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: `${secondsToSweep} seconds`,
      orElse: () => Effect.fail(new NotSwept({ message: `the server took longer than ${secondsToSweep} seconds` }))
    })
  )

/**
 * Who may not clean up should not begin: fails where the server answers, but has no such database, or does not let this user
 * look for keys. A server that does not answer, or not to this user, is not this check's business.
 */
export const checkSweepable = (address: Redacted.Redacted<string>, prefix: string): Effect.Effect<void, NotSwept> =>
  Effect.catchIf(
    sweep(address, prefix),
    ({ message }) => !/^(ERR|NOPERM)/.test(message),
    () => Effect.void
  )
