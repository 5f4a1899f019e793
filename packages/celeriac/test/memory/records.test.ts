import { assert, describe, it } from "@effect/vitest"
import * as Records from "../../src/memory/Records.ts"
import type { Interest, Note, Stored } from "../../src/ResultBackend.ts"
import { maxAttemptNotes, watchFor } from "../../src/ResultBackend.ts"
import { ack, ackWith, queue, release, rig, ttl, wire } from "./rig.ts"
import type { Rig } from "./rig.ts"

const a = { id: "a", queue }
const empty: Stored = { record: undefined, progress: undefined, attempts: [] }

/** What is stored; whether the message lives has a test of its own. */
const stored = ({ attempts, progress, record }: Stored): Stored => ({ record, progress, attempts })

const commit = (at: Rig, value: string, id = "a", life = ttl) =>
  Records.commit(at.store.records, at.now, [{ id, queue, value, ttl: life }])[0]
const read = (at: Rig, id = "a") => stored(Records.read(at.store.records, at.now, [{ id, queue }])[0]!)
const watch = (at: Rig, client: string, interest: Interest, id = "a") =>
  stored(Records.watch(at.store.records, at.now, client, [{ id, queue }], interest)[0]!)
/** What clients were told since the last call: the client and the address. */
const told = (at: Rig) => at.pushes.splice(0).filter(([channel]) => channel.startsWith("reply:"))
const toldTo = (client: string, id = "a") => [`reply:${client}`, JSON.stringify([id, queue])] as const

/** A message "a" that "w" holds. */
const held = () => {
  const at = rig()
  at.register("w", "w2")
  at.publish(["a"])
  return { at, delivery: at.claim("w")[0]! }
}

describe("records", () => {
  it("the first commit wins, while it lives", () => {
    const at = rig()
    assert.strictEqual(commit(at, "first"), "committed")
    assert.strictEqual(commit(at, "second"), "lost")
    at.now += ttl - 1
    assert.strictEqual(commit(at, "third"), "lost")
    assert.strictEqual(at.record("a"), "first")
    at.now += 1
    assert.isUndefined(at.record("a"))
    assert.strictEqual(commit(at, "fourth"), "committed")
    assert.strictEqual(at.record("a"), "fourth")
  })

  it("an expired one does not block a commit that nobody has read before", () => {
    const at = rig()
    commit(at, "first")
    at.now += ttl
    assert.strictEqual(commit(at, "second"), "committed")
  })

  it("ids are unique per queue", () => {
    const at = rig()
    const other = { id: "a", queue: "other" }
    assert.deepStrictEqual(
      Records.commit(at.store.records, at.now, [
        { ...a, value: "here", ttl },
        { ...other, value: "there", ttl }
      ]),
      ["committed", "committed"]
    )
    assert.deepStrictEqual(
      Records.read(at.store.records, at.now, [other, a, { id: "a", queue: "unknown" }]).map(({ record }) => record),
      ["there", "here", undefined]
    )
  })

  it("leave the memory after their time, while others come", () => {
    const at = rig()
    at.register("w")
    for (let index = 0; index < 1_000; index++) commit(at, "old", `old ${index}`)
    commit(at, "long", "long", 10 * ttl)
    const { notes, records } = at.store.records.shelves.get(queue)!
    at.now += ttl
    for (let index = 0; index < 1_100; index++) {
      at.publish([`young ${index}`])
      at.settle("w", at.claim("w"), ackWith("young"))
    }
    assert.strictEqual(records.size, 1_101)
    assert.strictEqual(at.record("long"), "long")
    assert.strictEqual(notes.size, 0)
  })

  it("leave the memory in queues that nobody uses any more, too", () => {
    const at = rig()
    for (let index = 0; index < 100; index++) {
      Records.commit(at.store.records, at.now, [{ id: "x", queue: `queue ${index}`, value: "x", ttl }])
    }
    at.now += ttl
    for (let index = 0; index < 120; index++) commit(at, "young", `young ${index}`)
    const left = Array.from(at.store.records.shelves.values()).filter(({ records }) => records.size > 0)
    assert.deepStrictEqual(
      left.map((shelf) => shelf.queue),
      [queue]
    )
  })
})

