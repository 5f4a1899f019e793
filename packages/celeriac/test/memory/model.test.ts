import { isDeepStrictEqual } from "node:util"
/**
 * Random lives of one queue. Commands of three consumers, a publisher and somebody who revokes are lost, carried out twice,
 * lose their replies, or arrive again at any later time, while consumers stop, come back and close, and the clock goes on.
 * After each command the whole state is looked at; in the end everything must drain.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Delivery, Settlement } from "../../src/Broker.ts"
import * as Leases from "../../src/memory/Leases.ts"
import * as Queue from "../../src/memory/Queue.ts"
import * as Store from "../../src/memory/Store.ts"
import { dice } from "./dice.ts"

const name = "q"
const lease = 10_000
const ttl = 1e12

interface Worker {
  readonly id: string
  held: Map<string, Delivery>
  closed: boolean
  suspects: Map<string, number>
}

const live = (seed: number) => {
  const roll = dice(seed)
  const chance = (percent: number) => roll(100) < percent
  const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[roll(items.length)]
  let now = 1_700_000_000_000
  const onTheirWay = new Set<string>()
  const store = Store.make((channel) => {
    if (channel.startsWith("wake:")) onTheirWay.add(channel.slice("wake:".length))
    return 1
  })
  const queue = Store.queueOf(store, name)

  // what must stay true of each id
  const accepted = new Set<string>()
  const settled = new Set<string>()
  const records = new Map<string, string>()
  const crashes = new Map<string, number>()
  const seen = { late: 0, recovered: 0, revoked: 0, found: 0, lost: 0, refused: 0, suspects: 0, drained: 0 }

  const check = (label: string) => {
    const must = (holds: boolean, problem: string, entry?: Queue.Entry) => {
      if (!holds) assert.fail(`seed ${seed}: ${entry?.id ?? ""} ${problem} after ${label}`)
    }
    const places = new Map<Queue.Entry, number>()
    const stands = (entry: Queue.Entry) => places.set(entry, (places.get(entry) ?? 0) + 1)
    for (const list of [...queue.ready, queue.suspects]) {
      for (let entry = list.head; entry !== undefined; entry = entry.next) {
        stands(entry)
        must((list === queue.suspects) === entry.crashes >= Queue.suspectCrashes, "suspect misplaced", entry)
      }
    }
    let scheduled = 0
    for (const entry of queue.live.values()) {
      if (entry.due === undefined) continue
      scheduled++
      stands(entry)
    }
    must(queue.scheduled.size === scheduled, "scheduled without a message")
    for (const holder of queue.consumers.values()) {
      for (const entry of holder.held.values()) {
        stands(entry)
        must(entry.holder === holder, "held by two", entry)
        if (entry.revoked) must(queue.revoked.get(entry.id) === entry, "revoked and forgotten", entry)
        else must(queue.live.get(entry.id) === entry, "held without a message", entry)
      }
    }
    for (const entry of queue.live.values()) {
      must(places.get(entry) === 1, "not in one place", entry)
      must(entry.crashes === (crashes.get(entry.id) ?? 0), "crashes not counted", entry)
      const expires = entry.expiresAt !== undefined && entry.holder === undefined
      must(expires === (entry.expiry !== undefined), "expiry forgotten", entry)
    }
    for (const entry of queue.revoked.values()) must(places.get(entry) === 1, "revoked and nowhere", entry)
    must(places.size === queue.live.size + queue.revoked.size, "something without a message")
    for (const id of accepted) {
      const record = queue.shelf.records.get(id)?.value
      const before = records.get(id)
      if (record === undefined) must(queue.live.has(id), `${id} was lost`)
      else if (before === undefined) records.set(id, record)
      must(before === undefined || before === record, `record of ${id} changed`)
    }
    // nobody sleeps beside work
    const registered = (holder: Queue.Holder | undefined) => holder !== undefined && holder.leaseEnd >= 0
    for (const holder of queue.idle.keys()) must(registered(holder), `${holder.id} idle and not registered`)
    if (queue.idle.size === 0) return
    for (const id of onTheirWay) if (registered(queue.consumers.get(id))) return
    must(Queue.readyCount(queue) === 0, "idle beside ready messages")
    const next = queue.scheduled.peek()
    if (next !== undefined) {
      must(registered(queue.alarm?.holder), "nobody watches a due time")
      must(queue.alarm!.due <= next.time, "who watches comes too late")
    }
    if (queue.suspects.size > 0) must(registered(queue.reservation?.holder), "nobody minds a suspect")
  }

  let faults = true
  const late: Array<() => void> = []
  /** Sends a command through bad weather; `reply` sees the answer, if it arrives. */
  const send = <A>(label: string, run: () => A, reply: (answer: A) => void = () => {}) => {
    const carryOut = () => {
      const answer = run()
      check(label)
      return answer
    }
    if (!faults) return reply(carryOut())
    if (chance(8)) {
      if (chance(60)) late.push(carryOut)
      return
    }
    if (chance(4)) late.push(carryOut)
    const answer = carryOut()
    if (chance(4)) carryOut()
    if (!chance(8)) reply(answer)
  }

  let workers: Array<Worker> = []
  const join = (id: string) => {
    const worker: Worker = { id, held: new Map(), closed: false, suspects: new Map() }
    workers.push(worker)
    send(`register ${id}`, () => Leases.register(store, now, name, id, lease))
  }
  for (const id of ["w0", "w1", "w2"]) join(id)

  const reconcile = (worker: Worker) => {
    const believed = Array.from(worker.held.values())
    send(
      `reconcile ${worker.id}`,
      () => {
        const began = (queue.consumers.get(worker.id)?.leaseEnd ?? 0) < 0
        const returning = began ? Array.from(queue.consumers.get(worker.id)!.held.values()) : []
        for (const entry of returning) if (!entry.revoked) crashes.set(entry.id, (crashes.get(entry.id) ?? 0) + 1)
        return Leases.reconcile(store, now, name, worker.id, lease, believed)
      },
      ({ found, lost }) => {
        seen.found += found.length
        seen.lost += lost.length
        for (const delivery of lost) worker.held.delete(delivery.id)
        for (const delivery of found) worker.held.set(delivery.id, delivery)
      }
    )
  }

  const claim = (worker: Worker, count: number, alone: boolean) =>
    send(
      `claim ${worker.id}`,
      () => {
        onTheirWay.delete(worker.id)
        return Store.claim(store, now, worker.id, { queue: name, count, bytes: 1_000, alone })
      },
      (answer) => {
        if (answer === undefined) return reconcile(worker)
        if (alone) seen.suspects += answer.deliveries.length
        for (const delivery of answer.deliveries) worker.held.set(delivery.id, delivery)
        if (answer.suspect && worker.held.size === 0) claim(worker, 1, true)
      }
    )

  let written = 0
  const settle = (worker: Worker, deliveries: ReadonlyArray<Delivery>, ackOnly: boolean) => {
    const settlements = deliveries.map((delivery): Settlement => {
      const kind = ackOnly ? 0 : roll(6)
      if (kind < 3) {
        const record = { value: `${worker.id} ${++written}`, ttl }
        return { delivery, disposition: { _tag: "Ack", record } }
      }
      const wire = kind === 3 ? `1${roll(10)}again` : undefined
      const delay = kind === 5 ? 0 : roll(8_000)
      return { delivery, disposition: { _tag: "Reschedule", wire, delay, to: chance(50) ? "head" : "tail", ran: true } }
    })
    send(
      `settle ${worker.id} ${deliveries.map(({ id }) => id).join(" ")}`,
      () => {
        const owned = deliveries.map(({ fence, id }) => {
          const entry = queue.live.get(id)
          return entry?.holder?.id === worker.id && entry.fence === fence && entry.holder.leaseEnd >= 0
        })
        const answer = Store.settle(store, now, name, worker.id, settlements)
        assert.isTrue(
          isDeepStrictEqual(
            answer ?? owned.map(() => "refused"),
            owned.map((own) => (own ? "settled" : "refused"))
          ),
          `seed ${seed}: settled by who does not own it, or refused to the owner`
        )
        for (const [index, { delivery, disposition }] of settlements.entries()) {
          if (answer?.[index] !== "settled" || disposition._tag !== "Ack") continue
          assert.isFalse(settled.has(delivery.id), `seed ${seed}: ${delivery.id} settled twice`)
          settled.add(delivery.id)
        }
        return answer
      },
      (answer) => {
        if (answer === undefined) return reconcile(worker)
        seen.refused += answer.filter((reply) => reply === "refused").length
        for (const delivery of deliveries) worker.held.delete(delivery.id)
      }
    )
  }

  const renew = (worker: Worker) =>
    send(
      `renew ${worker.id}`,
      () => Leases.renew(store, now, name, worker.id),
      (answer) => {
        if (answer === undefined || answer.held !== worker.held.size) return reconcile(worker)
        const watched = new Map(worker.suspects)
        worker.suspects = new Map(answer.suspects.map(({ consumer, leaseEnd }) => [consumer, leaseEnd]))
        for (const [consumer, leaseEnd] of worker.suspects) {
          if (watched.get(consumer) === leaseEnd) recover(consumer, leaseEnd)
        }
      }
    )

  const recover = (consumer: string, leaseEnd: number) =>
    send(`recover ${consumer}`, () => {
      const before = new Set(queue.consumers.get(consumer)?.held.values())
      const { moved } = Leases.recover(store, now, { queue: name, consumer, leaseEnd, endsIn: 0 }, 2)
      seen.recovered += moved
      const held = queue.consumers.get(consumer)?.held
      for (const entry of before) {
        if (!entry.revoked && held?.get(entry.id) !== entry) crashes.set(entry.id, (crashes.get(entry.id) ?? 0) + 1)
      }
    })

  let sequence = 0
  let ids = 0
  let unanswered: Array<{
    readonly sequence: number
    readonly messages: Parameters<typeof Store.publish>[3]["messages"]
  }> = []
  const publish = (batch: (typeof unanswered)[number], resend: boolean) =>
    send(
      `publish ${batch.sequence}`,
      () => Store.publish(store, now, name, { publisher: "p", resend, ...batch }),
      (receipts) => {
        unanswered = unanswered.filter((one) => one !== batch)
        assert.isTrue(receipts.every((receipt) => receipt === "accepted"))
        for (const { id } of batch.messages) accepted.add(id)
      }
    )

  const step = () => {
    const what = roll(100)
    const worker = pick(workers)!
    if (what < 14) {
      const messages = Array.from({ length: 1 + roll(4) }, () => ({
        id: `m${++ids}`,
        queue: name,
        wire: `1${roll(10)}`,
        ...(chance(30) && { delay: roll(9_000) }),
        ...(chance(20) && { expiresAt: now + roll(20_000) })
      }))
      const batch = { sequence: ++sequence, messages }
      unanswered.push(batch)
      publish(batch, false)
    } else if (what < 20) {
      const batch = pick(unanswered)
      if (batch !== undefined) publish(batch, true)
    } else if (what < 45) claim(worker, roll(5), worker.held.size === 0 && chance(20))
    else if (what < 60) {
      settle(
        worker,
        Array.from(worker.held.values()).filter(() => chance(60)),
        false
      )
    } else if (what < 75) renew(worker)
    else if (what < 78) reconcile(worker)
    else if (what < 82) {
      const late1 = late.splice(roll(late.length), 1)[0]
      if (late1 === undefined) return
      seen.late++
      late1()
    } else if (what < 86) {
      const id = `m${1 + roll(ids + 1)}`
      const record = { value: `revoked ${++written}`, ttl }
      const meant = chance(30) ? "waiting" : "any"
      send(`end ${id}`, () => {
        const [reply] = Store.end(store, now, [{ id, queue: name, record }], meant)
        if (reply === "ended") seen.revoked++
      })
    } else if (what < 89) {
      const known = Array.from(worker.held.values())
      send(`close ${worker.id}`, () => {
        const held = queue.consumers.get(worker.id)?.held
        for (const { fence, id } of known) {
          const entry = held?.get(id)
          if (entry?.fence === fence && !entry.revoked) crashes.set(id, (crashes.get(id) ?? 0) + 1)
        }
        return Leases.close(store, now, name, worker.id, known)
      })
      workers = workers.filter((one) => one !== worker)
      join(`w${ids + 100}-${written}`)
    } else if (what < 91) {
      // dies without a word
      workers = workers.filter((one) => one !== worker)
      join(`w${ids + 100}-${written}`)
    } else now += what < 98 ? roll(2_500) : roll(14_000)
  }

  for (let count = 0; count < 150; count++) step()

  faults = false
  for (const copy of late) copy()
  for (const batch of unanswered) publish(batch, true)
  for (let round = 0; queue.live.size + queue.revoked.size > 0; round++) {
    assert.isBelow(round, 200, `seed ${seed}: does not drain`)
    for (const worker of workers) {
      reconcile(worker)
      renew(worker)
      settle(worker, Array.from(worker.held.values()), true)
      claim(worker, 50, false)
    }
    now += 2_000
    seen.drained++
  }
  assert.strictEqual(store.expiries.size, 0)
  return seen
}

describe("random lives of a queue", () => {
  const seeds = 300
  it(`${seeds} of them`, () => {
    const total: Record<string, number> = {}
    for (let seed = 1; seed <= seeds; seed++) {
      for (const [what, count] of Object.entries(live(seed))) total[what] = (total[what] ?? 0) + count
    }
    // it bites: each of these has happened
    for (const [what, count] of Object.entries(total)) assert.isAbove(count, 50, what)
  })
})
