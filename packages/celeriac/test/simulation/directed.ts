/**
 * Guards whose absence shows so rarely that a random life would have to be long: each is called with the steps of the store,
 * and throws when the guard is not there.
 */
import { strict as assert } from "node:assert"
import type { Disposition, Publication } from "../../src/Broker.ts"
import type * as LeasesModule from "../../src/memory/Leases.ts"
import type * as RecordsModule from "../../src/memory/Records.ts"
import type * as StoreModule from "../../src/memory/Store.ts"

export interface Steps {
  readonly Store: typeof StoreModule
  readonly Leases: typeof LeasesModule
  readonly Records: typeof RecordsModule
}

const name = "q"
const lease = 8000
const ttl = 60_000
const ack: Disposition = { _tag: "Ack" }

/** A store with two consumers and the messages given. */
const rig = ({ Leases, Records, Store }: Steps, ...ids: ReadonlyArray<string>) => {
  const store = Store.make(() => 1)
  let sequence = 0
  const self = {
    now: 1_700_000_000_000,
    store,
    publish: (id: string, options: Partial<Publication> = {}, resent?: number) =>
      Store.publish(store, self.now, name, {
        publisher: "p",
        sequence: resent ?? ++sequence,
        resend: resent !== undefined,
        messages: [{ id, queue: name, wire: "15{}", ...options }]
      })[0],
    claim: (consumer: string, count = 10) =>
      Store.claim(store, self.now, consumer, { queue: name, count, bytes: 1000 })?.deliveries ?? [],
    leaseEnd: (consumer: string) => store.queues.get(name)!.consumers.get(consumer)!.leaseEnd,
    recover: (consumer: string, leaseEnd: number, limit?: number) =>
      Leases.recover(store, self.now, { queue: name, consumer, leaseEnd, endsIn: 0 }, limit),
    record: (id: string) => Records.read(store.records, self.now, [{ id, queue: name }])[0]?.record
  }
  for (const consumer of ["a", "b"]) Leases.register(store, self.now, name, consumer, lease)
  for (const id of ids) self.publish(id)
  return self
}

export const directed = {
  "the id of what is held though revoked is taken": (steps) => {
    const { claim, now, publish, store } = rig(steps, "x")
    claim("a")
    steps.Store.end(store, now, [{ id: "x", queue: name }], "any")
    assert.equal(publish("x", { checked: true }), "duplicate")
  },
  "a message that is sent again is no duplicate of itself": (steps) => {
    const { publish } = rig(steps, "x")
    for (let other = 0; other < 20; other++) publish(`other ${other}`)
    assert.equal(publish("x", {}, 1), "accepted")
  },
  "a message that ended is not sent again": (steps) => {
    const self = rig(steps, "x")
    const [delivery] = self.claim("a")
    const disposition: Disposition = { _tag: "Ack", record: { value: "over", ttl } }
    steps.Store.settle(self.store, self.now, name, "a", [{ delivery: delivery!, disposition }])
    // so many that the answer to its batch is forgotten
    for (let other = 0; other < 20; other++) self.publish(`other ${other}`)
    self.publish("x", {}, 1)
    assert.deepEqual(
      self.claim("a", 100).filter(({ id }) => id === "x"),
      []
    )
  },
  "recovery stops the consumer, also when it is not over": (steps) => {
    const self = rig(steps, "x", "y")
    const [first, second] = self.claim("a")
    self.now += lease + 1
    assert.deepEqual(self.recover("a", self.leaseEnd("a"), 1), { moved: 1, more: true })
    const settlements = [first!, second!].map((delivery) => ({ delivery, disposition: ack }))
    assert.equal(steps.Store.settle(self.store, self.now, name, "a", settlements), undefined)
    assert.equal(steps.Leases.renew(self.store, self.now, name, "a"), undefined)
    assert.equal(self.claim("a").length, 0)
  },
  "only the owner notes": (steps) => {
    const { claim, now, store } = rig(steps, "x")
    const fence = claim("a")[0]!.fence
    const note = (consumer: string, of: number) =>
      steps.Store.note(store, now, [
        { id: "x", queue: name, kind: "progress", consumer, fence: of, value: consumer, ttl }
      ])[0]
    assert.deepEqual([note("b", fence), note("a", fence - 1), note("a", fence)], ["refused", "refused", "noted"])
  },
  "a later note stays": (steps) => {
    const { store, now } = rig(steps)
    // of a queue that lives elsewhere
    const note = (fence: number) =>
      steps.Store.note(store, now, [
        { id: "x", queue: "elsewhere", kind: "progress", consumer: "a", fence, value: String(fence), ttl }
      ])[0]
    assert.deepEqual([note(5), note(4), note(5)], ["noted", "refused", "noted"])
  },
  "recovery waits for the end of the lease": (steps) => {
    const self = rig(steps, "x")
    self.claim("a")
    self.now += lease - 1
    assert.equal(self.recover("a", self.leaseEnd("a")).moved, 0)
    self.now += 1
    assert.equal(self.recover("a", self.leaseEnd("a")).moved, 1)
  },
  "recovery wants a lease that did not move": (steps) => {
    const self = rig(steps, "x")
    self.claim("a")
    const seen = self.leaseEnd("a")
    self.now += 1000
    steps.Leases.renew(self.store, self.now, name, "a")
    // the clock jumps
    self.now += 3_600_000
    assert.equal(self.recover("a", seen).moved, 0)
  },
  "a lease that ends in the far future is cut": (steps) => {
    const self = rig(steps, "x")
    self.claim("a")
    // the clock goes back
    self.now -= 3_600_000
    steps.Leases.renew(self.store, self.now, name, "b")
    assert.equal(self.leaseEnd("a"), self.now + lease)
  },
  "reconciling ends a recovery that has begun": (steps) => {
    const self = rig(steps, "x", "y")
    const held = self.claim("a")
    self.now += lease + 1
    self.recover("a", self.leaseEnd("a"), 1)
    const { found, lost } = steps.Leases.reconcile(self.store, self.now, name, "a", lease, held)
    assert.deepEqual([lost.length, found.length], [2, 0])
    assert.equal(self.claim("b").length, 2)
  },
  "reconciling tells what is lost": (steps) => {
    const self = rig(steps, "x")
    const held = self.claim("a")
    self.now += lease + 1
    self.recover("a", self.leaseEnd("a"))
    assert.deepEqual(steps.Leases.reconcile(self.store, self.now, name, "a", lease, held).lost, held)
  },
  "what was revoked is not found": (steps) => {
    const { claim, now, store } = rig(steps, "x")
    claim("a")
    steps.Store.end(store, now, [{ id: "x", queue: name }], "any")
    assert.deepEqual(steps.Leases.reconcile(store, now, name, "a", lease, []), { found: [], lost: [] })
  },
  "who leaves gives back": (steps) => {
    const { claim, now, store } = rig(steps, "x", "y")
    const [known] = claim("a", 1)
    claim("a", 1)
    steps.Leases.close(store, now, name, "a", [known!])
    assert.deepEqual(
      claim("b").map(({ crashes, id }) => [id, crashes]),
      [
        ["x", 1],
        ["y", 0]
      ]
    )
  },
  "what has not ended cannot be forgotten": (steps) => {
    const { now, record, store } = rig(steps, "x")
    steps.Records.forget(store.records, now, [{ id: "x", queue: name }], { value: "gone", ttl })
    assert.equal(record("x"), undefined)
  }
} satisfies Record<string, (steps: Steps) => void>
