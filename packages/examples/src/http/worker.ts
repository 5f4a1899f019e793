/** The worker, and the handler that it runs. */
import { Worker } from "celeriac"
import { Effect, Layer } from "effect"
import { Orders } from "./database.ts"
import { MakeReport, NoOrders, Report } from "./reports.ts"

const MakeReportLive = MakeReport.toLayer(
  Effect.fnUntraced(function* ({ customer }) {
    const database = yield* Orders
    const orders = yield* database.of(customer)
    if (orders.length === 0) return yield* new NoOrders({ customer })
    const total = orders.reduce((sum, { amount }) => sum + amount, 0)
    return new Report({ customer, orders: orders.length, total })
  })
)

export const WorkerLive = Worker.layer({ tasks: [MakeReport], concurrency: 10 }).pipe(Layer.provide(MakeReportLive))