describe("forget", () => {
  const forget = (at: Rig, tombstone?: string) =>
    Records.forget(at.store.records, at.now, [a], tombstone === undefined ? undefined : { value: tombstone, ttl })

  it("removes a record, or puts a tombstone in its place", () => {
    for (const tombstone of [undefined, "tombstone"]) {
      const at = rig()
      commit(at, "done")
      at.now += 10
      forget(at, tombstone)
      assert.strictEqual(at.record("a"), tombstone)
      assert.deepStrictEqual(at.publish([{ id: "a", checked: true }]), [tombstone ? "duplicate" : "accepted"])
      at.now += ttl
      assert.isUndefined(at.record("a"))
    }
  })

  it("leaves a message alone that has not ended, except for its notes", () => {
    const { at, delivery } = held()
    at.note(delivery, "w", "half")
    forget(at, "tombstone")
    assert.deepStrictEqual(read(at), empty)
    assert.deepStrictEqual(at.settle("w", [delivery], ackWith("done")), ["settled"])
    assert.strictEqual(at.record("a"), "done")
  })

  it("makes no tombstone of an expired record", () => {
    const at = rig()
    commit(at, "done")
    at.now += ttl
    forget(at, "tombstone")
    assert.isUndefined(at.record("a"))
  })
})

describe("notes", () => {
  it("the latest progress, and the last attempts", () => {
    const { at, delivery } = held()
    for (const value of ["10 %", "20 %"]) assert.strictEqual(at.note(delivery, "w", value), "noted")
    const attempts = Array.from({ length: maxAttemptNotes + 3 }, (_, index) => `attempt ${index}`)
    for (const value of attempts) assert.strictEqual(at.note(delivery, "w", value, "attempt"), "noted")
    assert.deepStrictEqual(read(at), { record: undefined, progress: "20 %", attempts: attempts.slice(3) })
  })

  it("go when the record comes", () => {
    const { at, delivery } = held()
    at.note(delivery, "w", "half")
    at.settle("w", [delivery], ackWith("done"))
    assert.deepStrictEqual(read(at), { ...empty, record: "done" })
    assert.strictEqual(at.note(delivery, "w", "late"), "refused")
    at.now += ttl
    assert.deepStrictEqual(read(at), empty)
  })

  it("go one by one when their time is up", () => {
    const { at, delivery } = held()
    at.note(delivery, "w", "first", "attempt")
    at.now += 10
    at.note(delivery, "w", "second", "attempt")
    at.note(delivery, "w", "half")
    at.now += ttl - 10
    assert.deepStrictEqual(read(at), { ...empty, progress: "half", attempts: ["second"] })
    at.now += 10
    assert.deepStrictEqual(read(at), empty)
    assert.strictEqual(at.store.records.shelves.get(queue)!.notes.size, 0)
  })

  it("leave the memory after their time, while others come", () => {
    const at = rig()
    const note = (id: string) =>
      Records.annotate(at.store.records, Records.shelfOf(at.store.records, queue), at.now, {
        id,
        kind: "progress",
        fence: 1,
        value: "half",
        ttl
      })
    for (let index = 0; index < 100; index++) note(`old ${index}`)
    at.now += ttl
    for (let index = 0; index < 120; index++) note(`young ${index}`)
    assert.strictEqual(at.store.records.shelves.get(queue)!.notes.size, 120)
  })

  const losses: Record<string, (at: Rig, note: Note) => Note> = {
    "of a stranger": (_at, note) => ({ ...note, consumer: "w2" }),
    "with a fence that was never given": (_at, note) => ({ ...note, fence: note.fence + 1 }),
    "of who let it go": (at, note) => {
      at.settle("w", at.heldBy("w"), release)
      return note
    },
    "about an earlier delivery to the same consumer": (at, note) => {
      at.settle("w", at.heldBy("w"), release)
      at.claim("w")
      return note
    },
    "after a revocation": (at, note) => {
      at.end("a")
      return note
    },
    "after a record": (at, note) => {
      commit(at, "done")
      return note
    },
    "about what never was": (_at, note) => ({ ...note, id: "b" })
  }
  for (const [loss, lose] of Object.entries(losses)) {
    it(`${loss} are refused`, () => {
      const { at, delivery } = held()
      const note = lose(at, { ...a, kind: "progress", consumer: "w", fence: delivery.fence, value: "half", ttl })
      assert.strictEqual(at.note({ ...delivery, ...note }, note.consumer, "half"), "refused")
      assert.deepStrictEqual(read(at, note.id).progress, undefined)
    })
  }

  it("of a consumer whose messages are being given back are refused", () => {
    const { at, delivery } = held()
    at.store.queues.get(queue)!.consumers.get("w")!.leaseEnd = -1
    assert.strictEqual(at.note(delivery, "w", "half"), "refused")
  })

  it("with a lower fence than one before are refused, where the queue lives elsewhere", () => {
    const at = rig()
    const note = (fence: number) => at.note({ id: "a", queue, fence, wire: "", crashes: 0 }, "anybody", `by ${fence}`)
    assert.deepStrictEqual(
      [note(3), note(2), note(3), note(5), note(3)],
      ["noted", "refused", "noted", "noted", "refused"]
    )
    assert.strictEqual(read(at).progress, "by 5")
    commit(at, "done")
    assert.strictEqual(note(9), "refused")
  })
})

