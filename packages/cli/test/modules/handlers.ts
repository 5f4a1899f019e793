/** A module as users write it: TypeScript, a service of its own, handlers with and without Effect. */
import { PromiseHandler } from "celeriac"
import { Context, Effect, Layer } from "effect"
import { Again, Break, Count, Greet, Hold, Late, Refuse, Refused } from "./tasks.ts"

class Words extends Context.Service<Words, { readonly hello: string }>()("test/Words") {
  static readonly layer = Layer.succeed(Words, { hello: "hello" })
}

const GreetLive = Greet.toLayer(
  Effect.fnUntraced(function* (whom) {
    const { hello } = yield* Words
    yield* Effect.logInfo(`greets ${whom}`)
    yield* Effect.logDebug("a detail of the handler")
    return `${hello} ${whom}`
  })
).pipe(Layer.provide(Words.layer))

const CountLive = PromiseHandler.toLayer(Count, async (text) => text.length)

export default [
  GreetLive,
  CountLive,
  Refuse.toLayer((why) => Effect.fail(new Refused({ why }))),
  Again.toLayer((_, { attempt }) => (attempt === 1 ? Effect.fail(new Refused({ why: "not yet" })) : Effect.void)),
  Break.toLayer((text) => Effect.die(new Error(text))),
  Late.toLayer(() => Effect.never),
  // until the test says so
  Hold.toLayer(() => Effect.promise(() => new Promise<void>((resolve) => process.once("SIGUSR2", resolve))))
]
