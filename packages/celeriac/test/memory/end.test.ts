import { assert, describe, it } from "@effect/vitest"
import * as Store from "../../src/memory/Store.ts"
import { ackWith, ids, release, rig, ttl, wire } from "./rig.ts"
import type { Rig } from "./rig.ts"

const places: Record<string, (at: Rig) => void> = {
  waiting: (at) => at.publish(["a"]),
  scheduled: (at) => at.publish([{ id: "a", delay: 10 }]),
  suspect: (at) => {
    at.publish(["a"])
    for (const dead of ["dead", "dead too"]) {
      at.register(dead)
      at.claim(dead)
      at.crash(dead)
    }
  },
  active: (at) => {
    at.publish(["a"])
    at.claim("owner")
  },
  ended: (at) => {
    at.publish(["a"])
    at.settle("owner", at.claim("owner"), ackWith("first"))
  },
  unknown: () => {}
}

describe("end", () => {
  const table: ReadonlyArray<readonly [place: string, anywhere: string, waitingOnly: string]> = [
    ["waiting", "ended", "ended"],
    ["scheduled", "ended", "ended"],
    ["suspect", "ended", "ended"],
    ["active", "ended", "active"],
    ["ended", "absent", "absent"],
    ["unknown", "absent", "absent"]
  ]
  for (const [place, ...replies] of table) {
    for (const [index, waitingOnly] of [false, true].entries()) {
      it(`${place}${waitingOnly ? ", only if it waits" : ""}: ${replies[index]}`, () => {
        const at = rig()
        at.register("owner", "w")
        places[place]!(at)
        assert.strictEqual(at.end("a", { waitingOnly, record: "revoked" }), replies[index])
        const record = { ended: "revoked", active: undefined, absent: place === "ended" ? "first" : undefined }
        assert.strictEqual(at.record("a"), record[replies[index] as keyof typeof record])
        const told = at.pushes.filter(([channel]) => channel.startsWith("revoke:"))
        assert.deepStrictEqual(told, place === "active" && !waitingOnly ? [["revoke:owner", `["a","q"]`]] : [])
        if (replies[index] === "ended") {
          assert.deepStrictEqual(at.counts(), [0, 0, 0])
          assert.isUndefined(Store.locate(at.store, { id: "a", queue: "q" }))
          assert.strictEqual(at.end("a", { waitingOnly }), "absent")
        }
        at.now += 10
        const left = [...at.claim("w", 9), ...at.claim("w", 9, { alone: true })]
        assert.deepStrictEqual(left, [])
      })
    }
  }

  it("the same id lives again after its record has expired, and the first owner has no part in it", () => {
    const at = rig()
    at.register("owner", "w")
    at.publish(["a"])
    const first = at.claim("owner")
    at.end("a", { record: "revoked" })
    at.now += ttl
    // its first owner has not let go of it
    assert.deepStrictEqual(at.publish([{ id: "a", checked: true }]), ["duplicate"])
    assert.deepStrictEqual(at.settle("owner", first), ["refused"])
    assert.deepStrictEqual(at.publish([{ id: "a", checked: true }]), ["accepted"])
    const second = at.claim("w")
    assert.deepStrictEqual(ids(second), ["a"])
    assert.deepStrictEqual(at.settle("owner", first), ["refused"])
    assert.deepStrictEqual(at.settle("w", second), ["settled"])
  })

  it("a waiting one that was revoked and published again is given once", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b"])
    at.end("a")
    at.publish([{ id: "a", checked: true }])
    assert.deepStrictEqual(ids(at.claim("w", 9)), ["b", "a"])
    assert.deepStrictEqual(at.claim("w", 9), [])
  })
})

describe("locate and counts", () => {
  for (const [place, where] of [
    ["waiting", "queued"],
    ["scheduled", "scheduled"],
    ["suspect", "queued"],
    ["active", "active"],
    ["ended", undefined],
    ["unknown", undefined]
  ] as const) {
    it(place, () => {
      const at = rig()
      at.register("owner")
      const dueAt = where === "scheduled" ? at.now + 10 : undefined
      places[place]!(at)
      assert.deepStrictEqual(
        Store.locate(at.store, { id: "a", queue: "q" }),
        where === undefined ? undefined : { id: "a", queue: "q", place: where, wire: wire(5), dueAt }
      )
      const count = (one: string) => (one === where ? 1 : 0)
      assert.deepStrictEqual(Store.counts(at.store, "q"), {
        queued: count("queued"),
        scheduled: count("scheduled"),
        active: count("active"),
        dead: 0,
        deadDropped: 0
      })
    })
  }

  it("of an unknown queue", () => {
    const at = rig()
    assert.isUndefined(Store.locate(at.store, { id: "a", queue: "q" }))
    assert.deepStrictEqual(Store.counts(at.store, "q"), { queued: 0, scheduled: 0, active: 0, dead: 0, deadDropped: 0 })
    assert.strictEqual(at.store.queues.size, 0)
  })
})

describe("overdue", () => {
  const overdue = (at: Rig, limit = 9) => Store.overdue(at.store, at.now, limit).map(({ id }) => id)

  it("names what waits past its time, in all queues, and no more than asked", () => {
    const at = rig()
    const expiresAt = at.now + 5
    at.publish([{ id: "a", expiresAt }, { id: "b", expiresAt: expiresAt + 1 }, { id: "c" }])
    at.publish([{ id: "d", expiresAt, delay: 100 }])
    Store.publish(at.store, at.now, "other", {
      publisher: "p",
      sequence: 1,
      resend: false,
      messages: [{ id: "e", queue: "other", wire: wire(5), expiresAt }]
    })
    at.now += 4
    assert.deepStrictEqual(overdue(at), [])
    at.now += 1
    assert.deepStrictEqual(overdue(at).toSorted(), ["a", "d", "e"])
    assert.deepStrictEqual(overdue(at).toSorted(), ["a", "d", "e"])
    assert.lengthOf(overdue(at, 2), 2)
    assert.deepStrictEqual(
      Store.overdue(at.store, at.now, 9).find(({ id }) => id === "e"),
      { id: "e", queue: "other" }
    )
  })

  const lives: ReadonlyArray<readonly [name: string, live: (at: Rig) => void, named: boolean]> = [
    ["held", () => {}, false],
    ["released unstarted", (at) => at.leave("w"), true],
    ["released by its owner", (at) => at.settle("w", at.heldBy("w"), release), true],
    ["recovered", (at) => at.crash("w"), true],
    [
      "retried",
      (at) => at.settle("w", at.heldBy("w"), { _tag: "Reschedule", wire: wire(5), delay: 1, to: "tail" }),
      false
    ],
    ["over", (at) => at.settle("w", at.heldBy("w")), false],
    ["revoked", (at) => at.end("a"), false]
  ]
  for (const [name, live, named] of lives) {
    it(`${named ? "names" : "does not name"} what is ${name}`, () => {
      const at = rig()
      at.register("w")
      at.publish([{ id: "a", expiresAt: at.now + 5 }])
      at.claim("w")
      live(at)
      at.now += 5
      assert.deepStrictEqual(overdue(at), named ? ["a"] : [])
      if (!named) assert.strictEqual(at.store.expiries.size, 0)
    })
  }
})