describe("watch", () => {
  it("registers and reads in one step", () => {
    const { at, delivery } = held()
    at.note(delivery, "w", "half")
    assert.deepStrictEqual(watch(at, "c", "end"), { ...empty, progress: "half" })
    at.settle("w", [delivery], ackWith("done"))
    assert.deepStrictEqual(told(at), [toldTo("c")])
    assert.deepStrictEqual(watch(at, "c", "end"), { ...empty, record: "done" })
    assert.strictEqual(at.store.records.shelves.get(queue)!.watched.size, 0)
  })

  const ends: Record<string, (at: Rig) => void> = {
    "an ack with a record": (at) => at.settle("w", at.heldBy("w"), ackWith("done")),
    "an ack without one": (at) => at.settle("w", at.heldBy("w"), ack),
    "a commit": (at) => commit(at, "done"),
    "a revocation with a record": (at) => at.end("a", { record: "revoked" }),
    "a revocation without one": (at) => at.end("a")
  }
  for (const [name, bring] of Object.entries(ends)) {
    it(`all are told once of ${name}`, () => {
      const { at } = held()
      watch(at, "c1", "end")
      watch(at, "c2", "changes")
      watch(at, "c3", "end", "b")
      bring(at)
      assert.deepStrictEqual(told(at), [toldTo("c1"), toldTo("c2")])
      bring(at)
      assert.deepStrictEqual(told(at), [])
    })
  }

  const changes: Record<string, (at: Rig) => void> = {
    "a delivery": (at) => {
      at.settle("w", at.heldBy("w"), release)
      told(at)
      at.claim("w2")
    },
    progress: (at) => at.note(at.heldBy("w")[0]!, "w", "half"),
    "a retry": (at) =>
      at.settle("w", at.heldBy("w"), { _tag: "Reschedule", wire: wire(5), delay: 10, to: "tail", ran: true }),
    "a retry with a note": (at) =>
      at.settle("w", at.heldBy("w"), {
        _tag: "Reschedule",
        wire: wire(5),
        delay: 10,
        to: "tail",
        ran: true,
        note: { value: "failed", ttl }
      })
  }
  for (const [name, bring] of Object.entries(changes)) {
    it(`those who want every change are told once of ${name}, and go on watching`, () => {
      const { at } = held()
      watch(at, "c1", "end")
      watch(at, "c2", "changes")
      bring(at)
      assert.deepStrictEqual(told(at), [toldTo("c2")])
      commit(at, "done")
      assert.deepStrictEqual(told(at), [toldTo("c1"), toldTo("c2")])
    })
  }

  it("who watches every change goes on so when the end is asked for as well", () => {
    const { at, delivery } = held()
    watch(at, "c", "changes")
    watch(at, "c", "end")
    at.note(delivery, "w", "half")
    assert.deepStrictEqual(told(at), [toldTo("c")])
    watch(at, "c2", "end")
    watch(at, "c2", "changes")
    at.note(delivery, "w", "more")
    assert.deepStrictEqual(told(at), [toldTo("c"), toldTo("c2")])
  })

  it("who unwatches is told no more, and leaves nothing behind", () => {
    const { at } = held()
    watch(at, "c1", "end")
    watch(at, "c2", "end")
    const unwatch = (client: string) => Records.unwatch(at.store.records, client, [a, { id: "b", queue: "unknown" }])
    unwatch("c1")
    unwatch("c1")
    commit(at, "done")
    assert.deepStrictEqual(told(at), [toldTo("c2")])
    watch(at, "c1", "end", "b")
    Records.unwatch(at.store.records, "c1", [{ id: "b", queue }])
    assert.strictEqual(at.store.records.shelves.get(queue)!.watched.size, 0)
  })

  it("a client that does not ask again is forgotten, one that does is not", () => {
    const { at } = held()
    const dead = Array.from({ length: 500 }, (_, index) => `m${index}`)
    for (const id of dead) watch(at, "dead", "end", id)
    watch(at, "lives", "end")
    for (let turn = 0; turn < 20; turn++) {
      at.now += watchFor / 10
      for (let count = 0; count < 50; count++) watch(at, "lives", "end")
    }
    assert.deepStrictEqual(Array.from(at.store.records.shelves.get(queue)!.watched.keys()), ["a"])
    commit(at, "done")
    assert.deepStrictEqual(told(at), [toldTo("lives")])
  })
})

