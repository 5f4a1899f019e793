import { CeleriacRedis } from "@celeriac/redis"
import { Worker } from "celeriac"
import { Effect, Exit, Layer, ManagedRuntime, Scope } from "effect"
import type { MakeWorker } from "../roles.ts"
import { Bench } from "./task.ts"

export const make: MakeWorker = async ({ name, url }, { concurrency, run, work }) => {
  const runtime = ManagedRuntime.make(CeleriacRedis.layer({ url, prefix: name }))
  await runtime.context()
  const handlers = Bench.toLayer((payload) => {
    const now = Effect.sync(() => run(payload))
    return work === 0 ? now : Effect.tap(now, Effect.sleep(work))
  })
  const worker = Layer.provide(Worker.layer({ tasks: [Bench], concurrency }), handlers)
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    start: () => runtime.runPromise(Layer.buildWithScope(worker, scope)),
    stop,
    close: async () => {
      await stop()
      await runtime.dispose()
    }
  }
}
