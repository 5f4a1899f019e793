/**
 * Pushes inside one process: what the store and clients publish goes to the subscribers of the channel, in order, and never
 * before the step that pushes is over.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Subscriber } from "../Notifier.ts"
import { Transport } from "./Transport.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Hub {
  /** Answers how many listen now. */
  readonly push: (channel: string, message: string) => number
  /** Answers how to leave. */
  readonly subscribe: (channel: string, subscriber: Subscriber) => () => void
  /** As if all connections of subscribers had broken and stood again. */
  readonly reset: () => void
}

/**
 * @category services
 * @since 0.1.0
 */
export class MemoryHub extends Context.Service<MemoryHub, Hub>()("celeriac/memory/MemoryHub") {}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (passes: (channel: string, message: string) => boolean): Hub => {
  const channels = new Map<string, Set<Subscriber>>()
  let outbox: Array<{ readonly channel: string; readonly message: string }> = []
  const deliver = () => {
    const pushes = outbox
    outbox = []
    for (const { channel, message } of pushes) {
      for (const subscriber of channels.get(channel) ?? []) subscriber.onMessage(message)
    }
  }
  return {
    push: (channel, message) => {
      const listening = channels.get(channel)?.size ?? 0
      if (listening === 0 || !passes(channel, message)) return listening
      // after the step: a subscriber may send commands of its own
      if (outbox.length === 0) queueMicrotask(deliver)
      outbox.push({ channel, message })
      return listening
    },
    subscribe: (channel, subscriber) => {
      let listening = channels.get(channel)
      if (listening === undefined) {
        listening = new Set()
        channels.set(channel, listening)
      }
      const members = listening.add(subscriber)
      subscriber.onReset()
      return () => {
        members.delete(subscriber)
        if (members.size === 0 && channels.get(channel) === members) channels.delete(channel)
      }
    },
    reset: () => {
      for (const listening of channels.values()) for (const subscriber of listening) subscriber.onReset()
    }
  }
}

/**
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MemoryHub> = Layer.effect(
  MemoryHub,
  Effect.map(Transport, (transport) => make(transport.push))
)
