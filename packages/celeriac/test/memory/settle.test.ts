import { assert, describe, it } from "@effect/vitest"
import type { Delivery, Disposition } from "../../src/Broker.ts"
import * as Leases from "../../src/memory/Leases.ts"
import * as Queue from "../../src/memory/Queue.ts"
import * as Records from "../../src/memory/Records.ts"
import * as Store from "../../src/memory/Store.ts"
import { ack, ackWith, ids, lease, release, rig, ttl, wire } from "./rig.ts"
import type { Rig } from "./rig.ts"

const dispositions: Record<string, Disposition> = {
  ack: ackWith("late"),
  dead: { _tag: "Ack", dead: "late", record: { value: "late", ttl } },
  release,
  retry: { _tag: "Reschedule", wire: wire(9, "late"), delay: 5, to: "tail", ran: true, note: { value: "late", ttl } }
}

/** How a consumer "w" comes to show a delivery of "a" that it does not own. */
const losses: Record<string, (at: Rig, delivery: Delivery) => Delivery> = {
  "it settled it before": (at, delivery) => {
    at.settle("w", [delivery], release)
    return delivery
  },
  "it was recovered, and registered anew": (at, delivery) => {
    at.crash("w")
    at.register("w")
    return delivery
  },
  "it was recovered, and another one has it": (at, delivery) => {
    at.crash("w")
    at.register("w")
    at.claim("w2")
    return delivery
  },
  "it was recovered, and claimed it again": (at, delivery) => {
    at.crash("w")
    at.register("w")
    at.claim("w")
    return delivery
  },
  "it released it and claimed it again": (at, delivery) => {
    at.settle("w", [delivery], release)
    at.claim("w")
    return delivery
  },
  "it was revoked": (at, delivery) => {
    at.end("a")
    return delivery
  },
  "it never claimed it": (at, delivery) => {
    at.settle("w", [delivery], release)
    const [other] = at.claim("w2")
    return other!
  },
  "it makes a fence up": (_at, delivery) => ({ ...delivery, fence: delivery.fence + 1 })
}

describe("settle: only what the consumer owns", () => {
  for (const [loss, lose] of Object.entries(losses)) {
    for (const [name, disposition] of Object.entries(dispositions)) {
      it(`${name} is refused: ${loss}`, () => {
        const at = rig()
        at.register("w", "w2")
        at.publish(["a"])
        const delivery = lose(at, at.claim("w")[0]!)
        const before = at.counts()
        const continuation = { id: "next", queue: "elsewhere", wire: wire(5) }
        assert.deepStrictEqual(at.settle("w", [delivery], disposition, [continuation]), ["refused"])
        assert.deepStrictEqual(at.counts(), before)
        assert.isUndefined(at.record("a"))
        assert.deepStrictEqual(Store.deadLetters(at.store, "q", 9), [])
        assert.isUndefined(at.locate("next", "elsewhere"))
        assert.isUndefined(at.store.records.shelves.get("q")?.notes.get("a"))
        const [now] = Array.from(at.store.queues.get("q")!.live.values())
        if (now !== undefined) assert.strictEqual(now.wire, wire(5))
      })
    }
  }

  it("each settlement has its own answer", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b", "c"])
    const claims = at.claim("w", 3)
    at.end("b")
    assert.deepStrictEqual(at.settle("w", [...claims, claims[0]!]), ["settled", "refused", "settled", "refused"])
    assert.strictEqual(at.store.queues.get("q")!.consumers.get("w")!.held.size, 0)
  })

  it("an unknown consumer, or one that is being recovered, is lost", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b"])
    const claims = at.claim("w", 2)
    assert.isUndefined(at.settle("stranger", claims))
    at.now += lease
    const suspect = { queue: "q", consumer: "w", leaseEnd: at.now, endsIn: 0 }
    assert.deepStrictEqual(Leases.recover(at.store, at.now, suspect, 1), { moved: 1, more: true })
    assert.isUndefined(at.settle("w", claims))
    assert.deepStrictEqual(at.counts(), [1, 0, 1])
  })
})

