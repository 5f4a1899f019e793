import { assert, describe, it } from "@effect/vitest"
import type { Batch, Publication } from "../../src/Broker.ts"
import * as Publishers from "../../src/memory/Publishers.ts"
import { ackWith, ids, rig, ttl } from "./rig.ts"
import type { Rig } from "./rig.ts"

/** Brings an id into a state of life. */
const places: Record<string, (at: Rig) => void> = {
  waiting: (at) => at.publish(["a"]),
  scheduled: (at) => at.publish([{ id: "a", delay: 5_000 }]),
  held: (at) => {
    at.publish(["a"])
    at.claim("w")
  },
  "revoked and still held": (at) => {
    at.publish(["a"])
    at.claim("w")
    at.end("a")
  },
  "ended with a record": (at) => {
    at.publish(["a"])
    at.settle("w", at.claim("w"), ackWith("done"))
  },
  "ended without a record": (at) => {
    at.publish(["a"])
    at.settle("w", at.claim("w"))
  },
  "ended, its record expired": (at) => {
    at.publish(["a"])
    at.settle("w", at.claim("w"), ackWith("done"))
    at.now += ttl
  },
  unknown: () => {}
}

const kinds: Record<string, { readonly message: Partial<Publication>; readonly batch: Partial<Batch> }> = {
  unchecked: { message: {}, batch: { resend: false } },
  checked: { message: { checked: true }, batch: { resend: false } },
  "unchecked, sent again": { message: {}, batch: { resend: true } },
  "checked, sent again": { message: { checked: true }, batch: { resend: true } }
}

describe("publish: an id that is in use", () => {
  const a = "accepted"
  const d = "duplicate"
  // receipt, and whether a second message came into being, by kind of publication in the order of `kinds`
  const table: Record<string, ReadonlyArray<readonly [string, made: boolean]>> = {
    waiting: [
      [d, false],
      [d, false],
      [a, false],
      [d, false]
    ],
    scheduled: [
      [d, false],
      [d, false],
      [a, false],
      [d, false]
    ],
    held: [
      [d, false],
      [d, false],
      [a, false],
      [d, false]
    ],
    "revoked and still held": [
      [d, false],
      [d, false],
      [a, false],
      [d, false]
    ],
    "ended with a record": [
      [a, true],
      [d, false],
      [a, false],
      [d, false]
    ],
    "ended without a record": [
      [a, true],
      [a, true],
      [a, true],
      [a, true]
    ],
    "ended, its record expired": [
      [a, true],
      [a, true],
      [a, true],
      [a, true]
    ],
    unknown: [
      [a, true],
      [a, true],
      [a, true],
      [a, true]
    ]
  }
  for (const [place, rows] of Object.entries(table)) {
    for (const [row, [kind, { batch, message }]] of Object.entries(kinds).entries()) {
      it(`${place}: ${kind}`, () => {
        const at = rig()
        at.register("w")
        places[place]!(at)
        const before = at.store.queues.get("q")!.live.size
        const [receipt, made] = rows[row]!
        assert.deepStrictEqual(at.publish([{ id: "a", ...message }], batch), [receipt])
        assert.strictEqual(at.store.queues.get("q")!.live.size - before, made ? 1 : 0)
      })
    }
  }

  it("is in use within its own batch too", () => {
    const at = rig()
    assert.deepStrictEqual(at.publish(["a", "b", "a"]), ["accepted", "accepted", "duplicate"])
    assert.deepStrictEqual(at.counts(), [2, 0, 0])
  })

  it("never replaces a waiting message", () => {
    const at = rig()
    at.register("w")
    at.publish([{ id: "a", wire: "15first" }])
    at.publish([{ id: "a", wire: "19second" }])
    assert.deepStrictEqual(
      at.claim("w", 5).map(({ wire }) => wire),
      ["15first"]
    )
  })

  it("is free per queue, not per broker", () => {
    const at = rig()
    at.publish(["a"])
    assert.isUndefined(at.store.queues.get("other"))
    assert.strictEqual(at.end("a"), "ended")
  })
})

