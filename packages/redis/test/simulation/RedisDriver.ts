/**
 * A real server as a driver of the simulation: its time is given with each command, connections are made once, and a look at
 * all that it holds is one script.
 */
import { Broker } from "celeriac/Broker"
import * as Notifier from "celeriac/Notifier"
import { ResultBackend } from "celeriac/ResultBackend"
import type { ConsumerState, Driver, MessageState, Place, Send, State } from "celeriac/testing/simulation/Driver"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { Redis } from "ioredis"
import * as BrokerDriver from "../../src/internal/broker.ts"
import * as Connections from "../../src/internal/Connections.ts"
import { channelsOf } from "../../src/internal/keys.ts"
import * as ResultsDriver from "../../src/internal/results.ts"
import { compose } from "../../src/internal/scripts.ts"
import * as Server from "../../src/internal/Server.ts"
import { settingsOf } from "../../src/internal/settings.ts"
import { Transport } from "../../src/internal/Transport.ts"
import type { RedisError } from "../../src/RedisError.ts"
import { Listener } from "./Listener.ts"

const lookText = compose(new URL("inspect.lua", import.meta.url), "given")

/** One database: the first for messages, the second for records where these have a store of their own. */
interface Database {
  readonly connections: Connections.Connections
  readonly settings: Server.Naming
  /** For whoever looks on. */
  readonly eye: Redis
  /** The digest of `inspect.lua`. */
  readonly look: string
  readonly listener: Listener
}

