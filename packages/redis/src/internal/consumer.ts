/** The steps of a consumer, see `lua/`. */
import type {
  BrokerError,
  Unavailable,
  BrokerReason,
  Claim,
  Consumer,
  ConsumerOptions,
  Delivery,
  Demand,
  Publication,
  Receipt,
  Reconciliation,
  Settlement,
  SettleReply
} from "celeriac/Broker"
import { makeConsumer, type Renewed } from "celeriac/Driver"
import * as TaskId from "celeriac/TaskId"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { Buckets, firstKey, inParts, lifeOf, whole } from "./items.ts"
import { type Command, mostItems, type Server } from "./Server.ts"
import { Sizes } from "./Sizes.ts"

/** Dead letters of a queue that are kept: the latest ones. */
const mostDead = 10_000

/** And of their wire forms, all together. */
const mostDeadBytes = 64 * 1024 * 1024

/** Messages that one step of recovery moves. */
const mostRecovered = 500

export const consume = Effect.fnUntraced(function* (
  server: Server,
  publish: (messages: ReadonlyArray<Publication>) => Effect.Effect<ReadonlyArray<Receipt>, BrokerReason>,
  { lease, queues, worker }: ConsumerOptions
): Effect.fn.Return<Consumer, BrokerError, Scope> {
  const length = whole(Duration.toMillis(lease))
  // the lease stands in the name, so that whoever looks at a consumer needs no second key for it
  const id = `${worker.replaceAll(/[^\w-]/g, "_").slice(0, 64)}-${(yield* TaskId.make).slice(-8)}.${length}`
  // long enough to keep the hash in which it stands from being a list: see `holdingsOf` in `lua/lib/queue.lua`
  const description = JSON.stringify({
    worker,
    lease: length,
    fields: "ids of messages, and the claims that brought them"
  })
  const sizesOf = new Map(queues.map((queue) => [queue, new Sizes()]))

  const run = (command: Omit<Command, "connection">) =>
    server.run({ ...command, connection: id, keys: [server.keysOf(command.queue).held(id), ...(command.keys ?? [])] })

  const claim = ({ alone, bytes, count, queue }: Demand): Effect.Effect<Claim | undefined, BrokerReason> => {
    const sizes = sizesOf.get(queue)!
    const most = Math.max(1, bytes)
    const args = [id, length, count, most, sizes.portion(most), alone === true ? 1 : 0]
    return Effect.map(run({ step: "claim", queue, args }), (reply) => {
      if (reply === null) return undefined
      const [fence, dueIn, idle, suspect, taken, crashes] = reply as Claimed
      const deliveries: Array<Delivery> = []
      for (let at = 0; at < taken.length; at += 2) {
        const wire = taken[at + 1]!
        sizes.see(wire.length)
        deliveries.push({ id: taken[at]!, queue, wire, fence, crashes: crashes?.[at / 2] ?? 0 })
      }
      return { deliveries, dueIn: dueIn < 0 ? undefined : dueIn, idle, suspect: suspect === 1 }
    })
  }

  const acknowledge = (queue: string, settlements: ReadonlyArray<Settlement>) => {
    const keys = server.keysOf(queue)
    const buckets = new Buckets(keys.bucket, firstKey + 3)
    const columns: [ids: Args, fences: Args, records: Args, lives: Args, places: Args] = [[], [], [], [], []]
    const letters: Args = []
    for (const [index, { delivery, disposition }] of settlements.entries()) {
      if (disposition._tag !== "Ack") continue
      const { dead, record } = disposition
      columns[0].push(delivery.id)
      columns[1].push(delivery.fence)
      columns[2].push(record?.value ?? "")
      columns[3].push(record === undefined ? 0 : lifeOf(record))
      columns[4].push(record === undefined ? 0 : buckets.place(delivery.id))
      if (dead !== undefined) letters.push(index + 1, dead)
    }
    return run({
      step: "settle",
      queue,
      keys: [keys.dead, keys.letters, ...buckets.keys],
      args: [id, settlements.length, mostDead, mostDeadBytes, ...columns.flat(), ...letters],
      about: () => settlements.map(({ delivery }) => delivery)
    })
  }

  const reschedule = (queue: string, settlements: ReadonlyArray<Settlement>) => {
    const buckets = new Buckets(server.keysOf(queue).bucket, firstKey + 1)
    const args: Array<string | number> = [id]
    for (const { delivery, disposition } of settlements) {
      if (disposition._tag !== "Reschedule") continue
      const { delay, note, ran, to, wire } = disposition
      args.push(delivery.id, delivery.fence, wire ?? "", ran ? 1 : 0, whole(delay), to)
      if (note === undefined) args.push(0, "", 0)
      else args.push(buckets.place(delivery.id), note.value, whole(note.ttl))
    }
    return run({
      step: "reschedule",
      as: "settle",
      queue,
      keys: buckets.keys,
      args,
      about: () => settlements.map(({ delivery }) => delivery)
    })
  }

  /** What follows is published first, and only of those that are still in the consumer's hands. */
  const publishNext = Effect.fnUntraced(function* (queue: string, settlements: ReadonlyArray<Settlement>) {
    const some = settlements.filter(({ continuations }) => continuations !== undefined && continuations.length > 0)
    if (some.length === 0) return
    const held = server.keysOf(queue).held(id)
    const ids = some.map(({ delivery }) => delivery.id)
    const fences = (yield* server.call("held", "hmget", [held, ...ids])) as ReadonlyArray<string | null>
    const owned = some.filter(({ delivery }, index) => fences[index] === String(delivery.fence))
    const messages = owned.flatMap(({ continuations }) => continuations ?? [])
    if (messages.length > 0) yield* publish(messages)
  })

  const settlePart = Effect.fnUntraced(function* (queue: string, settlements: ReadonlyArray<Settlement>) {
    yield* publishNext(queue, settlements)
    const [first, again] = firstOfEach(settlements)
    const ends = first.filter(({ disposition }) => disposition._tag === "Ack")
    const others = ends.length === first.length ? [] : first.filter(({ disposition }) => disposition._tag !== "Ack")
    const replies = yield* Effect.all(
      [ends.length === 0 ? nobody : acknowledge(queue, ends), others.length === 0 ? nobody : reschedule(queue, others)],
      { concurrency: "unbounded" }
    )
    const [refusedEnds, refusedOthers] = replies as [Refused, Refused]
    if (refusedEnds === null || refusedOthers === null) return null
    if (refusedEnds.length + refusedOthers.length + again.length === 0)
      return settlements.map((): SettleReply => "settled")
    const refused = new Set([
      ...again,
      ...refusedEnds.map((place) => ends[place]),
      ...refusedOthers.map((place) => others[place])
    ])
    return settlements.map((one): SettleReply => (refused.has(one) ? "refused" : "settled"))
  })

  const renew = (queue: string): Effect.Effect<Renewed | undefined, BrokerReason> =>
    Effect.map(run({ step: "renew", queue, args: [id, length] }), (reply) => {
      if (reply === null) return undefined
      const [held, revoked, silent] = reply as readonly [number, ReadonlyArray<string>, ReadonlyArray<string>]
      return {
        held,
        revoked: revoked.map((one) => ({ id: one, queue })),
        suspects: Array.from({ length: silent.length / 3 }, (_, index) => ({
          queue,
          consumer: silent[3 * index]!,
          leaseEnd: Number(silent[3 * index + 1]),
          endsIn: Number(silent[3 * index + 2])
        }))
      }
    })

  const reconcile = (queue: string, held: ReadonlyArray<Delivery>): Effect.Effect<Reconciliation, BrokerReason> =>
    Effect.map(
      run({
        step: "reconcile",
        queue,
        args: [id, length, description, ...held.flatMap((delivery) => [delivery.id, delivery.fence])]
      }),
      (reply) => {
        const [lost, found] = reply as readonly [ReadonlyArray<number>, ReadonlyArray<string | number>]
        return {
          lost: lost.map((place) => held[place]!),
          found: Array.from({ length: found.length / 4 }, (_, index) => ({
            id: String(found[4 * index]),
            queue,
            fence: Number(found[4 * index + 1]),
            crashes: Number(found[4 * index + 2]),
            wire: String(found[4 * index + 3])
          }))
        }
      }
    )

  return yield* makeConsumer({
    id,
    queues,
    steps: {
      register: (queue) => Effect.asVoid(run({ step: "register", queue, args: [id, length, description] })),
      claim,
      settle: (queue, settlements) =>
        inParts(settlements, mostItems, (part) => settlePart(queue, part)).pipe(
          Effect.map((replies) => replies ?? undefined),
          // one of them may be the reason, as a record's key of another type: a defect, so that each is tried alone
          Effect.catchIf(isMistake, (error) => Effect.die(new Error(error.detail)))
        ),
      renew,
      reconcile,
      recover: ({ consumer, leaseEnd, queue }) =>
        Effect.map(
          server.run({
            step: "recover",
            queue,
            connection: id,
            keys: [server.keysOf(queue).held(consumer)],
            args: [consumer, whole(leaseEnd), mostRecovered]
          }),
          (reply) => {
            const [moved, more] = reply as readonly [number, number]
            return { moved, more: more === 1 }
          }
        ),
      close: (queue, known) =>
        Effect.asVoid(
          run({
            step: "close",
            queue,
            args: [id, ...known.flatMap((delivery) => [delivery.id, delivery.fence])],
            about: () => known
          })
        )
    }
  })
})

/** The script failed, and will fail again. */
const isMistake = (error: BrokerReason): error is Unavailable =>
  error._tag === "Unavailable" && /^(WRONGTYPE|ERR .*script)/.test(error.detail)

/** A delivery that is in one call twice can be settled once. */
const firstOfEach = (
  settlements: ReadonlyArray<Settlement>
): readonly [first: ReadonlyArray<Settlement>, again: ReadonlyArray<Settlement>] => {
  const ids = new Set(settlements.map(({ delivery }) => delivery.id))
  if (ids.size === settlements.length) return [settlements, []]
  const first: Array<Settlement> = []
  const again: Array<Settlement> = []
  for (const one of settlements) (ids.delete(one.delivery.id) ? first : again).push(one)
  return [first, again]
}

type Args = Array<string | number>

/** The reply of `claim.lua`. */
type Claimed = readonly [
  fence: number,
  dueIn: number,
  idle: number,
  suspect: number,
  taken: ReadonlyArray<string>,
  crashes?: ReadonlyArray<number>
]

/** Places of the refused ones; `null`: the consumer is lost. */
type Refused = ReadonlyArray<number> | null

const nobody: Effect.Effect<Refused> = Effect.succeed([])
