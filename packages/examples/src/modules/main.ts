/**
 * Producer and worker as separate modules that share the definitions and nothing else.
 *
 * Here both run in one process, on the memory layers; on a Redis layer `producer.ts` and `worker.ts` would each have a `main`
 * of their own. What a producer does not import it need not install: the last check is that it imports no handler.
 */
import assert from "node:assert/strict"
import { registerHooks } from "node:module"
import { NodeRuntime } from "@effect/platform-node"
import { CeleriacMemory } from "celeriac"
import { Effect } from "effect"
import { Unpayable } from "./tasks.ts"
import { WorkerLive } from "./worker.ts"

/** The modules that were loaded since the program began. */
const loaded = new Set<string>()
registerHooks({
  load: (url, context, next) => {
    loaded.add(url)
    return next(url, context)
  }
})
const isLoaded = (module: string) => loaded.has(new URL(module, import.meta.url).href)

const program = Effect.gen(function* () {
  const { checkOut } = yield* Effect.promise(() => import("./producer.ts"))
  assert.ok(isLoaded("./producer.ts"))
  assert.ok(!isLoaded("./handlers.ts"), "a producer loads no handlers")

  yield* Effect.gen(function* () {
    assert.ok(isLoaded("./handlers.ts"), "a worker does")

    assert.equal(yield* checkOut("ada", 995), "ada:995")

    const error = yield* Effect.flip(checkOut("ada", 99_500))
    assert.ok(error instanceof Unpayable)
    assert.equal(error.reason, "over the limit")
  }).pipe(Effect.provide(WorkerLive))
})

NodeRuntime.runMain(program.pipe(Effect.provide(CeleriacMemory.layer)))
