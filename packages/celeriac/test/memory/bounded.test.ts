/** G13 for the memory layers: nothing grows with the messages that have passed. */
import { assert, describe, it } from "@effect/vitest"
import * as Leases from "../../src/memory/Leases.ts"
import * as MemoryHub from "../../src/memory/MemoryHub.ts"
import { known } from "../../src/memory/Publishers.ts"
import { maxDeadLetters } from "../../src/memory/Queue.ts"
import * as Records from "../../src/memory/Records.ts"
import * as Store from "../../src/memory/Store.ts"
import { watchFor } from "../../src/ResultBackend.ts"
import { dice } from "./dice.ts"
import { ack, wire } from "./rig.ts"

const total = 100_000

/** Of one batch; all of them take half a day, so that what is known for longest comes and goes as well. */
const size = 50
const between = 20_000
const ttl = 100 * between
const lease = 3 * between

/** All that a store holds: the lengths of its collections, wherever they are, by their names. */
const census = (root: object): Map<string, number> => {
  const counts = new Map<string, number>()
  const seen = new Set<object>()
  const open: Array<readonly [name: string, value: unknown]> = [["store", root]]
  const note = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [name, value] = next
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    if (Array.isArray(value)) {
      note(name, value.length)
      for (const item of value) open.push([`${name}[]`, item])
    } else if (value instanceof Map || value instanceof Set) {
      note(name, value.size)
      for (const [key, item] of value.entries()) open.push([`${name}{}`, item], [`${name}{key}`, key])
    } else {
      for (const [key, item] of Object.entries(value)) {
        // what stands in a list stands in a map as well
        if (key !== "next" && key !== "previous") open.push([key, item])
      }
    }
  }
  return counts
}

/** Lives through so many messages; answers what was held at most at the checkpoints of each half. */
const live = () => {
  const roll = dice(13)
  const chance = (percent: number) => roll(100) < percent
  const hub = MemoryHub.make(() => true)
  const store = Store.make(hub.push)
  const elsewhere = Store.make(hub.push)
  let now = 1_700_000_000_000
  let published = 0
  let tickets = 0
  let sequence = 0
  let publisher = "p0"
  const most: [Map<string, number>, Map<string, number>] = [new Map(), new Map()]

  const consumer = () => {
    const id = `w${++tickets}`
    Leases.register(store, now, "q", id, lease)
    return id
  }
  let worker = consumer()
  const helper = consumer()

  const round = () => {
    now += between
    if (chance(20)) {
      publisher = `p${++tickets}`
      sequence = 0
    }
    const messages = Array.from({ length: size }, () => ({
      id: `m${++published}`,
      queue: "q",
      wire: wire(roll(10)),
      checked: chance(10),
      delay: chance(10) ? roll(30 * between) : 0,
      expiresAt: chance(20) ? now + roll(2 * between) : undefined
    }))
    Store.publish(store, now, "q", { publisher, sequence: ++sequence, resend: false, messages })
    const client = `c${++tickets}`
    // nobody unwatches these: their client has died
    Records.watch(store.records, now, client, messages.slice(0, 5), chance(50) ? "end" : "changes")
    Records.watch(elsewhere.records, now, client, messages.slice(5, 10), "end")
    for (const { id } of messages.slice(10, 13)) {
      const record = { value: "revoked", ttl: between, tombstone: { value: "gone", ttl } }
      Store.end(store, now, [{ id, queue: "q", record }], chance(50) ? "any" : "waiting")
    }
    const late = Store.overdue(store, now, { count: 100, bytes: 1_000_000 })
    Store.end(
      store,
      now,
      late.messages.map((one) => ({ ...one, record: { value: "expired", ttl } })),
      "overdue"
    )
    for (const demand of [{}, { alone: true }]) {
      const claimed = Store.claim(store, now, worker, { queue: "q", count: 2 * size, bytes: 1_000_000, ...demand })
      for (const delivery of claimed?.deliveries ?? []) {
        const { fence, id } = delivery
        const note = { id, queue: "q", consumer: worker, fence, value: "half", ttl } as const
        if (chance(10)) Store.note(store, now, [{ ...note, kind: "progress" }])
        // of a message whose end nobody writes there
        if (chance(10)) Store.note(elsewhere, now, [{ ...note, kind: "attempt" }])
        if (chance(30)) Records.commit(elsewhere.records, now, [{ id, queue: "q", value: "done", ttl }])
        if (chance(1)) continue // not settled: it comes back by the lease
        if (chance(2)) Store.end(store, now, [{ id, queue: "q" }], "any")
        const disposition = chance(10)
          ? ({ _tag: "Reschedule", delay: roll(2) * between, to: "tail", ran: true, wire: wire(5), note } as const)
          : chance(10)
            ? ack
            : ({ _tag: "Ack", record: { value: "done", ttl }, dead: chance(30) ? "dead" : undefined } as const)
        Store.settle(store, now, "q", worker, [{ delivery, disposition }])
        if (chance(5)) {
          const tombstone = chance(50) ? { value: "gone", ttl } : undefined
          Records.forget(store.records, now, [{ id, queue: "q" }], tombstone)
        }
      }
    }
    for (const { suspects } of [Leases.renew(store, now, "q", helper)!]) {
      for (const suspect of suspects) Leases.recover(store, now, suspect)
    }
    if (chance(5)) {
      // some say goodbye, some die
      if (chance(50)) Leases.close(store, now, "q", worker, [])
      worker = consumer()
    } else Leases.renew(store, now, "q", worker)
  }

  for (let count = 1; count <= total / size; count++) {
    round()
    if (count % 100 !== 0) continue
    const half = most[published <= total / 2 ? 0 : 1]
    for (const [where, one] of Object.entries({ store, elsewhere })) {
      for (const [name, count] of census(one)) {
        const key = `${where}: ${name}`
        half.set(key, Math.max(half.get(key) ?? 0, count))
      }
    }
  }
  return { most, store, elsewhere, now }
}

