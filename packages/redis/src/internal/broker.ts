/** The `Broker` contract: each step is one script, see `lua/`. */
import { BrokerError, Unavailable } from "celeriac/Broker"
import type {
  Address,
  Batch,
  Broker,
  BrokerReason,
  DeadLetter,
  EndReply,
  Kept,
  Meant,
  Overdue,
  Publication,
  QueueCounts,
  Receipt,
  Termination,
  Whereabouts
} from "celeriac/Broker"
import { byQueue } from "celeriac/Driver"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { consume } from "./consumer.ts"
import { Buckets, firstKey, lifeOf, whole } from "./items.ts"
import { forget } from "./results.ts"
import type { Server } from "./Server.ts"

const connection = "client"

/** Milliseconds. */
const announceEvery = 60_000

/** Most holders that one command looks through, for all its messages together. */
const mostLooks = 20_000

export const make = (server: Server): Broker["Service"] => {
  server.setBroker()
  /** Until when, milliseconds of the monotonic clock: a server may have lost all that it had. */
  const announced = new Map<string, number>()
  const announcements = new Map<string, Deferred.Deferred<void, BrokerReason>>()

  /**
   * Tools and sweeps find queues by this set, so a name stands there before its queue has something. Who comes meanwhile waits
   * for the same announcement: a batch that went ahead would make a late copy of the one before it.
   */
  const announce = (queue: string): Effect.Effect<void, BrokerReason> =>
    Clock.clockWith((clock) => {
      const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      if ((announced.get(queue) ?? 0) > now) return Effect.void
      const underWay = announcements.get(queue)
      if (underWay !== undefined) return Deferred.await(underWay)
      const announcement = Deferred.makeUnsafe<void, BrokerReason>()
      announcements.set(queue, announcement)
      // a full server takes no writes, and may know the name
      const add = Effect.flatMap(server.call("announce", "sismember", [server.queuesKey, queue]), (known) =>
        known === 1 ? Effect.void : server.call("announce", "sadd", [server.queuesKey, queue])
      )
      const adding = Effect.onExit(add, (exit) =>
        Effect.sync(() => {
          announcements.delete(queue)
          if (Exit.isSuccess(exit)) announced.set(queue, now + announceEvery)
          // those who wait go on in their order
          Deferred.doneUnsafe(announcement, Exit.asVoid(exit))
        })
      )
      // whoever was first may be interrupted: the others still wait
      return Effect.andThen(Effect.forkDetach(Effect.ignore(adding)), Deferred.await(announcement))
    })

  const queues = Effect.map(server.call("queues", "smembers", [server.queuesKey]), (names) =>
    // a set of strings
    (names as ReadonlyArray<string>).toSorted()
  )

  /** For scripts that have to know all consumers of the queue: part by part, each again if they have changed meanwhile. */
  const withConsumers = Effect.fnUntraced(function* <A, B>(
    queue: string,
    items: ReadonlyArray<A>,
    script: (consumers: ReadonlyArray<string>, part: ReadonlyArray<A>) => Effect.Effect<unknown, BrokerReason>
  ) {
    const answers: Array<B> = []
    while (answers.length < items.length) {
      const names = yield* server.call("consumers", "zrange", [server.keysOf(queue).consumers, 0, -1])
      // members of a set
      const consumers = names as ReadonlyArray<string>
      const part = items.slice(answers.length, answers.length + partFor(consumers))
      // one answer an item, or none at all
      const reply = (yield* script(consumers, part)) as ReadonlyArray<B> | null
      for (const answer of reply ?? []) answers.push(answer)
    }
    return answers
  })

  const end = (queue: string, terminations: ReadonlyArray<Termination>, meant: Meant) =>
    withConsumers<Termination, EndReply>(queue, terminations, (consumers, part) => {
      const keys = server.keysOf(queue)
      const buckets = new Buckets(keys.bucket, firstKey + consumers.length)
      const args: Array<string | number> = [meant, consumers.length, ...consumers]
      for (const { id, record } of part) {
        if (record === undefined) args.push(id, "", 0, 0)
        else args.push(id, record.value, lifeOf(record), buckets.place(id))
      }
      return server.run({
        step: "end",
        queue,
        connection,
        keys: [...consumers.map(keys.held), ...buckets.keys],
        args,
        about: () => part
      })
    })

  const locate = (queue: string, addresses: ReadonlyArray<Address>) =>
    Effect.map(
      withConsumers<Address, Found>(queue, addresses, (consumers, part) => {
        const keys = server.keysOf(queue)
        const buckets = new Buckets(keys.bucket, firstKey + consumers.length)
        const args: Array<string | number> = [consumers.length, ...consumers]
        for (const { id } of part) args.push(id, buckets.place(id))
        return server.run({
          step: "locate",
          queue,
          connection,
          keys: [...consumers.map(keys.held), ...buckets.keys],
          args,
          about: () => part
        })
      }),
      (found) => found.map((one, index) => whereabouts(addresses[index]!, one))
    )

  const overdue = Effect.fnUntraced(function* (limits: { readonly count: number; readonly bytes: number }) {
    const messages: Array<Overdue> = []
    let nextIn: number | undefined
    let { bytes, count } = limits
    for (const queue of yield* queues) {
      const [next, found] = (yield* server.run({
        step: "overdue",
        queue,
        connection,
        args: [Math.max(0, count), Math.max(1, bytes)]
      })) as readonly [string, ReadonlyArray<string>]
      for (let at = 0; at < found.length; at += 2) {
        messages.push({ id: found[at]!, queue, wire: found[at + 1]! })
        bytes -= found[at + 1]!.length
        count -= 1
      }
      if (bytes <= 0) count = 0
      if (Number(next) >= 0) nextIn = Math.min(nextIn ?? Infinity, Number(next))
    }
    return { messages, nextIn }
  })

  /** Continuations: their ids are fixed, so each is looked up, and twice is harmless. */
  let followed = 0
  const follower = server.client
  const follow = (messages: ReadonlyArray<Publication>) =>
    Effect.suspend(() => {
      const sequence = ++followed
      return byQueue(
        messages,
        ({ queue }) => queue,
        (queue, some) =>
          Effect.andThen(
            announce(queue),
            publish(server, queue, { publisher: follower, sequence, resend: true, messages: some })
          )
      )
    })

  return {
    location: server.location,
    publish: (batch) =>
      failing(
        byQueue(
          batch.messages,
          ({ queue }) => queue,
          (queue, messages) => Effect.andThen(announce(queue), publish(server, queue, { ...batch, messages }))
        )
      ),
    consume: (options) =>
      Effect.andThen(
        failing(Effect.forEach(options.queues, announce, { discard: true })),
        consume(server, follow, options)
      ),
    end: (terminations, meant) =>
      failing(
        byQueue(
          terminations,
          ({ queue }) => queue,
          (queue, some) => end(queue, some, meant)
        )
      ),
    locate: (addresses) => failing(byQueue(addresses, ({ queue }) => queue, locate)),
    forget: (addresses, tombstone) => failing(forget(server, addresses, tombstone)),
    overdue: (limits) => failing(overdue(limits)),
    deadLetters: (queue, { limit }) => failing(deadLetters(server, queue, limit)),
    queues: failing(queues),
    counts: (queue) => failing(counts(server, queue))
  }
}

