/** A driver whose server is somewhere else: it answers, is looked at, and is quiet only after real turns of the event loop. */
import * as Effect from "effect/Effect"
import type { Driver, Send } from "../../src/testing/simulation/Driver.ts"

/** As a round trip over a socket. */
const trip = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const there = <A, R>(effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> => Effect.andThen(trip, effect)

export const distant = (driver: Driver): Driver => ({
  name: `${driver.name}, far away`,
  start: (surroundings) =>
    Effect.map(there(driver.start(surroundings)), ({ connect, inspect, quiet }) => ({
      connect: (send) => {
        const far: Send = (command, execute) =>
          send(
            command,
            Effect.andThen(there(execute), (reply) => Effect.as(trip, reply))
          )
        return connect(far)
      },
      inspect: there(inspect),
      quiet: there(quiet)
    }))
})
