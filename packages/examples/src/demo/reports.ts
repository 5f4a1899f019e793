/** What a worker tells of itself while it works: to the display of its own process, or to the process that started it. */
import { TaskMiddleware } from "celeriac"
import { Context, Effect, Layer, Schema } from "effect"

export const Report = Schema.Union([
  /** It takes messages from now on. */
  Schema.TaggedStruct("Ready", {}),
  /** It runs a message. `delivery`: 1, and one more for each worker that died with the message in its hands. */
  Schema.TaggedStruct("Started", {
    id: Schema.String,
    task: Schema.String,
    attempt: Schema.Int,
    delivery: Schema.Int
  }),
  /** The run is over, however it ended. */
  Schema.TaggedStruct("Left", { id: Schema.String }),
  Schema.TaggedStruct("Logged", { text: Schema.String, warning: Schema.Boolean }),
  /** It cannot start. */
  Schema.TaggedStruct("Failed", { problem: Schema.String })
])
export type Report = typeof Report.Type

/** The way that a worker's reports take. */
export class Reports extends Context.Service<Reports, { readonly tell: (report: Report) => Effect.Effect<void> }>()(
  "demo/Reports"
) {}

/** Around every handler: reports what its worker has in hand. */
export class Reported extends TaskMiddleware.Service<Reported>()("demo/Reported") {
  static readonly layer = Layer.effect(
    Reported,
    Effect.map(
      Reports,
      ({ tell }): Reported["Service"] =>
        (run, { attempt, deliveries, id, task }) =>
          tell({ _tag: "Started", id, task, attempt, delivery: deliveries }).pipe(
            Effect.andThen(run),
            Effect.ensuring(tell({ _tag: "Left", id }))
          )
    )
  )
}
