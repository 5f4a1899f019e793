/** A handler that needs a service that nobody provides. */
import { Context, Effect } from "effect"
import { Greet } from "./tasks.ts"

class Smtp extends Context.Service<Smtp, { readonly send: Effect.Effect<string> }>()("test/Smtp") {}

export const handlers = Greet.toLayer(
  Effect.map(
    Effect.flatMap(Smtp, (smtp) => smtp.send),
    (sent) => () => Effect.succeed(sent)
  )
)
