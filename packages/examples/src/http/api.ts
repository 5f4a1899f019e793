/** The HTTP API, for servers and clients. */
import { TaskRecord } from "celeriac"
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiError, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { NoOrders, Report } from "./reports.ts"

export const Order = Schema.Struct({ customer: Schema.String, amount: Schema.Finite })

export class ReportUnknown extends Schema.TaggedError<ReportUnknown>()(
  "ReportUnknown",
  { id: Schema.String },
  { httpApiStatus: 404 }
) {}

/** It ended without a report: revoked, over its time limit … */
export class ReportEnded extends Schema.TaggedError<ReportEnded>()(
  "ReportEnded",
  { id: Schema.String, reason: Schema.String },
  { httpApiStatus: 410 }
) {}

export class OrdersApi extends HttpApiGroup.make("orders")
  .add(HttpApiEndpoint.post("add", "/", { payload: Order, success: HttpApiSchema.NoContent }))
  .prefix("/orders") {}

export class ReportsApi extends HttpApiGroup.make("reports")
  .add(
    HttpApiEndpoint.post("create", "/", {
      payload: Schema.Struct({ customer: Schema.String, inSeconds: Schema.optionalKey(Schema.Finite) }),
      success: Schema.Struct({ id: Schema.String }).pipe(HttpApiSchema.status(202)),
      error: HttpApiError.ServiceUnavailable
    }),
    HttpApiEndpoint.get("get", "/:id", {
      params: { id: Schema.String },
      // answers when the report is there, after so many seconds at the latest
      query: { wait: Schema.optionalKey(Schema.Finite) },
      success: Schema.Union([
        Schema.Struct({ status: Schema.Literal("ready"), report: Report }),
        Schema.Struct({ status: Schema.Literal("pending"), state: TaskRecord.State })
      ]),
      error: [NoOrders, ReportUnknown, ReportEnded]
    }),
    HttpApiEndpoint.delete("revoke", "/:id", {
      params: { id: Schema.String },
      success: HttpApiSchema.NoContent,
      error: ReportUnknown
    })
  )
  .prefix("/reports") {}

export class Api extends HttpApi.make("shop").add(OrdersApi).add(ReportsApi) {}