const failing = <A>(effect: Effect.Effect<A, BrokerReason>): Effect.Effect<A, BrokerError> =>
  Effect.mapError(effect, (reason) => new BrokerError({ reason }))

const partFor = (consumers: ReadonlyArray<string>): number =>
  Math.max(1, Math.floor(mostLooks / Math.max(20, consumers.length)))

/** Place, wire or record, and a time. */
type Found = readonly ["absent" | "ended" | "scheduled" | "active" | "queued", string, string]

const whereabouts = ({ id, queue }: Address, [place, text, time]: Found): Whereabouts | Kept | undefined => {
  if (place === "absent") return undefined
  if (place === "ended") return { id, queue, place, record: text, ttl: Number(time) }
  return { id, queue, place, wire: text, dueAt: place === "scheduled" ? Number(time) : undefined }
}

/** Nearly all messages are: new, and ready at once. */
const isPlain = ({ at, checked, delay = 0, expiresAt }: Publication): boolean =>
  checked !== true && expiresAt === undefined && at === undefined && !(delay > 0)

const publish = (server: Server, queue: string, { messages, publisher, resend, sequence }: Batch) => {
  const keys = server.keysOf(queue)
  const buckets = new Buckets(keys.bucket, firstKey + 1)
  const plain = messages.filter(isPlain)
  // the same order at each send: answers name places in it
  const inOrder =
    plain.length === messages.length ? messages : [...plain, ...messages.filter((message) => !isPlain(message))]
  const count = resend ? 0 : plain.length
  const args: Array<string | number> = [sequence, resend ? 1 : 0, count]
  for (const [index, { at, checked, delay = 0, expiresAt, id, wire }] of inOrder.entries()) {
    args.push(id, wire)
    if (index < count) continue
    const due = at === undefined ? `+${whole(delay)}` : `=${whole(at)}`
    const isLookedUp = resend || checked === true
    args.push(
      due,
      expiresAt === undefined ? "" : whole(expiresAt),
      checked === true ? 1 : 0,
      isLookedUp ? buckets.place(id) : 0
    )
  }
  const run = server.run({
    step: "publish",
    queue,
    connection,
    keys: [keys.publisher(publisher), ...buckets.keys],
    args,
    about: () => messages
  })
  return Effect.flatMap(run, (reply): Effect.Effect<ReadonlyArray<Receipt>, BrokerReason> => {
    // taken for a late copy. Whoever hears this has sent it once only: a later one was faster, and it may be sent again
    if (!Array.isArray(reply)) {
      return Effect.fail(new Unavailable({ accepted: "no", detail: "a later batch of this client came first" }))
    }
    if (reply.length === 0) return Effect.succeed(messages.map(() => "accepted"))
    const duplicates = new Set((reply as ReadonlyArray<number>).map((place) => inOrder[place]))
    return Effect.succeed(messages.map((message) => (duplicates.has(message) ? "duplicate" : "accepted")))
  })
}

