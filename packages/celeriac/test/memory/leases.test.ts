import { assert, describe, it } from "@effect/vitest"
import type { Suspect } from "../../src/Broker.ts"
import * as Leases from "../../src/memory/Leases.ts"
import * as Store from "../../src/memory/Store.ts"
import { ack, ids, lease, release, rig, wire } from "./rig.ts"
import type { Rig } from "./rig.ts"

const holding = (count: number, consumer = "w"): Rig => {
  const at = rig()
  at.register(consumer, "peer")
  at.publish(Array.from({ length: count }, (_, index) => `m${String(index).padStart(4, "0")}`))
  at.claim(consumer, count)
  return at
}

const leaseEnd = (at: Rig, consumer = "w") => at.store.queues.get("q")!.consumers.get(consumer)?.leaseEnd
const suspect = (at: Rig, consumer = "w"): Suspect => ({
  queue: "q",
  consumer,
  leaseEnd: leaseEnd(at, consumer)!,
  endsIn: 0
})
const renew = (at: Rig, consumer = "w") => Leases.renew(at.store, at.now, "q", consumer)
const none = { moved: 0, more: false }

describe("renew", () => {
  it("extends the lease, and counts what is held", () => {
    const at = holding(3)
    at.now += 1_000
    assert.deepStrictEqual(renew(at), { held: 3, revoked: [], suspects: [] })
    assert.strictEqual(leaseEnd(at), at.now + lease)
  })

  it("comes in time as long as nobody began to give the messages back", () => {
    const at = holding(2)
    const seen = suspect(at)
    at.now += 10 * lease
    assert.strictEqual(renew(at)?.held, 2)
    assert.deepStrictEqual(Leases.recover(at.store, at.now, seen), none)
  })

  it("comes too late once somebody did", () => {
    const at = holding(2)
    at.now += lease
    assert.deepStrictEqual(Leases.recover(at.store, at.now, suspect(at), 1), { moved: 1, more: true })
    assert.isUndefined(renew(at))
    assert.isUndefined(Store.claim(at.store, at.now, "w", { queue: "q", count: 1, bytes: 1 }))
    assert.isUndefined(renew(at, "stranger"))
  })

  it("names the held messages that were ended from outside, until they are settled", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["a", "b", "c"])
    const [a, b] = at.claim("w", 2)
    at.claim("peer")
    for (const id of ["a", "b", "c"]) at.end(id)
    assert.deepStrictEqual(renew(at)?.revoked, [
      { id: "a", queue: "q" },
      { id: "b", queue: "q" }
    ])
    assert.strictEqual(renew(at)?.held, 2)
    at.settle("w", [a!])
    assert.deepStrictEqual(renew(at), { held: 1, revoked: [{ id: "b", queue: "q" }], suspects: [] })
    at.settle("w", [b!])
    assert.deepStrictEqual(renew(at), { held: 0, revoked: [], suspects: [] })
  })

  // a third of the lease, and the smaller of half a second and an eighth of it
  const silences: ReadonlyArray<readonly [length: number, silence: number, suspected: boolean]> = [
    [30_000, 10_499, false],
    [30_000, 10_500, true],
    [900, 412, false],
    [900, 413, true],
    [900, 900, true],
    [900, 90_000, true]
  ]
  for (const [length, silence, suspected] of silences) {
    it(`${suspected ? "names" : "does not name"} who was silent for ${silence} of ${length} ms`, () => {
      const at = rig()
      Leases.register(at.store, at.now, "q", "silent", length)
      at.register("w")
      at.now += silence
      assert.deepStrictEqual(
        renew(at)?.suspects,
        suspected
          ? [
              {
                queue: "q",
                consumer: "silent",
                leaseEnd: at.now - silence + length,
                endsIn: Math.max(0, length - silence)
              }
            ]
          : []
      )
    })
  }

  it("names who is being given back, and at most 64", () => {
    const at = holding(2, "dead")
    at.now += lease
    Leases.recover(at.store, at.now, suspect(at, "dead"), 1)
    assert.deepStrictEqual(renew(at, "peer")?.suspects, [{ queue: "q", consumer: "dead", leaseEnd: -1, endsIn: 0 }])
    at.register(...Array.from({ length: 100 }, (_, index) => `silent ${index}`))
    at.now += lease
    assert.lengthOf(renew(at, "peer")!.suspects, 64)
  })

  it("shortens leases of the others that end too late because the clock went back", () => {
    const at = rig()
    at.register("dead")
    Leases.register(at.store, at.now, "q", "short", 1_000)
    at.now -= 3_600_000
    at.register("w")
    renew(at)
    assert.strictEqual(leaseEnd(at, "dead"), at.now + lease)
    assert.strictEqual(leaseEnd(at, "short"), at.now + 1_000)
    at.now += lease
    assert.deepStrictEqual(
      renew(at)
        ?.suspects.map(({ consumer }) => consumer)
        .toSorted(),
      ["dead", "short"]
    )
  })

  it("leaves a lease alone that ends in time", () => {
    const at = rig()
    at.register("dead")
    at.now += 1
    at.register("w")
    renew(at)
    assert.strictEqual(leaseEnd(at, "dead"), at.now - 1 + lease)
  })
})