describe("G13: the memory store after many messages", () => {
  const { elsewhere, most, now, store } = live()
  const [early, late] = most

  it("holds no more of anything than before, but for dead letters, of which there is a limit", () => {
    assert.isAbove(late.size, 20, "the census finds the collections")
    assert.isAtLeast(late.get("store: records") ?? 0, 100, "and what is in them")
    const grown = Array.from(late).filter(([name, count]) => count > 1.5 * (early.get(name) ?? 0) + 50)
    assert.deepStrictEqual(
      grown.map(([name]) => name).filter((name) => name !== "store: items"),
      []
    )
    assert.isAtMost(store.queues.get("q")!.dead.size, maxDeadLetters)
  })

  it("holds about what lives", () => {
    // a record is kept for a hundred batches; what has expired is found by and by
    const { notes, records, watched } = store.records.shelves.get("q")!
    const lasting = (ttl / between) * size
    assert.isBelow(records.size, 3 * lasting)
    assert.isBelow(notes.size, lasting)
    assert.isBelow(watched.size, 3 * (watchFor / between) * 5)
    assert.isBelow(elsewhere.records.shelves.get("q")!.watched.size, 3 * (watchFor / between) * 5)
    assert.isBelow(elsewhere.records.shelves.get("q")!.notes.size, 3 * lasting)
    const queue = store.queues.get("q")!
    assert.isBelow(queue.publishers.byName.size, 2 * (known / between) * 0.2)
    assert.isBelow(queue.consumers.size, 10)
    assert.isBelow(queue.idle.size, 10)
  })

  it("holds nothing of what is over when its time is over", () => {
    const queue = store.queues.get("q")!
    const later = now + 2 * known
    // whoever died is found, and what was left is worked off
    const id = "last"
    Leases.register(store, later, "q", id, lease)
    for (const { suspects } of [Leases.renew(store, later, "q", id)!]) {
      for (const suspect of suspects) Leases.recover(store, later, suspect)
    }
    for (const demand of [{}, { alone: true }, {}, { alone: true }]) {
      for (let more = true; more;) {
        const { deliveries } = Store.claim(store, later, id, { queue: "q", count: 1000, bytes: 1e9, ...demand })!
        more = deliveries.length > 0
        Store.settle(
          store,
          later,
          "q",
          id,
          deliveries.map((delivery) => ({ delivery, disposition: ack }))
        )
      }
    }
    Leases.close(store, later, "q", id, [])
    assert.deepStrictEqual(
      {
        live: queue.live.size,
        revoked: queue.revoked.size,
        ready: queue.ready.map(({ size }) => size),
        suspects: queue.suspects.size,
        scheduled: queue.scheduled.size,
        expiries: store.expiries.size,
        consumers: queue.consumers.size,
        idle: queue.idle.size,
        alarm: queue.alarm
      },
      {
        live: 0,
        revoked: 0,
        ready: Array.from({ length: 10 }, () => 0),
        suspects: 0,
        scheduled: 0,
        expiries: 0,
        consumers: 0,
        idle: 0,
        alarm: undefined
      }
    )
    // each write visits a few of what has expired
    for (let count = 0; count < 20_000; count++) {
      const address = { id: `later ${count}`, queue: "q" }
      for (const { records } of [store, elsewhere]) {
        Records.commit(records, later + count * ttl, [{ ...address, value: "done", ttl: 1 }])
        Records.watch(records, later + count * ttl, "client", [address], "end")
        Records.unwatch(records, "client", [address])
      }
    }
    for (const { records } of [store, elsewhere]) {
      const shelf = records.shelves.get("q")!
      assert.isAtMost(shelf.records.size, 10)
      assert.strictEqual(shelf.watched.size, 0)
    }
  })
})

describe("G13: the hub", () => {
  it("knows no channel to which nobody listens any more", () => {
    const hub = MemoryHub.make(() => true)
    for (let count = 0; count < 1000; count++) {
      hub.subscribe(`channel ${count}`, { onMessage: () => {}, onReset: () => {} })()
    }
    let resets = 0
    hub.subscribe("last", { onMessage: () => {}, onReset: () => resets++ })
    hub.reset()
    assert.strictEqual(resets, 2)
    assert.strictEqual(hub.push("channel 1", "x"), 0)
  })
})