const deadLetters = Effect.fnUntraced(function* (server: Server, queue: string, limit: number) {
  if (limit <= 0) return []
  const { dead, letters } = server.keysOf(queue)
  const ids = (yield* server.call("deadLetters", "zrange", [dead, 0, limit - 1, "rev"])) as ReadonlyArray<string>
  if (ids.length === 0) return []
  const found = (yield* server.call("deadLetters", "hmget", [letters, ...ids])) as ReadonlyArray<string | null>
  return ids.flatMap((id, index): ReadonlyArray<DeadLetter> => {
    const text = found[index]
    if (typeof text !== "string") return []
    const { at, reason, wire } = Option.getOrElse(decodeLetter(text), () => ({
      at: 0,
      reason: "its letter cannot be read",
      wire: text
    }))
    return [{ id, queue, wire, reason, diedAt: at }]
  })
})

/** As `settle.lua` writes it. */
const decodeLetter = Schema.decodeOption(
  Schema.fromJsonString(Schema.Struct({ at: Schema.Number, reason: Schema.String, wire: Schema.String }))
)

const counts = Effect.fnUntraced(function* (server: Server, queue: string) {
  const [queued, scheduled, active, dead, deadDropped] = (yield* server.run({
    step: "counts",
    queue,
    connection,
    keys: [server.keysOf(queue).dead, server.keysOf(queue).letters]
  })) as readonly [number, number, number, number, number]
  return { queued, scheduled, active, dead, deadDropped } satisfies QueueCounts
})
