/** Workers that the tests of faults kill, cut off and replace. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../../src/Task.ts"
import * as Worker from "../../src/Worker.ts"

export class Echo extends Task.make("echo", { payload: { text: Schema.String }, success: Schema.String }) {}

/** Workers that say what they start and which of their handlers were interrupted. */
export const crew = () => {
  const starts: Array<string> = []
  const interrupted: Array<string> = []
  const worker = (name: string, wait: Effect.Effect<unknown> = Effect.void, options?: Worker.Options) =>
    Worker.layer({ tasks: [Echo], name, visibilityTimeout: "3 seconds", drainLimit: 0, ...options }).pipe(
      Layer.provide(
        Echo.toLayer(({ text }) =>
          Effect.sync(() => starts.push(`${name} ${text}`)).pipe(
            Effect.andThen(Effect.onInterrupt(wait, () => Effect.sync(() => interrupted.push(name)))),
            Effect.as(text)
          )
        )
      )
    )
  return { starts, interrupted, worker }
}