const open = Effect.fnUntraced(function* (url: string, database: number, edit: Transport["edit"]) {
  const settings = yield* settingsOf({ url, database, prefix: "simulation" })
  const connections = yield* Connections.open(settings, { time: "given", edit })
  const client = Effect.acquireRelease(
    Effect.sync(() => new Redis(`${url}/${database}`)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const eye = yield* client
  const look = yield* Effect.promise(() => eye.script("LOAD", lookText))
  const listener = new Listener(eye, yield* client, channelsOf(settings.prefix, database))
  return { connections, settings, eye, look: String(look), listener } satisfies Database
})

/**
 * The server is emptied at the beginning of each run. `edit` takes guards out of the scripts.
 */
export const make = Effect.fnUntraced(function* (
  url: string,
  edit?: Transport["edit"]
): Effect.fn.Return<Driver & { readonly leftovers: Effect.Effect<ReadonlyArray<string>> }, RedisError, Scope> {
  const first = yield* open(url, 0, edit)
  const second = yield* open(url, 1, edit)

  const start: Driver["start"] = Effect.fnUntraced(function* ({ now, stores }) {
    const used = stores === "one" ? [first] : [first, second]
    yield* Effect.promise(() => first.eye.flushall())
    for (const { listener } of used) listener.clear()
    const remembered: Remembered = { fences: new Map(), crashes: new Map() }

    const serverOf = ({ connections, listener, settings }: Database, send: Send) =>
      Effect.provideService(Server.over({ ...connections, notifier: listener.notifier }, settings), Transport, {
        send: ({ about, connection, step }, execute) =>
          send(
            { step, connection, about: about() },
            // what a healthy server refuses is a mistake of ours
            Effect.orDie(Effect.andThen(listener.settled, execute))
          ),
        now,
        edit
      })

    const broker = (server: Server.Server) => Context.make(Broker, BrokerDriver.make(server))
    const results = (server: Server.Server) => Context.make(ResultBackend, ResultsDriver.make(server))
    const pushes = (server: Server.Server) => Context.make(Notifier.Notifier, server.notifier)
    const connect = (send: Send) =>
      stores === "one"
        ? Layer.effectContext(
            Effect.map(serverOf(first, send), (server) =>
              Context.merge(Context.merge(broker(server), results(server)), pushes(server))
            )
          )
        : Notifier.layerBoth(
            Layer.effectContext(
              Effect.map(serverOf(first, send), (server) => Context.merge(broker(server), pushes(server)))
            ),
            Layer.effectContext(
              Effect.map(serverOf(second, send), (server) => Context.merge(results(server), pushes(server)))
            )
          )

    const inspect = Effect.promise(async () => {
      const looks = used.map(({ eye, look, settings }) => eye.evalsha(look, 0, settings.prefix, now()))
      const [messages, records = messages] = (await Promise.all(looks)).map((text) => JSON.parse(String(text)) as Look)
      return stateOf(messages!, records!, remembered)
    })
    const quiet = Effect.promise(() => Promise.all(used.map(({ listener }) => listener.drained())))
    return { connect, inspect, quiet: Effect.asVoid(quiet) }
  })

  return {
    name: "Redis",
    start,
    /** Names of keys in which something about messages is left when all of them have ended. */
    leftovers: Effect.promise(async () =>
      (await first.eye.keys("*"))
        .filter(
          (key) =>
            !/:(layout|queues|fence|publisher:.*|records:.*|dead|letters|watchers:\d|gone|ready:\d|suspects)$/.test(key)
        )
        .toSorted()
    )
  }
})

/** An empty list comes as an object. */
type List<A> = ReadonlyArray<A> | Readonly<Record<string, A>>

/** What `inspect.lua` answers. Numbers are texts. */
interface Look {
  readonly queues: List<QueueLook>
  readonly records: Readonly<Record<string, string>>
}

interface QueueLook {
  readonly name: string
  readonly messages: Readonly<Record<string, string>>
  /** By priority and id. */
  readonly scheduled: Readonly<Record<string, string>>
  readonly crashes: Readonly<Record<string, string>>
  readonly consumers: Readonly<Record<string, string>>
  readonly held: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly ready: List<string>
  readonly suspects: List<string>
  readonly gone: List<string>
  readonly revoked: List<string>
}

/** What the server forgets of a message: its last fence while nobody holds it, its crashes once it was ended from outside. */
interface Remembered {
  readonly fences: Map<string, number>
  readonly crashes: Map<string, number>
}

const stateOf = (messages: Look, results: Look, { crashes, fences }: Remembered): State => {
  const found = new Map<string, MessageState & { places: Array<Place>; holder: string | undefined; fence: number }>()
  const consumers: Array<ConsumerState> = []
  for (const queue of Object.values(messages.queues)) {
    const gone = new Set(Object.values(queue.gone))
    const revoked = new Set(Object.values(queue.revoked))
    const known = (id: string) => {
      let message = found.get(id)
      if (message === undefined) {
        message = {
          id,
          queue: queue.name,
          live: id in queue.messages,
          revoked: revoked.has(id),
          places: [],
          holder: undefined,
          fence: fences.get(id) ?? 0,
          crashes: revoked.has(id) ? (crashes.get(id) ?? 0) : Number(queue.crashes[id] ?? 0),
          dueAt: undefined,
          wire: queue.messages[id] ?? ""
        }
        found.set(id, message)
        crashes.set(id, message.crashes)
      }
      return message
    }
    for (const id of Object.keys(queue.messages)) known(id)
    // who is revoked and nowhere is never let go of
    for (const id of revoked) known(id)
    for (const [member, due] of Object.entries(queue.scheduled)) {
      const message = known(member.slice(1))
      found.set(message.id, { ...message, dueAt: Number(due), places: [...message.places, "scheduled"] })
    }
    for (const [place, ids] of [
      ["ready", queue.ready],
      ["suspect", queue.suspects]
    ] as const) {
      for (const id of Object.values(ids)) {
        // the hole that a revoked message has left
        if (!(id in queue.messages) && gone.delete(id)) continue
        known(id).places.push(place)
      }
    }
    for (const [consumer, ids] of Object.entries(queue.held)) {
      for (const [id, fence] of Object.entries(ids)) {
        const message = known(id)
        message.places.push("held")
        message.holder = consumer
        message.fence = Math.abs(Number(fence))
        fences.set(id, message.fence)
      }
    }
    for (const id of new Set([...Object.keys(queue.consumers), ...Object.keys(queue.held)])) {
      consumers.push({ id, queue: queue.name, leaseEnd: Number(queue.consumers[id] ?? -Infinity) })
    }
  }
  const records = new Map(Object.entries(results.records))
  return {
    messages: found,
    consumers,
    records,
    kept: results === messages ? records : new Map(Object.entries(messages.records))
  }
}