describe("whether a message lives", () => {
  const lives = (at: Rig, id = "a") => Records.read(at.store.records, at.now, [{ id, queue }])[0]!.live

  it("is told by the store that holds the queue", () => {
    const { at, delivery } = held()
    assert.strictEqual(lives(at), true)
    assert.strictEqual(Records.watch(at.store.records, at.now, "c", [a], "end")[0]!.live, true)
    assert.strictEqual(lives(at, "unknown"), false)
    at.settle("w", [delivery], ackWith("done"))
    assert.strictEqual(lives(at), false)
  })

  it("is not known to a store of results alone", () => {
    const at = rig()
    commit(at, "done")
    assert.isUndefined(lives(at))
  })
})

describe("a tombstone", () => {
  const lasting = { value: "done", ttl: 5, tombstone: { value: "gone", ttl: 20 } }

  it("takes the place of a value whose time is over, also in memory, and goes in its turn", () => {
    const at = rig()
    at.publish(["q"])
    Records.commit(at.store.records, at.now, [{ ...a, ...lasting }])
    const kept = at.store.records.shelves.get(queue)!.records
    assert.strictEqual(at.record("a"), "done")
    assert.deepInclude(at.locate("a"), { record: "done", ttl: 20 })
    at.now += 5
    // by the sweep that comes with other writes, not by a look
    commit(at, "x", "b")
    assert.strictEqual(kept.get("a")!.value, "gone")
    assert.deepInclude(at.locate("a"), { record: "gone", ttl: 15 })
    assert.strictEqual(commit(at, "again"), "lost")
    at.now += 15
    assert.isUndefined(at.record("a"))
    assert.isFalse(kept.has("a"))
    assert.strictEqual(commit(at, "again"), "committed")
  })

  it("is not missed by who looks long after its end", () => {
    const at = rig()
    Records.commit(at.store.records, at.now, [{ ...a, ...lasting }])
    at.now += 20
    assert.isUndefined(at.record("a"))
  })
})
