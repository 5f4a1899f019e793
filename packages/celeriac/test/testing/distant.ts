/**
 * The memory layers as if they were far away: every command and every reply takes real turns of the event loop, a
 * subscription stands some time after it was asked for, and pushes take a way on which later ones may overtake them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CeleriacMemory from "../../src/CeleriacMemory.ts"
import { Transport } from "../../src/memory/Transport.ts"
import { Notifier } from "../../src/Notifier.ts"
import { Conformance } from "../../src/testing/index.ts"

/** How long a push takes, in milliseconds of real time. */
const way = 2

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const travel = Effect.repeat(turn, { times: 2 })

const transport = Layer.succeed(Transport, {
  send: (_call, run) =>
    Effect.andThen(
      travel,
      Effect.tap(Effect.sync(run), () => travel)
    ),
  push: () => true
})

const notifier = Layer.effect(
  Notifier,
  Effect.map(Notifier, (near) => ({
    publish: (channel, message) => Effect.andThen(travel, near.publish(channel, message)),
    subscribe: (channel, { onMessage, onReset }) => {
      // in their order, but for the push by which a case knows that it has heard all
      const later = (run: () => void) => void setTimeout(run, way)
      let listens = true
      return Effect.andThen(
        Effect.addFinalizer(() => Effect.sync(() => (listens = false))),
        near.subscribe(channel, {
          onMessage: (message) => {
            const deliver = () => {
              if (listens) onMessage(message)
            }
            if (message.startsWith("conformance: the last one")) deliver()
            else later(deliver)
          },
          onReset: () => later(onReset)
        })
      )
    }
  }))
)

export const layerServer = Layer.provide(notifier, CeleriacMemory.layerServer).pipe(
  Layer.provideMerge(CeleriacMemory.layerServer),
  Layer.provide(transport)
)

/** The clock of the server is moved as that of the memory layers; pushes are waited for. */
export const layerTime = Layer.effect(
  Conformance.ConformanceTime,
  Effect.map(Conformance.ConformanceTime, (time) => ({ ...time, pushLag: Duration.millis(5 * way) }))
).pipe(Layer.provide(Conformance.layerTime))