describe("register", () => {
  it("twice keeps what is held, and extends the lease", () => {
    const at = holding(2)
    at.now += 10
    at.register("w")
    assert.strictEqual(leaseEnd(at), at.now + lease)
    assert.strictEqual(renew(at)?.held, 2)
  })

  it("does not bring back a consumer that is being recovered", () => {
    const at = holding(2)
    at.now += lease
    Leases.recover(at.store, at.now, suspect(at), 1)
    at.register("w")
    assert.isUndefined(renew(at))
    assert.deepStrictEqual(Leases.recover(at.store, at.now, suspect(at), 1), { moved: 1, more: false })
  })
})

describe("recover", () => {
  const refusals: Record<string, (at: Rig) => Suspect> = {
    "the lease has not ended": (at) => {
      at.now += lease - 1
      return suspect(at)
    },
    "it was renewed since it was seen": (at) => {
      const seen = suspect(at)
      at.now += 1_000
      renew(at)
      at.now += lease
      return seen
    },
    "the consumer is unknown": (at) => ({ ...suspect(at), consumer: "stranger" }),
    "the queue is unknown": (at) => ({ ...suspect(at), queue: "elsewhere" })
  }
  for (const [reason, bring] of Object.entries(refusals)) {
    it(`does nothing when ${reason}`, () => {
      const at = holding(2)
      const seen = bring(at)
      assert.deepStrictEqual(Leases.recover(at.store, at.now, seen), none)
      assert.strictEqual(renew(at)?.held, 2)
    })
  }

  it("a clock that jumps ahead ends no lease that is being renewed", () => {
    const at = holding(2)
    const seen = suspect(at)
    at.now += 3_600_000 // all leases have ended by now; the consumer renews, the peer has seen the end before
    renew(at)
    at.now += 3_600_000
    assert.deepStrictEqual(Leases.recover(at.store, at.now, seen), none)
  })

  it("gives messages back to the head of their priority, in the order of ids, and counts the crash", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["c", "a", { id: "high", wire: wire(6) }, "b"])
    at.claim("w", 9)
    at.publish(["waiting"])
    at.crash("w")
    assert.deepStrictEqual(
      at.claim("peer", 9).map(({ crashes, id }) => [id, crashes]),
      [
        ["high", 1],
        ["a", 1],
        ["b", 1],
        ["c", 1],
        ["waiting", 0]
      ]
    )
    assert.isUndefined(leaseEnd(at))
  })

  it("moves at most 500 at a time, and the order holds over all of them", () => {
    const at = holding(1_201)
    at.publish(["waiting"])
    at.now += lease
    const seen = suspect(at)
    const call = () => Leases.recover(at.store, at.now, seen)
    assert.deepStrictEqual(call(), { moved: 500, more: true })
    assert.deepStrictEqual(at.counts(), [501, 0, 701])
    assert.deepStrictEqual(call(), { moved: 500, more: true })
    assert.deepStrictEqual(call(), { moved: 201, more: false })
    assert.deepStrictEqual(call(), none)
    const given = ids(at.claim("peer", 2_000))
    assert.strictEqual(given.at(-1), "waiting")
    assert.deepStrictEqual(given.slice(0, -1), given.slice(0, -1).toSorted())
    assert.lengthOf(given, 1_202)
  })

  it("anybody can go on with it, and what was revoked meanwhile does not come back", () => {
    const at = holding(4)
    at.now += lease
    assert.deepStrictEqual(Leases.recover(at.store, at.now, suspect(at), 1), { moved: 1, more: true })
    at.end("m0001")
    const [seen] = renew(at, "peer")!.suspects
    assert.deepStrictEqual(Leases.recover(at.store, at.now, seen!), { moved: 2, more: false })
    assert.deepStrictEqual(ids(at.claim("peer", 9)), ["m0000", "m0002", "m0003"])
    assert.deepStrictEqual(at.publish([{ id: "m0001", checked: true }]), ["accepted"])
  })
})

