/** The database that HTTP endpoints write to and task handlers read from. */
import { Context, Effect, Layer, Ref } from "effect"
import type { Order } from "./api.ts"

export class Orders extends Context.Service<
  Orders,
  {
    readonly add: (order: typeof Order.Type) => Effect.Effect<void>
    readonly of: (customer: string) => Effect.Effect<ReadonlyArray<typeof Order.Type>>
  }
>()("http/Orders") {
  static readonly layer = Layer.effect(
    Orders,
    Effect.gen(function* () {
      const table = yield* Ref.make<ReadonlyArray<typeof Order.Type>>([])
      return {
        add: (order) => Ref.update(table, (orders) => [...orders, order]),
        of: (customer) => Effect.map(Ref.get(table), (orders) => orders.filter((order) => order.customer === customer))
      }
    })
  )
}
