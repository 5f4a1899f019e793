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
  const table: ReadonlyArray<readonly [place: string, anywhere: string, waiting: string]> = [
    ["waiting", "ended", "ended"],
    ["scheduled", "ended", "ended"],
    ["suspect", "ended", "ended"],
    ["active", "ended", "spared"],
    ["ended", "absent", "absent"],
    ["unknown", "absent", "absent"]
  ]
  for (const [place, ...replies] of table) {
    for (const [index, meant] of (["any", "waiting"] as const).entries()) {
      it(`${place}${meant === "waiting" ? ", only if it waits" : ""}: ${replies[index]}`, () => {
        const at = rig()
        at.register("owner", "w")
        places[place]!(at)
        assert.strictEqual(at.end("a", { meant, record: "revoked" }), replies[index])
        const record = { ended: "revoked", spared: undefined, absent: place === "ended" ? "first" : undefined }
        assert.strictEqual(at.record("a"), record[replies[index] as keyof typeof record])
        const told = at.pushes.filter(([channel]) => channel.startsWith("revoke:"))
        assert.deepStrictEqual(told, place === "active" && meant === "any" ? [["revoke:owner", `["a","q"]`]] : [])
        if (replies[index] === "ended") {
          assert.deepStrictEqual(at.counts(), [0, 0, 0])
          assert.deepStrictEqual(at.locate("a"), { id: "a", queue: "q", place: "ended", record: "revoked", ttl })
          assert.strictEqual(at.end("a", { meant }), "absent")
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
        at.locate("a"),
        place === "ended"
          ? { id: "a", queue: "q", place, record: "first", ttl }
          : where === undefined
            ? undefined
            : { id: "a", queue: "q", place: where, wire: wire(5), dueAt }
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
    assert.isUndefined(at.locate("a"))
    assert.deepStrictEqual(Store.counts(at.store, "q"), { queued: 0, scheduled: 0, active: 0, dead: 0, deadDropped: 0 })
    assert.strictEqual(at.store.queues.size, 0)
  })
})

describe("overdue", () => {
  const look = (at: Rig, limits: { readonly count?: number; readonly bytes?: number } = {}) =>
    Store.overdue(at.store, at.now, { count: 9, bytes: 1000, ...limits })
  const overdue = (at: Rig) => look(at).messages.map(({ id }) => id)

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
    assert.strictEqual(look(at).nextIn, 1)
    const { messages, nextIn } = look(at, { count: 2 })
    assert.deepStrictEqual([messages.length, nextIn], [2, 0])
    const e = look(at).messages.find(({ id }) => id === "e")
    assert.deepStrictEqual(e, { id: "e", queue: "other", wire: wire(5) })
  })

  const lives: ReadonlyArray<readonly [name: string, live: (at: Rig) => void, named: boolean]> = [
    ["held", () => {}, false],
    ["released unstarted", (at) => at.leave("w"), true],
    ["released by its owner", (at) => at.settle("w", at.heldBy("w"), release), true],
    ["recovered", (at) => at.crash("w"), true],
    [
      "retried",
      (at) => at.settle("w", at.heldBy("w"), { _tag: "Reschedule", wire: wire(5), delay: 1, to: "tail", ran: true }),
      false
    ],
    [
      "put off unstarted, with a mark",
      (at) => at.settle("w", at.heldBy("w"), { _tag: "Reschedule", wire: wire(5), delay: 1, to: "tail", ran: false }),
      true
    ],
    ["retried as it was", (at) => at.settle("w", at.heldBy("w"), { ...release, ran: true }), false],
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
      // as overdue it is ended by the same rule
      const reply = at.end("a", { meant: "overdue" })
      assert.strictEqual(reply, named ? "ended" : at.store.queues.get("q")!.live.has("a") ? "spared" : "absent")
      if (!named) assert.strictEqual(at.store.expiries.size, 0)
    })
  }
})
