/** The `ResultBackend` contract: each step is one script, see `lua/`. */
import type { Address, BrokerReason } from "celeriac/Broker"
import { byQueue } from "celeriac/Driver"
import { type Commit, type Note, type ResultBackend, ResultBackendError, type Stored } from "celeriac/ResultBackend"
import * as Effect from "effect/Effect"
import { Buckets, firstKey, inParts, lifeOf, Places, whole } from "./items.ts"
import { mostItems, type Server } from "./Server.ts"

const connection = "results"

export const make = (server: Server): ResultBackend["Service"] => {
  /** Whether the messages are on this server too. */
  const livesHere = () => (server.hasBroker() ? 1 : 0)

  const commit = (queue: string, commits: ReadonlyArray<Commit>) => {
    const buckets = new Buckets(server.keysOf(queue).bucket, firstKey)
    const args: Array<string | number> = []
    for (const one of commits) args.push(one.id, one.value, lifeOf(one), buckets.place(one.id))
    return Effect.map(
      server.run({ step: "commit", queue, connection, keys: buckets.keys, args, about: () => commits }),
      (reply) => (reply as ReadonlyArray<number>).map((written) => (written === 1 ? "committed" : "lost"))
    )
  }

  const note = (queue: string, notes: ReadonlyArray<Note>) => {
    const keys = server.keysOf(queue)
    const places = new Places(firstKey)
    const args: Array<string | number> = [livesHere()]
    for (const { consumer, fence, id, kind, ttl, value } of notes) {
      args.push(id, kind, fence, value, whole(ttl), places.place(keys.bucket(id)), places.place(keys.held(consumer)))
    }
    return Effect.map(
      server.run({ step: "note", queue, connection, keys: places.keys, args, about: () => notes }),
      (reply) => (reply as ReadonlyArray<number>).map((noted) => (noted === 1 ? "noted" : "refused"))
    )
  }

  const read =
    (step: "read" | "watch", client: string, star: string) => (queue: string, addresses: ReadonlyArray<Address>) => {
      const buckets = new Buckets(server.keysOf(queue).bucket, firstKey)
      const args: Array<string | number> = [client, star, livesHere()]
      for (const { id } of addresses) args.push(id, buckets.place(id))
      return Effect.map(
        server.run({ step: "read", as: step, queue, connection, keys: buckets.keys, args, about: () => addresses }),
        (reply) => (reply as ReadonlyArray<Read>).map(stored)
      )
    }

  return {
    location: server.location,
    commit: (commits) => failing(inQueues(commits, commit)),
    note: (notes) => failing(inQueues(notes, note)),
    read: (addresses) => failing(inQueues(addresses, read("read", "", ""))),
    watch: (client, addresses, interest) =>
      failing(inQueues(addresses, read("watch", client, interest === "changes" ? "*" : ""))),
    unwatch: (client, addresses) =>
      failing(
        Effect.asVoid(
          inQueues(addresses, (queue, some) =>
            Effect.as(
              server.run({
                step: "unwatch",
                queue,
                connection,
                args: [client, ...some.map(({ id }) => id)],
                about: () => some
              }),
              some
            )
          )
        )
      ),
    forget: (addresses, tombstone) => failing(forget(server, addresses, tombstone))
  }
}

/** One or more commands for each queue. */
const inQueues = <A extends Address, B>(
  items: ReadonlyArray<A>,
  send: (queue: string, items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, BrokerReason>
): Effect.Effect<ReadonlyArray<B>, BrokerReason> =>
  byQueue(
    items,
    ({ queue }) => queue,
    (queue, some) =>
      Effect.map(
        inParts(some, mostItems, (part) => send(queue, part)),
        (answers) => answers ?? []
      )
  )

/** See `forget` in both contracts: where records live with the broker it is one step. */
export const forget = (
  server: Server,
  addresses: ReadonlyArray<Address>,
  tombstone: { readonly value: string; readonly ttl: number } | undefined
): Effect.Effect<void, BrokerReason> =>
  Effect.asVoid(
    inQueues(addresses, (queue, some) => {
      const buckets = new Buckets(server.keysOf(queue).bucket, firstKey)
      const args: Array<string | number> = [tombstone?.value ?? "", whole(tombstone?.ttl ?? 0)]
      for (const { id } of some) args.push(id, buckets.place(id))
      return Effect.as(
        server.run({ step: "forget", queue, connection, keys: buckets.keys, args, about: () => some }),
        some
      )
    })
  )

/** One message in the reply of `read.lua`. */
type Read = readonly [record: string | null, progress: string | null, live: number, attempts: ReadonlyArray<string>]

const stored = ([record, progress, live, attempts]: Read): Stored => ({
  record: record ?? undefined,
  progress: progress ?? undefined,
  attempts,
  live: live < 0 ? undefined : live === 1
})

const failing = <A>(effect: Effect.Effect<A, BrokerReason>): Effect.Effect<A, ResultBackendError> =>
  Effect.mapError(effect, (reason) => new ResultBackendError({ detail: reason.message }))
