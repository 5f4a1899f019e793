/** The contracts on a real server, for rules that are shown step by step: with time that is given, and a view of the inside. */
import type { Broker } from "celeriac/Broker"
import * as Notifier from "celeriac/Notifier"
import type { ResultBackend } from "celeriac/ResultBackend"
import { Conformance } from "celeriac/testing"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Redis } from "ioredis"
import type { QueueKeys } from "../../src/internal/keys.ts"
import type { Transport } from "../../src/internal/Transport.ts"
import type * as DatabaseModule from "./Database.ts"

/** What the contracts do not show. */
export class Inside extends Context.Service<
  Inside,
  {
    readonly redis: Redis
    readonly keysOf: (queue: string) => QueueKeys
    /** The way of each command from now on; `undefined`: to the server and back. */
    readonly divert: (send: Transport["send"] | undefined) => void
  }
>()("redis/test/Inside") {}

export type Services = Broker | ResultBackend | Notifier.Notifier | Conformance.ConformanceTime | Inside

/** Empties the server. `Database` may be a mutant's. */
export const servicesOf = Effect.fnUntraced(function* (
  Database: typeof DatabaseModule,
  first: DatabaseModule.Database,
  /** Where records have a store of their own. */
  second?: DatabaseModule.Database
) {
  yield* Effect.promise(() => first.eye.flushall())
  let now = 1_700_000_000_000
  let diverted: Transport["send"] | undefined
  const hook: Pick<Transport, "now" | "send"> = {
    now: () => now,
    send: (call, execute) => (diverted === undefined ? execute : diverted(call, execute))
  }
  const messages = yield* Database.clientOf(first, hook)
  const results = second === undefined ? messages : yield* Database.clientOf(second, hook)
  const both = Notifier.layerBoth(
    Layer.succeedContext(Context.merge(Database.brokerOf(messages), Database.pushesOf(messages))),
    Layer.succeedContext(Context.merge(Database.resultsOf(results), Database.pushesOf(results)))
  )
  return Context.mergeAll(
    second === undefined
      ? Context.mergeAll(Database.brokerOf(messages), Database.resultsOf(messages), Database.pushesOf(messages))
      : yield* Layer.build(both),
    Context.make(Conformance.ConformanceTime, {
      now: Effect.sync(() => now),
      advance: (duration) =>
        Effect.sync(() => {
          now += Duration.toMillis(duration)
        })
    }),
    Context.make(Inside, {
      redis: first.eye,
      keysOf: messages.keysOf,
      divert: (send) => {
        diverted = send
      }
    })
  )
})