describe("settle: ack", () => {
  it("takes the message out of the world", () => {
    const at = rig()
    at.register("w")
    at.publish(["a"])
    assert.deepStrictEqual(at.settle("w", at.claim("w")), ["settled"])
    assert.deepStrictEqual(at.counts(), [0, 0, 0])
    assert.isUndefined(at.record("a"))
    assert.isUndefined(at.locate("a"))
  })

  it("stores the record in the same step", () => {
    const at = rig()
    at.register("w")
    at.publish(["a"])
    at.settle("w", at.claim("w"), ackWith("done"))
    assert.strictEqual(at.record("a"), "done")
    at.now += ttl
    assert.isUndefined(at.record("a"))
  })

  it("succeeds beside a record that lives, which stays", () => {
    const at = rig()
    at.register("w")
    at.publish(["a"])
    Records.commit(at.store.records, at.now, [{ id: "a", queue: "q", value: "first", ttl }])
    assert.deepStrictEqual(at.settle("w", at.claim("w"), ackWith("second")), ["settled"])
    assert.strictEqual(at.record("a"), "first")
    assert.deepStrictEqual(at.counts(), [0, 0, 0])
  })

  it("keeps so many characters of dead letters, and the newest one in any case", () => {
    const at = rig()
    at.register("w")
    const kill = (id: string, parts: number) => {
      at.publish([{ id, wire: wire(5, "x".repeat(Queue.maxDeadCharacters / parts)) }])
      at.settle("w", at.claim("w"), { _tag: "Ack", dead: "reason" })
      const { dead, deadDropped } = Store.counts(at.store, "q")
      return [dead, deadDropped]
    }
    const seen = [kill("a", 3), kill("b", 3), kill("c", 2), kill("d", 1), kill("e", 2)]
    assert.deepStrictEqual(seen, [
      [1, 0],
      [2, 0],
      [2, 1],
      [1, 3],
      [1, 4]
    ])
  })

  it("keeps dead letters, the newest first, and counts those that it had to drop", () => {
    const at = rig()
    at.register("w")
    const all = Queue.maxDeadLetters + 2
    for (let index = 0; index < all; index++) {
      at.publish([{ id: `${index}`, wire: wire(5, `${index}`) }])
      at.settle("w", at.claim("w"), { _tag: "Ack", dead: `reason ${index}` })
    }
    assert.deepStrictEqual(Store.deadLetters(at.store, "q", 2), [
      { id: `${all - 1}`, queue: "q", wire: wire(5, `${all - 1}`), reason: `reason ${all - 1}`, diedAt: at.now },
      { id: `${all - 2}`, queue: "q", wire: wire(5, `${all - 2}`), reason: `reason ${all - 2}`, diedAt: at.now }
    ])
    assert.lengthOf(Store.deadLetters(at.store, "q", all), Queue.maxDeadLetters)
    assert.strictEqual(Store.counts(at.store, "q").dead, Queue.maxDeadLetters)
    assert.strictEqual(at.store.queues.get("q")!.dead.dropped, 2)
    assert.deepStrictEqual(Store.deadLetters(at.store, "unknown", 2), [])
  })
})

describe("settle: continuations", () => {
  const next = { id: "next", queue: "q", wire: wire(5) }

  it("are published once, whoever publishes them again", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b"])
    const claims = at.claim("w", 2)
    at.settle("w", claims, ack, [next, { ...next, queue: "elsewhere" }])
    assert.deepStrictEqual(at.counts(), [1, 0, 0])
    assert.strictEqual(Store.counts(at.store, "elsewhere").queued, 1)
  })

  it("that have ended before are not published again", () => {
    const at = rig()
    at.register("w")
    at.publish(["next"])
    at.settle("w", at.claim("w"), ackWith("done"))
    at.publish(["a"])
    assert.deepStrictEqual(at.settle("w", at.claim("w"), ack, [next]), ["settled"])
    assert.deepStrictEqual(at.counts(), [0, 0, 0])
  })
})

describe("settle: reschedule", () => {
  const after = (disposition: Disposition) => {
    const at = rig()
    at.register("w")
    at.publish(["x", "y"].map((id) => ({ id })))
    const held = at.claim("w", 2)
    at.publish(["waiting"])
    at.settle("w", held, disposition)
    return at
  }
  const cases: ReadonlyArray<readonly [name: string, disposition: Disposition, order: ReadonlyArray<string>]> = [
    ["to the head, one after the other", release, ["y", "x", "waiting"]],
    ["to the tail", { _tag: "Reschedule", delay: 0, to: "tail", ran: true }, ["waiting", "x", "y"]],
    ["with a higher priority", { ...release, wire: wire(6) }, ["y", "x", "waiting"]],
    ["with a lower priority, to the head", { ...release, wire: wire(4) }, ["waiting", "y", "x"]],
    ["in a while", { _tag: "Reschedule", delay: 5, to: "head", ran: true }, ["waiting"]]
  ]
  for (const [name, disposition, order] of cases) {
    it(name, () => {
      const at = after(disposition)
      assert.deepStrictEqual(ids(at.claim("w", 9)), order)
    })
  }

  it("with a delay waits among the scheduled, in the new wire form", () => {
    const at = after({ _tag: "Reschedule", wire: wire(9, "again"), delay: 5, to: "tail", ran: true })
    assert.deepStrictEqual(at.counts(), [1, 2, 0])
    assert.deepStrictEqual(at.locate("x"), {
      id: "x",
      queue: "q",
      place: "scheduled",
      wire: wire(9, "again"),
      dueAt: at.now + 5
    })
    at.now += 5
    assert.deepStrictEqual(
      at.claim("w", 9).map(({ id, wire }) => [id, wire]),
      [
        ["x", wire(9, "again")],
        ["y", wire(9, "again")],
        ["waiting", wire(5)]
      ]
    )
  })

  it("adds its note to the history of attempts", () => {
    const at = after({ _tag: "Reschedule", delay: 5, to: "tail", ran: true, note: { value: "failed", ttl } })
    assert.deepStrictEqual(Records.read(at.store.records, at.now, [{ id: "x", queue: "q" }]), [
      { record: undefined, progress: undefined, attempts: ["failed"], live: true }
    ])
  })
})