describe("close", () => {
  it("gives messages back to the head of their priority, in the order of claims; of those it knew, a crash counts", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["c", "a", "b"])
    const [known, later] = at.claim("w", 3)
    at.publish(["waiting"])
    at.leave("w", [known!, { ...later!, fence: later!.fence - 1 }])
    assert.deepStrictEqual(
      at.claim("peer", 9).map(({ crashes, id }) => [id, crashes]),
      [
        ["c", 1],
        ["a", 0],
        ["b", 0],
        ["waiting", 0]
      ]
    )
  })

  it("makes a suspect of what crashes for the second time", () => {
    const at = holding(1)
    at.leave("w", at.heldBy("w"))
    at.leave("peer", at.claim("peer"))
    at.register("w")
    assert.deepStrictEqual([at.claim("w"), at.claim("w", 1, { alone: true })[0]?.crashes], [[], 2])
  })

  it("twice, or of a stranger, does nothing", () => {
    const at = holding(2)
    at.leave("w")
    at.claim("peer", 9)
    at.leave("w")
    at.leave("stranger")
    assert.deepStrictEqual(at.counts(), [0, 0, 2])
    assert.isUndefined(renew(at))
  })

  it("leaves revoked messages behind", () => {
    const at = holding(2)
    at.end("m0000")
    at.leave("w")
    assert.deepStrictEqual(ids(at.claim("peer", 9)), ["m0001"])
    assert.strictEqual(at.store.queues.get("q")!.revoked.size, 0)
  })

  it("in the middle of a recovery gives the rest back", () => {
    const at = holding(3)
    at.now += lease
    Leases.recover(at.store, at.now, suspect(at), 1)
    at.leave("w")
    assert.deepStrictEqual(
      at.claim("peer", 9).map(({ crashes, id }) => [id, crashes]),
      [
        ["m0000", 0],
        ["m0001", 0],
        ["m0002", 1]
      ]
    )
  })
})

describe("reconcile", () => {
  const reconcile = (at: Rig, believed: Parameters<typeof Leases.reconcile>[5], consumer = "w") =>
    Leases.reconcile(at.store, at.now, "q", consumer, lease, believed)

  it("finds what the consumer does not know of, without counting a crash", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b"])
    const [known] = at.claim("w")
    const [unknown] = at.claim("w")
    assert.deepStrictEqual(reconcile(at, [known!]), { lost: [], found: [unknown!] })
    assert.deepStrictEqual(at.settle("w", [known!, unknown!]), ["settled", "settled"])
  })

  it("tells what the consumer has lost", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["settled", "revoked", "again", "held"])
    const [settled, revoked, early, held] = at.claim("w", 4)
    at.settle("w", [settled!])
    at.end("revoked")
    at.settle("w", [early!], release)
    const [later] = at.claim("w")
    assert.deepStrictEqual(reconcile(at, [settled!, revoked!, early!, held!]), {
      lost: [settled!, revoked!, early!],
      found: [later!]
    })
    assert.deepStrictEqual(renew(at), { held: 2, revoked: [], suspects: [] })
    assert.deepStrictEqual(at.publish([{ id: "revoked", checked: true }]), ["accepted"])
  })

  it("lets go of revoked ones that the consumer does not know of", () => {
    const at = holding(1)
    at.end("m0000")
    assert.deepStrictEqual(reconcile(at, []), { lost: [], found: [] })
    assert.strictEqual(renew(at)?.held, 0)
  })

  it("extends the lease", () => {
    const at = holding(1)
    at.now += 100
    reconcile(at, [])
    assert.strictEqual(leaseEnd(at), at.now + lease)
  })

  it("registers a lost consumer anew, with nothing in its hands", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["a"])
    const claims = at.claim("w")
    at.crash("w")
    assert.deepStrictEqual(reconcile(at, claims), { lost: claims, found: [] })
    assert.deepStrictEqual(at.settle("w", claims), ["refused"])
    assert.deepStrictEqual(ids(at.claim("w")), ["a"])
  })

  it("brings a recovery that began to its end first", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["a", "b", "c"])
    const claims = at.claim("w", 3)
    at.claim("peer")
    at.now += lease
    const seen = suspect(at)
    Leases.recover(at.store, at.now, seen, 1)
    assert.deepStrictEqual(at.woken(), ["peer"])
    assert.deepStrictEqual(reconcile(at, claims), { lost: claims, found: [] })
    assert.deepStrictEqual(Leases.recover(at.store, at.now, seen), none)
    assert.deepStrictEqual(
      at.claim("w", 9).map(({ crashes, id }) => [id, crashes]),
      [
        ["a", 1],
        ["b", 1],
        ["c", 1]
      ]
    )
  })

  it("of a late copy takes nothing from anybody", () => {
    const at = rig()
    at.register("w", "peer")
    at.publish(["a", "b"])
    const early = at.claim("w")
    at.settle("w", early, ack)
    const claims = at.claim("w")
    reconcile(at, early)
    assert.deepStrictEqual(at.settle("w", claims), ["settled"])
    at.leave("w")
    reconcile(at, early)
    at.now += lease
    assert.deepStrictEqual(Leases.recover(at.store, at.now, suspect(at)), none)
    assert.isUndefined(leaseEnd(at))
  })
})
