/**
 * The memory layers as a driver of the simulation.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LinkedList } from "../../memory/LinkedList.ts"
import { layerBroker } from "../../memory/MemoryBroker.ts"
import * as MemoryHub from "../../memory/MemoryHub.ts"
import { layerNotifier } from "../../memory/MemoryNotifier.ts"
import { layerResultBackend } from "../../memory/MemoryResultBackend.ts"
import { MemoryStore } from "../../memory/MemoryStore.ts"
import type { Entry, Queue } from "../../memory/Queue.ts"
import * as Store from "../../memory/Store.ts"
import { Transport } from "../../memory/Transport.ts"
import type { ConsumerState, Driver, MessageState, Place, Send, Server, State, Surroundings } from "./Driver.ts"

/**
 * @category drivers
 * @since 0.1.0
 */
export const memory: Driver = { name: "memory", start: (surroundings) => Effect.sync(() => start(surroundings)) }

const start = ({ now, stores }: Surroundings): Server => {
  let restless = false
  const hub = MemoryHub.make(() => (restless = true))
  let tickets = 0
  const server = (location: string): MemoryStore["Service"] => ({
    location,
    store: Store.make(hub.push),
    now,
    ticket: () => ++tickets
  })
  const messages = server("memory:messages")
  const records = stores === "one" ? messages : server("memory:records")

  const connect = (send: Send) =>
    Layer.mergeAll(
      Layer.provide(layerBroker, Layer.succeed(MemoryStore, messages)),
      Layer.provide(layerResultBackend, Layer.succeed(MemoryStore, records)),
      Layer.provide(layerNotifier, Layer.succeed(MemoryHub.MemoryHub, hub))
    ).pipe(
      Layer.provide(
        Layer.succeed(Transport, {
          send: ({ about, connection, step }, run) =>
            send({ step, connection, about: about === undefined ? [] : about() }, Effect.sync(run)),
          push: () => true
        })
      )
    )

  return {
    connect,
    inspect: Effect.sync(() => inspect(messages.store, records.store)),
    quiet: Effect.suspend(() => {
      if (!restless) return Effect.void
      restless = false
      // the hub delivers in a microtask
      return Effect.promise(() => Promise.resolve())
    })
  }
}

const inspect = (messages: Store.Store, results: Store.Store): State => {
  const found = new Map<string, MessageState & { places: Array<Place> }>()
  const consumers: Array<ConsumerState> = []
  for (const queue of messages.queues.values()) {
    for (const entry of queue.live.values()) found.set(entry.id, stateOf(queue, entry))
    const stands = (entry: Entry, place: Place): void => {
      const known = found.get(entry.id)
      if (known !== undefined) known.places.push(place)
      else found.set(entry.id, { ...stateOf(queue, entry), places: [place] })
    }
    for (const entry of queue.live.values()) if (entry.due !== undefined) stands(entry, "scheduled")
    for (const list of queue.ready) for (const entry of entriesOf(list)) stands(entry, "ready")
    for (const entry of entriesOf(queue.suspects)) stands(entry, "suspect")
    // who is revoked and nowhere is never let go of
    for (const entry of queue.revoked.values()) if (!found.has(entry.id)) found.set(entry.id, stateOf(queue, entry))
    for (const { held, id, leaseEnd } of queue.consumers.values()) {
      consumers.push({ id, queue: queue.name, leaseEnd })
      for (const entry of held.values()) stands(entry, "held")
    }
  }
  const records = valuesOf(results)
  return { messages: found, consumers, records, kept: results === messages ? records : valuesOf(messages) }
}

const valuesOf = ({ records }: Store.Store): ReadonlyMap<string, string> => {
  const values = new Map<string, string>()
  for (const shelf of records.shelves.values())
    for (const { id, value } of shelf.records.values()) values.set(id, value)
  return values
}

/** Not more than it says that it has, and one: the links of a broken list may lead in a circle. */
const entriesOf = ({ head, size }: LinkedList<Entry>): ReadonlyArray<Entry> => {
  const entries: Array<Entry> = []
  for (let entry = head; entry !== undefined && entries.length <= size; entry = entry.next) entries.push(entry)
  return entries
}

const stateOf = (queue: Queue, entry: Entry): MessageState & { places: Array<Place> } => ({
  id: entry.id,
  queue: queue.name,
  live: queue.live.get(entry.id) === entry,
  revoked: entry.revoked,
  places: [],
  holder: entry.holder?.id,
  fence: entry.fence,
  crashes: entry.crashes,
  dueAt: entry.due?.time,
  wire: entry.wire
})
