/**
 * The program of a worker's process. The demo starts it (`processes.ts`) and hears what it reports over the channel between
 * them. It ends gracefully on SIGTERM, and when the channel closes: then the demo is gone.
 */
import { CeleriacRedis } from "@celeriac/redis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, Schema } from "effect"
import { Archive } from "./archive.ts"
import { assignment } from "./assignment.ts"
import { Gallery } from "./gallery.ts"
import { loggerTo } from "./logger.ts"
import { Report, Reports } from "./reports.ts"
import { layerWorker } from "./workers.ts"

/** Long enough that a busy machine is not taken for a dead worker, and short enough to be waited for. */
const lease = "3 seconds"

const encode = Schema.encodeSync(Report)
const send = (report: Report) => {
  // with a callback a channel that breaks is no exception; nobody is left to hear of it then
  if (process.connected) process.send?.(encode(report), undefined, {}, () => {})
}
const tell = (report: Report) => Effect.sync(() => send(report))

/** A stop that takes longer than this will never end. */
const longestStop = 4000

const orphaned = Effect.callback<void>((resume) => {
  const end = () => {
    setTimeout(() => process.exit(1), longestStop).unref()
    resume(Effect.void)
  }
  if (process.connected) process.once("disconnect", end)
  else end()
})

const work = Effect.gen(function* () {
  const { prefix, url, worker } = yield* assignment
  yield* Layer.build(
    layerWorker({ name: worker, lease }).pipe(
      Layer.provide(Layer.mergeAll(Archive.layer, Gallery.layer)),
      Layer.provide(CeleriacRedis.layer({ url, prefix, clientName: `demo-${worker}` }))
    )
  )
  yield* tell({ _tag: "Ready" })
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.provide([
    Layer.succeed(Reports, { tell }),
    Logger.layer([loggerTo((text, warning) => send({ _tag: "Logged", text, warning }))]),
    NodeServices.layer
  ]),
  Effect.tapError(({ message }) => tell({ _tag: "Failed", problem: message }))
)

if (process.send === undefined) {
  console.error("this program is started by the demo: npm start -- --redis")
  process.exitCode = 2
} else {
  NodeRuntime.runMain(Effect.raceFirst(work, orphaned), { disableErrorReporting: true })
}
