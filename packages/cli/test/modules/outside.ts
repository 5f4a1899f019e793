/** Handlers that leave something behind which fails when nobody looks any more. */
import { Effect, Layer } from "effect"
import { Break, Greet, Hold, Refuse } from "./tasks.ts"

export const handlers = Layer.mergeAll(
  Greet.toLayer((whom) => Effect.succeed(`hello ${whom}`)),
  Hold.toLayer(() => Effect.andThen(Effect.logWarning("holds"), Effect.never)),
  Refuse.toLayer((why) => Effect.sync(() => void Promise.reject(new Error(why)))),
  Break.toLayer((text) =>
    Effect.sync(() => {
      setImmediate(() => {
        throw new Error(text)
      })
    })
  )
)
