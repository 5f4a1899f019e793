/**
 * An HTTP service that is producer and worker in one process.
 *
 * `POST /reports` enqueues and answers 202 at once; `GET /reports/:id` gives the state, the result, or the task's typed error
 * as 422; `DELETE /reports/:id` revokes. Endpoints and task handlers share a database by Layers. On a Redis layer the same
 * two halves could be two programs.
 */
import assert from "node:assert/strict"
import { createServer } from "node:http"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { CeleriacMemory } from "celeriac"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Api } from "./api.ts"
import { Orders } from "./database.ts"
import { NoOrders, Report } from "./reports.ts"
import { ServerLive } from "./server.ts"
import { WorkerLive } from "./worker.ts"

// a service would be started with `Layer.launch(App)` on a port of its own; closing it lets running reports end
const App = Layer.mergeAll(ServerLive, WorkerLive).pipe(
  Layer.provide(Orders.layer),
  Layer.provide(CeleriacMemory.layer),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

const useService = Effect.fnUntraced(function* (baseUrl: string) {
  const { orders, reports } = yield* HttpApiClient.make(Api, { baseUrl })

  yield* orders.add({ payload: { customer: "Ada", amount: 20 } })
  yield* orders.add({ payload: { customer: "Ada", amount: 22 } })

  // a report
  const [ada, accepted] = yield* reports.create({ payload: { customer: "Ada" }, responseMode: "decoded-and-response" })
  assert.equal(accepted.status, 202)
  const made = yield* reports.get({ params: ada, query: { wait: 5 } })
  assert.deepEqual(made, { status: "ready", report: new Report({ customer: "Ada", orders: 2, total: 42 }) })

  // the typed error of the task
  const bob = yield* reports.create({ payload: { customer: "Bob" } })
  const failure = yield* Effect.flip(reports.get({ params: bob, query: { wait: 5 } }))
  assert.ok(failure instanceof NoOrders)
  assert.equal(failure.customer, "Bob")
  const { status } = yield* reports.get({ params: bob, query: {}, responseMode: "response-only" })
  assert.equal(status, 422)

  // a report of tomorrow that nobody wants any more
  const later = yield* reports.create({ payload: { customer: "Ada", inSeconds: 86_400 } })
  assert.deepEqual(yield* reports.get({ params: later, query: {} }), { status: "pending", state: "scheduled" })
  yield* reports.revoke({ params: later })
  const ended = yield* Effect.flip(reports.get({ params: later, query: {} }))
  assert.ok(ended._tag === "ReportEnded" && ended.reason === "Revoked")

  const unknown = yield* Effect.flip(reports.get({ params: { id: "nobody-knows" }, query: {} }))
  assert.equal(unknown._tag, "ReportUnknown")
})

const program = Effect.gen(function* () {
  const url = yield* Effect.gen(function* () {
    const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
    yield* useService(url)
    return url
  }).pipe(Effect.provide(App))

  // the service is closed
  yield* Effect.flip(Effect.tryPromise(() => fetch(url)))
})

NodeRuntime.runMain(Effect.provide(program, FetchHttpClient.layer))