describe("publish: batches that are sent again", () => {
  it("gives the first answer, and does nothing", () => {
    const at = rig()
    at.register("w")
    at.publish([{ id: "b" }], { sequence: 1 })
    const first = at.publish(["a", "b"], { sequence: 2 })
    assert.deepStrictEqual(first, ["accepted", "duplicate"])
    at.settle("w", at.claim("w", 5))
    for (const resend of [true, false]) {
      assert.deepStrictEqual(at.publish(["a", "b"], { sequence: 2, resend }), first)
      assert.deepStrictEqual(at.counts(), [0, 0, 0])
    }
  })

  it("remembers the last answers of each publisher", () => {
    const at = rig()
    const batches = Publishers.remembered + 1
    for (const publisher of ["p", "p2"]) {
      for (let sequence = 1; sequence <= batches; sequence++) {
        at.publish([`${publisher}-${sequence}`], { publisher, sequence })
      }
    }
    for (const publisher of ["p", "p2"]) {
      for (let sequence = 1; sequence <= batches; sequence++) {
        assert.deepStrictEqual(
          at.publish(["never seen"], { publisher, sequence }),
          [sequence === 1 ? "duplicate" : "accepted"],
          `batch ${sequence} of ${publisher}`
        )
      }
    }
    assert.deepStrictEqual(at.counts(), [2 * batches, 0, 0])
  })

  it("a late first copy does nothing after the batch was sent again", () => {
    const at = rig()
    at.register("w")
    // the first copy is under way; the second one is carried out, and its message ends
    assert.deepStrictEqual(at.publish(["a"], { sequence: 1, resend: true }), ["accepted"])
    at.settle("w", at.claim("w"))
    at.publish(["b"], { sequence: 2 })
    at.publish(["a"], { sequence: 1, resend: false })
    assert.deepStrictEqual(ids(at.claim("w", 5)), ["b"])
  })

  it("a late first copy does nothing when its answer is forgotten", () => {
    const at = rig()
    at.register("w")
    at.publish(["a"], { sequence: 1, resend: true })
    at.settle("w", at.claim("w"))
    for (let sequence = 2; sequence < 2 + Publishers.remembered; sequence++) at.publish([], { sequence })
    assert.deepStrictEqual(at.publish(["a"], { sequence: 1, resend: false }), ["duplicate"])
    assert.deepStrictEqual(at.counts(), [0, 0, 0])
  })

  it("a late first copy does nothing after an older batch was sent again", () => {
    const at = rig()
    at.register("w")
    const last = 2 + Publishers.remembered
    at.publish(["a"], { sequence: 2 })
    at.settle("w", at.claim("w"))
    for (let sequence = 3; sequence <= last; sequence++) at.publish([], { sequence })
    at.publish(["lost"], { sequence: 1, resend: true })
    assert.deepStrictEqual(at.publish(["a"], { sequence: 2 }), ["duplicate"])
    assert.deepStrictEqual(ids(at.claim("w", 9)), ["lost"])
  })

  it("a batch that was lost is carried out when it is sent again, also after younger ones", () => {
    const at = rig()
    at.publish(["b"], { sequence: 2 })
    assert.deepStrictEqual(at.publish(["a"], { sequence: 1, resend: true }), ["accepted"])
    assert.deepStrictEqual(at.publish(["a"], { sequence: 1, resend: true }), ["accepted"])
    assert.deepStrictEqual(at.counts(), [2, 0, 0])
  })

  it("forgets publishers an hour after their last batch, a few with each new one", () => {
    const at = rig()
    const known = () => at.store.queues.get("q")!.publishers.byName.size
    for (let index = 0; index < 100; index++) at.publish([], { publisher: `old ${index}`, sequence: 1 })
    at.now += Publishers.known - 1
    at.publish([], { publisher: "old 7", sequence: 2 })
    at.now += 1
    at.publish(["x"], { publisher: "old 7", sequence: 2 }) // still known
    assert.deepStrictEqual(at.counts(), [0, 0, 0])
    for (let index = 0; index < 60; index++) at.publish([], { publisher: `young ${index}`, sequence: 1 })
    assert.strictEqual(known(), 61)
    assert.isTrue(at.store.queues.get("q")!.publishers.byName.has("old 7"))
  })
})
