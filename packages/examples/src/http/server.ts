/** The endpoints: the producer's side of the task. */
import { Effect, Layer, Option } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiBuilder, HttpApiError } from "effect/http-api"
import { Api, ReportEnded, ReportUnknown } from "./api.ts"
import { Orders } from "./database.ts"
import { MakeReport } from "./reports.ts"

const OrdersLive = HttpApiBuilder.group(
  Api,
  "orders",
  Effect.fnUntraced(function* (handlers) {
    const orders = yield* Orders
    return handlers.handle("add", ({ payload }) => orders.add(payload))
  })
)

const ReportsLive = HttpApiBuilder.group(Api, "reports", (handlers) =>
  handlers.handleAll({
    create: ({ payload: { customer, inSeconds = 0 } }) =>
      MakeReport.enqueue({ customer }, { delay: `${inSeconds} seconds` }).pipe(
        Effect.map(({ id }) => ({ id })),
        Effect.catchReason("EnqueueError", "BrokerUnavailable", () => new HttpApiError.ServiceUnavailable()),
        Effect.catchTag("EnqueueError", Effect.die) // the payload was checked, so this would be a mistake of ours
      ),

    get: Effect.fnUntraced(function* ({ params: { id }, query: { wait = 0 } }) {
      const handle = yield* MakeReport.handle(id)
      yield* Effect.timeoutOption(Effect.exit(handle.await), `${wait} seconds`)
      const end = yield* handle.poll
      if (Option.isSome(end)) {
        // an Exit is an Effect: the report, the task's own error, or another ending
        const report = yield* Effect.catchTag(end.value, "TaskEnded", ({ reason }) =>
          Effect.fail(new ReportEnded({ id, reason: reason._tag }))
        )
        return { status: "ready", report }
      }
      const state = yield* handle.state
      if (Option.isNone(state)) return yield* new ReportUnknown({ id })
      return { status: "pending", state: state.value }
    }),

    revoke: Effect.fnUntraced(function* ({ params: { id } }) {
      const handle = yield* MakeReport.handle(id)
      const revoked = yield* handle.revoke()
      if (!revoked && Option.isNone(yield* handle.state)) return yield* new ReportUnknown({ id })
    })
  })
)

export const ServerLive = HttpRouter.serve(
  HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide([OrdersLive, ReportsLive]))
)
