/** Handlers as a program would keep them in a module of their own: see `worker.options.test.ts`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"

export class Greet extends Task.make("greet", { payload: { name: Schema.String }, success: Schema.String }) {}

export class Count extends Task.make("count", { success: Schema.Number, queue: "numbers" }) {}

class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}

const Handlers = Layer.mergeAll(
  Greet.toLayer(({ name }) => Effect.map(Greeting, (greeting) => `${greeting} ${name}`)),
  Count.toLayer(() => Effect.succeed(3))
)

export { Whole as default }

const Whole = Layer.provide(Handlers, Layer.succeed(Greeting, "hello"))

export const lacksService = Handlers

export const empty = Layer.empty

export const noLayer = 5

export const fails = Layer.effectDiscard(Effect.fail("no database"))

export const dies = Layer.effectDiscard(Effect.die(new Error("no database")))
