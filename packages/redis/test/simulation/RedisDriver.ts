/** A real server as a driver of the simulation: a look at all that it holds is one script. */
import * as Notifier from "celeriac/Notifier"
import type { ConsumerState, Driver, MessageState, Place, Send, State } from "celeriac/testing/simulation/Driver"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { RedisError } from "../../src/RedisError.ts"
import * as Database from "./Database.ts"
import { leftovers } from "./leftovers.ts"

/**
 * The server is emptied at the beginning of each run: the first database is for messages, the second for records where these
 * have a store of their own. `edit` takes guards out of the scripts.
 */
export const make = Effect.fnUntraced(function* (
  url: string,
  edit?: Database.EditScript
): Effect.fn.Return<Driver, RedisError, Scope> {
  const first = yield* Database.open(url, 0, edit)
  const second = yield* Database.open(url, 1, edit)

  const start: Driver["start"] = Effect.fnUntraced(function* ({ now, stores }) {
    const used = stores === "one" ? [first] : [first, second]
    yield* Effect.promise(() => first.eye.flushall())
    for (const { listener } of used) listener.clear()
    const remembered: Remembered = { fences: new Map(), crashes: new Map() }

    const clientOf = (database: Database.Database, send: Send) =>
      Database.clientOf(database, {
        now,
        // what a healthy server refuses is a mistake of ours
        send: ({ about, connection, step }, execute) =>
          send(
            { step, connection, about: about() },
            Effect.map(Effect.orDie(execute), (reply) => (step === "queues" ? inOrder(reply) : reply))
          )
      })
    const connect = (send: Send) =>
      stores === "one"
        ? Layer.effectContext(
            Effect.map(clientOf(first, send), (server) =>
              Context.mergeAll(Database.brokerOf(server), Database.resultsOf(server), Database.pushesOf(server))
            )
          )
        : Notifier.layerBoth(
            Layer.effectContext(
              Effect.map(clientOf(first, send), (server) =>
                Context.merge(Database.brokerOf(server), Database.pushesOf(server))
              )
            ),
            Layer.effectContext(
              Effect.map(clientOf(second, send), (server) =>
                Context.merge(Database.resultsOf(server), Database.pushesOf(server))
              )
            )
          )

    const inspect = Effect.promise(async () => {
      const looks = used.map(({ eye, look }) => eye.evalsha(look, 0, Database.prefix, now()))
      const [messages, records = messages] = (await Promise.all(looks)).map((text) => JSON.parse(String(text)) as Look)
      return stateOf(messages!, records!, remembered)
    })
    const quiet = Effect.promise(() => Promise.all(used.map(({ listener }) => listener.drained())))
    const left = Effect.flatMap(inspect, ({ kept, records }) =>
      Effect.promise(async () => {
        const found = await Promise.all(
          used.map(({ eye }, database) => leftovers(eye, Database.prefix, database === 0 ? kept : records))
        )
        return found.flat()
      })
    )
    return { connect, inspect, quiet: Effect.asVoid(quiet), leftovers: left }
  })

  return { name: "Redis", steps: ["announce", "consumers", "queues"], start }
})

/** The members of a set come in an order that differs from server to server; whoever asks for these sorts them. */
const inOrder = <A>(reply: A): A =>
  // a list of names stays one
  Array.isArray(reply) ? ((reply as Array<string>).toSorted((one, other) => (one < other ? -1 : 1)) as A) : reply

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
