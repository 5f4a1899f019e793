/** Queues on a Redis server, and each worker in a process of its own. */
import { CeleriacRedis } from "@celeriac/redis"
import * as TaskId from "celeriac/TaskId"
import { Effect, Fiber, Layer, Logger } from "effect"
import type { Address } from "./choice.ts"
import { Crew } from "./crew.ts"
import { Display } from "./display.ts"
import { loggerTo } from "./logger.ts"
import { employProcess } from "./processes.ts"
import { givenServer, ownServer } from "./servers.ts"
import type { Surroundings } from "./story.ts"

/** Before this the driver has written nothing. */
const nothingWritten: ReadonlySet<string> = new Set(["InvalidOption", "Unreachable", "WrongPassword"])

/** Without an address: a server of its own. All is gone with the scope: server or keys, and the workers before them. */
export const onRedis = Effect.fnUntraced(function* (address: Address | undefined) {
  const prefix = `celeriac-demo-${(yield* TaskId.make).slice(-8).replaceAll("~", "-")}`
  const { description, lost, tidyUp, url } = yield* address === undefined ? ownServer : givenServer(address, prefix)
  let written = true
  yield* Effect.addFinalizer(() =>
    // a fiber of its own is not affected by what ended this one
    Effect.suspend(() =>
      written ? Effect.flatMap(Effect.forkDetach(Effect.interruptible(tidyUp)), Fiber.await) : Effect.void
    )
  )
  // the driver is there before the display and after it; what it logs then is said by its errors
  let print: (text: string, warning: boolean) => void = () => {}
  const driver = yield* Layer.build(CeleriacRedis.layer({ url, prefix, clientName: "demo-producer" })).pipe(
    Effect.provide(Logger.layer([loggerTo((text, warning) => print(text, warning))])),
    Effect.tapError(({ reason }) => Effect.sync(() => (written = !nothingWritten.has(reason))))
  )
  const layerCrew = Layer.effect(
    Crew,
    Effect.gen(function* () {
      const display = yield* Display
      yield* Effect.acquireRelease(
        Effect.sync(() => (print = (text, warning) => Effect.runSync(display.say(text, warning)))),
        () => Effect.sync(() => (print = () => {}))
      )
      return {
        employ: (worker) => Effect.provideService(employProcess({ worker, url, prefix }), Display, display)
      }
    })
  )
  const surroundings: Surroundings = {
    description,
    lost,
    layer: Layer.merge(Layer.succeedContext(driver), layerCrew)
  }
  return surroundings
})
