/**
 * The memory layers on a transport whose weather a test makes, and a few words to speak with them.
 */
import { it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Broker, Unavailable } from "../../src/Broker.ts"
import type { Consumer, Delivery, Disposition, Publication, Settlement } from "../../src/Broker.ts"
import { layerBroker } from "../../src/memory/MemoryBroker.ts"
import * as MemoryHub from "../../src/memory/MemoryHub.ts"
import { layerNotifier } from "../../src/memory/MemoryNotifier.ts"
import { layerResultBackend } from "../../src/memory/MemoryResultBackend.ts"
import * as MemoryStore from "../../src/memory/MemoryStore.ts"
import { Transport } from "../../src/memory/Transport.ts"
import { ack, wire } from "./rig.ts"

type Weather = (step: string) => "fair" | "lost" | "no reply" | "twice" | Deferred.Deferred<void>

/** A transport whose weather a test makes, and which remembers the steps that were sent. */
export interface Storm {
  weather: Weather
  /** Whether pushes arrive. */
  passes: boolean
  /** The steps that were sent since the last call. */
  readonly sent: () => ReadonlyArray<string>
  readonly transport: Transport
}

const stormy = (): Storm => {
  const sent: Array<string> = []
  const self: Storm = {
    weather: () => "fair",
    passes: true,
    sent: () => sent.splice(0),
    transport: {
      send: ({ step }, run) =>
        Effect.suspend(() => {
          sent.push(step)
          const weather = self.weather(step)
          if (weather === "fair") return Effect.sync(run)
          if (weather === "lost") return Effect.fail(new Unavailable({ accepted: "no", detail: "lost" }))
          const reply = run()
          if (weather === "no reply") return Effect.fail(new Unavailable({ accepted: "maybe", detail: "no reply" }))
          if (weather === "twice") return Effect.sync(run)
          return Effect.as(Deferred.await(weather), reply)
        }),
      push: () => self.passes
    }
  }
  return self
}

const layers = (transport: Transport) =>
  Layer.mergeAll(layerBroker, layerResultBackend, layerNotifier).pipe(
    Layer.provideMerge(MemoryStore.layer),
    Layer.provideMerge(MemoryHub.layer),
    Layer.provide(Layer.succeed(Transport, transport))
  )

const lease = Duration.seconds(8)

let sequence = 0
export const publish = Effect.fnUntraced(function* (...messages: ReadonlyArray<string | Publication>) {
  const broker = yield* Broker
  return yield* broker.publish({
    publisher: "p",
    sequence: ++sequence,
    resend: false,
    messages: messages.map((message) =>
      typeof message === "string" ? { id: message, queue: "q", wire: wire(5) } : message
    )
  })
})

export const consume = Effect.fnUntraced(function* (...queues: ReadonlyArray<string>) {
  const broker = yield* Broker
  return yield* broker.consume({ worker: "w", queues: queues.length === 0 ? ["q"] : queues, lease })
})

export const claim = (consumer: Consumer, count = 9, queue = "q") =>
  Effect.map(consumer.claim({ queue, count, bytes: 1e6 }), ({ deliveries }) => deliveries)

export const settling = (
  deliveries: ReadonlyArray<Delivery>,
  disposition: Disposition = ack
): ReadonlyArray<Settlement> => deliveries.map((delivery) => ({ delivery, disposition }))

export const run = <A, E>(
  name: string,
  body: (storm: Storm) => Effect.Effect<A, E, Layer.Success<ReturnType<typeof layers>> | Scope.Scope>
) =>
  it.effect(name, () => {
    const storm = stormy()
    return Effect.provide(
      Effect.suspend(() => body(storm)),
      layers(storm.transport)
    )
  })

export const reasonOf = (exit: Exit.Exit<unknown, { readonly reason?: unknown }>): unknown =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.map((one) => (one._tag === "Fail" ? one.error.reason : one._tag))[0]
    : "succeeded"
