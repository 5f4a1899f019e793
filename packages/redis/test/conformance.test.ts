import { describe, it } from "@effect/vitest"
import type { Broker } from "celeriac/Broker"
import type { Notifier } from "celeriac/Notifier"
import type { ResultBackend } from "celeriac/ResultBackend"
import { Conformance } from "celeriac/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { inject } from "vitest"
import * as CeleriacRedis from "../src/CeleriacRedis.ts"
import { Transport } from "../src/internal/Transport.ts"

type Services = Broker | ResultBackend | Notifier | Conformance.ConformanceTime

const url = inject("redisUrl")

/** The server's time, given with each command. */
const timed = (driver: Layer.Layer<Broker | ResultBackend | Notifier, unknown>) => {
  let now = 1_700_000_000_000
  return Layer.merge(
    Layer.orDie(driver),
    Layer.succeed(Conformance.ConformanceTime, {
      now: Effect.sync(() => now),
      advance: (duration) =>
        Effect.sync(() => {
          now += Duration.toMillis(duration)
        }),
      pushLag: Duration.millis(5)
    })
  ).pipe(
    Layer.provide(Layer.succeed(Transport, { send: (_call, execute) => execute, now: () => now, edit: undefined }))
  )
}

let servers = 0

/** A prefix of its own for each case: some rules are about all that a server has. */
const drivers: Record<string, () => Layer.Layer<Services>> = {
  one: () => timed(CeleriacRedis.layerServer({ url, prefix: `one-${++servers}` })),
  two: () => {
    const prefix = `two-${++servers}`
    return timed(CeleriacRedis.layerServer({ broker: { url, prefix }, resultBackend: { url: `${url}/1`, prefix } }))
  }
}

for (const [server, driver] of Object.entries(drivers)) {
  const suites: Record<string, ReadonlyArray<Conformance.Case<Services>>> = {
    Broker: Conformance.broker,
    ResultBackend: Conformance.resultBackend,
    Notifier: Conformance.notifier,
    ...(server === "one" && { "Broker and ResultBackend together": Conformance.together })
  }
  for (const [contract, cases] of Object.entries(suites)) {
    describe(`${contract} (Redis, ${server})`, () => {
      for (const { effect, name } of cases) it.effect(name, () => Effect.provide(effect, driver()))
    })
  }
}
