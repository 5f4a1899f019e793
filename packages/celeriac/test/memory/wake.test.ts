import { assert, describe, it } from "@effect/vitest"
import type { Delivery, Publication } from "../../src/Broker.ts"
import * as Leases from "../../src/memory/Leases.ts"
import * as Store from "../../src/memory/Store.ts"
import { ack, ids, lease, release, rig } from "./rig.ts"
import type { Rig } from "./rig.ts"

/** Consumers with so many free slots, all of them idle. */
const idle = (...free: ReadonlyArray<number>): Rig => {
  const at = rig()
  free.forEach((slots, index) => {
    at.register(`w${index}`)
    assert.strictEqual(at.ask(`w${index}`, slots).idle, index + 1)
  })
  return at
}

const messages = (count: number, name = "m"): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${name}${index}`)

describe("wake-up: who is told of new messages", () => {
  const cases: ReadonlyArray<readonly [free: ReadonlyArray<number>, added: number, woken: number]> = [
    [[], 3, 0],
    [[1], 0, 0],
    [[1], 1, 1],
    [[1, 1, 1], 1, 1],
    [[1, 1, 1], 2, 2],
    [[1, 1, 1], 9, 3],
    [[10, 10, 10], 10, 1],
    [[10, 10, 10], 11, 2],
    [[2, 5, 1], 7, 2]
  ]
  for (const [free, added, woken] of cases) {
    it(`idle with [${free.join(", ")}] free slots, ${added} messages: ${woken} woken`, () => {
      const at = idle(...free)
      at.publish(messages(added))
      assert.deepStrictEqual(at.woken(), messages(woken, "w"))
    })
  }

  it("names the queue", () => {
    const at = idle(1)
    at.publish(["a"])
    assert.deepStrictEqual(at.pushes, [["wake:w0", "q"]])
  })

  it("tells each consumer once: it is not idle until it claims again", () => {
    const at = idle(1, 1)
    for (const id of messages(5)) at.publish([id])
    assert.deepStrictEqual(at.woken(), ["w0", "w1"])
    at.claim("w0", 9)
    at.publish(["b"])
    assert.deepStrictEqual(at.woken(), ["w0"])
  })

  it("tells another one when a push reaches nobody", () => {
    const at = idle(1, 1, 1)
    at.deaf.add("w0")
    at.publish(["a"])
    assert.deepStrictEqual(at.woken(), ["w1"])
  })

  const additions: Record<string, (at: Rig, held: ReadonlyArray<Delivery>) => void> = {
    "a release": (at, held) => at.settle("owner", held, release),
    "a requeue": (at, held) => at.settle("owner", held, { _tag: "Reschedule", delay: 0, to: "tail", ran: true }),
    "a retry that falls due before what is watched": (at, held) =>
      at.settle("owner", held, { _tag: "Reschedule", delay: 10, to: "tail", ran: true }),
    "a recovery": (at) => at.crash("owner"),
    "a close": (at) => at.leave("owner"),
    "a continuation": (at, held) => at.settle("owner", held, ack, [{ id: "next", queue: "q", wire: "15" }]),
    "a continuation for another queue": (at, held) => {
      for (const consumer of ["x0", "x1"]) {
        Leases.register(at.store, at.now, "other", consumer, lease)
        assert(Store.claim(at.store, at.now, consumer, { queue: "other", count: 1, bytes: 1 }))
      }
      at.settle("owner", held, ack, [{ id: "next", queue: "other", wire: "15" }])
      assert.deepStrictEqual(at.pushes.splice(0), [["wake:x0", "other"]])
      at.publish(["z"])
    }
  }
  for (const [addition, add] of Object.entries(additions)) {
    it(`one is told of ${addition}`, () => {
      const at = rig()
      at.register("owner", "w0", "w1")
      at.publish(["a"])
      const held = at.claim("owner")
      at.claim("w0")
      at.claim("w1")
      assert.deepStrictEqual(at.woken(), [])
      add(at, held)
      assert.deepStrictEqual(at.woken(), ["w0"])
    })
  }

  it("a second copy of a batch tells nobody", () => {
    const at = idle(1, 1)
    at.publish(["a"], { sequence: 1 })
    at.publish(["a"], { sequence: 1, resend: true })
    assert.deepStrictEqual(at.woken(), ["w0"])
  })
})

describe("wake-up: who counts as idle", () => {
  it("not who got all that it asked for", () => {
    const at = rig()
    at.register("w0")
    at.publish(["a", "b"])
    assert.strictEqual(at.ask("w0", 2).idle, 0)
    at.publish(["c"])
    assert.deepStrictEqual(at.woken(), [])
  })

  it("not who was stopped by its limit of bytes", () => {
    const at = rig()
    at.register("w0")
    at.publish(["a", "b"])
    assert.strictEqual(at.ask("w0", 5, { bytes: 1 }).idle, 0)
    assert.deepStrictEqual(at.woken(), [])
  })

  it("not who asks for nothing", () => {
    const at = rig()
    at.register("w0")
    assert.strictEqual(at.ask("w0", 0).idle, 0)
  })

  it("not any more who claims again and is full, closes, or is recovered", () => {
    const ends: ReadonlyArray<(at: Rig) => void> = [
      (at) => {
        at.publish(["a"])
        at.claim("w0", 1)
      },
      (at) => at.leave("w0"),
      (at) => at.crash("w0")
    ]
    for (const bring of ends) {
      const at = idle(1)
      bring(at)
      at.woken()
      at.publish(["b"])
      assert.deepStrictEqual(at.woken(), [])
    }
  })

  it("with the slots that its last claim left free", () => {
    const at = idle(3, 9)
    at.publish(["a"])
    assert.deepStrictEqual(at.woken(), ["w0"])
    assert.lengthOf(at.claim("w0", 3), 1) // two are left, and it queues behind w1
    at.publish(messages(10, "x"))
    assert.deepStrictEqual(at.woken(), ["w1", "w0"])
  })

  it("a full claim tells the others of what it leaves", () => {
    const at = idle(1, 1, 1)
    at.publish(["a", "b", "c"].map((id) => ({ id, delay: 1 })))
    assert.deepStrictEqual(at.woken(), ["w0"])
    at.now += 1
    assert.deepStrictEqual(ids(at.claim("w0", 1)), ["a"])
    assert.deepStrictEqual(at.woken(), ["w1", "w2"])
  })

  it("a consumer that is woken while it is full passes the wake on by asking for nothing", () => {
    const at = idle(1, 1)
    at.publish(["a"])
    assert.deepStrictEqual(at.woken(), ["w0"])
    assert.deepStrictEqual(at.claim("w0", 0), [])
    assert.deepStrictEqual(at.woken(), ["w1"])
  })
})

describe("wake-up: scheduled messages", () => {
  const scheduled = (delay: number, id = `in ${delay}`): Partial<Publication> => ({ id, delay })

  it("one idle consumer is told of a due time, and watches it", () => {
    const at = idle(1, 1)
    at.publish([scheduled(1_000)])
    assert.deepStrictEqual(at.woken(), ["w0"])
    assert.strictEqual(at.ask("w0").dueIn, 1_000)
    assert.isUndefined(at.ask("w1").dueIn)
  })

  it("a later due time concerns nobody; an earlier one wakes one, who takes over", () => {
    const at = idle(1)
    at.publish([scheduled(1_000)])
    at.ask("w0")
    at.register("w1")
    assert.isUndefined(at.ask("w1").dueIn)
    at.woken()
    at.publish([scheduled(2_000)])
    assert.deepStrictEqual(at.woken(), [])
    at.publish([scheduled(500)])
    assert.deepStrictEqual(at.woken(), ["w0"])
    at.publish([scheduled(400)])
    assert.deepStrictEqual(at.woken(), ["w1"])
    assert.strictEqual(at.ask("w1").dueIn, 400)
    assert.isUndefined(at.ask("w0").dueIn)
  })

  it("who is busy does not watch", () => {
    const at = rig()
    at.register("w0")
    at.publish(["a", scheduled(100)])
    assert.isUndefined(at.ask("w0", 1).dueIn)
    assert.isUndefined(at.ask("w0", 0).dueIn)
    assert.strictEqual(at.ask("w0", 1).dueIn, 100)
  })

  it("a batch of due times wakes one", () => {
    const at = idle(1, 1, 1)
    at.publish([scheduled(3), scheduled(2), scheduled(1)])
    assert.deepStrictEqual(at.woken(), ["w0"])
  })

  it("who watches is told again of the time that is left, and of the next due time", () => {
    const at = idle(2)
    at.publish([scheduled(100), scheduled(300)])
    assert.strictEqual(at.ask("w0", 2).dueIn, 100)
    at.now += 40
    assert.strictEqual(at.ask("w0", 2).dueIn, 60)
    at.now += 60
    const claim = at.ask("w0", 2)
    assert.deepStrictEqual([ids(claim.deliveries), claim.dueIn], [["in 100"], 200])
  })

  it("who watches and finds nothing scheduled any more watches no more", () => {
    const at = idle(2)
    at.publish([scheduled(100)])
    at.ask("w0", 2)
    at.end("in 100")
    assert.isUndefined(at.ask("w0", 2).dueIn)
    assert.isUndefined(at.store.queues.get("q")!.alarm)
  })

  it("who watches keeps the duty while it is full, and passes it on when the time comes", () => {
    const at = idle(1, 1)
    at.publish([scheduled(100), scheduled(150)])
    at.ask("w0")
    at.publish(["a"])
    assert.deepStrictEqual(at.woken(), ["w0", "w1"])
    const full = at.ask("w0")
    assert.deepStrictEqual([ids(full.deliveries), full.dueIn], [["a"], 100])
    at.ask("w1")
    at.now += 100
    assert.strictEqual(at.ask("w0", 0).dueIn, 50)
    assert.deepStrictEqual(at.woken(), ["w1"])
    assert.deepStrictEqual(ids(at.claim("w1")), ["in 100"])
  })

  it("a duty that was not done passes to whoever asks, half a second later", () => {
    const at = idle(1, 1)
    at.publish([scheduled(100), scheduled(2_000)])
    assert.strictEqual(at.ask("w0", 1).dueIn, 100)
    at.end("in 100")
    at.now += 600
    assert.isUndefined(at.ask("w1", 1).dueIn)
    at.now += 1
    assert.strictEqual(at.ask("w1", 1).dueIn, 1_399)
  })

  it("a due time is told to another one when nobody came for the one before", () => {
    const at = idle(1, 1)
    at.publish([scheduled(100)])
    at.ask("w0")
    at.end("in 100")
    at.now += 601
    at.woken()
    at.publish([scheduled(900)])
    assert.deepStrictEqual(at.woken(), ["w1"])
  })

  for (const [ending, bring] of Object.entries<(at: Rig) => void>({
    closes: (at) => at.leave("w0"),
    "is recovered": (at) => at.crash("w0")
  })) {
    it(`another one is told when who watched ${ending}`, () => {
      const at = idle(1, 1)
      at.publish([scheduled(50_000)])
      at.ask("w0")
      at.woken()
      bring(at)
      assert.deepStrictEqual(at.woken(), ["w1"])
      assert.isDefined(at.ask("w1").dueIn)
    })
  }

  it("who takes the last due one and is full leaves the next due time to an idle one", () => {
    const at = idle(1, 1)
    at.publish([scheduled(100), scheduled(200)])
    at.ask("w0")
    at.woken()
    at.now += 100
    const full = at.ask("w0", 1)
    assert.deepStrictEqual(ids(full.deliveries), ["in 100"])
    const watchers = [full.dueIn === undefined ? [] : ["w0"], at.woken()].flat()
    assert.lengthOf(watchers, 1)
  })

  it("100 000 of them wake one consumer, and cost a claim nothing", () => {
    const at = idle(1, 1)
    for (let batch = 0; batch < 100; batch++) {
      at.publish(Array.from({ length: 1_000 }, (_, index) => scheduled(10_000 + batch, `${batch}/${index}`)))
      if (batch === 0) at.ask("w0")
    }
    assert.deepStrictEqual(at.woken(), ["w0"])
    assert.deepStrictEqual(at.counts(), [0, 100_000, 0])
    at.now += 10_000
    assert.lengthOf(at.claim("w0", 1), 1)
    assert.deepStrictEqual(at.counts(), [199, 99_800, 1])
    assert.deepStrictEqual(at.woken(), ["w1"])
  })
})

describe("wake-up: messages that crashed their workers", () => {
  const twice = (...suspects: ReadonlyArray<string>): Rig => {
    const at = rig()
    at.publish(suspects)
    for (const dead of ["dead", "dead 2"]) {
      at.register(dead)
      at.claim(dead, suspects.length)
      if (dead === "dead") at.crash(dead)
    }
    return at
  }

  it("one idle consumer is told, however many there are", () => {
    const at = twice("a", "b", "c")
    at.register("w0", "w1")
    at.claim("w0")
    at.claim("w1")
    at.crash("dead 2")
    assert.deepStrictEqual(at.woken(), ["w0"])
  })

  it("the next one is told when one was claimed, or when who was told goes", () => {
    for (const bring of [
      (at: Rig) => assert.lengthOf(at.claim("w0", 1, { alone: true }), 1),
      (at: Rig) => at.leave("w0"),
      (at: Rig) => at.crash("w0")
    ]) {
      const at = twice("a", "b")
      at.register("w0", "w1")
      at.crash("dead 2")
      const told = at.ask("w0")
      assert.deepStrictEqual([told.suspect, told.idle], [true, 0])
      assert.deepStrictEqual([at.ask("w1").suspect, at.ask("w1").idle], [false, 1])
      assert.deepStrictEqual(at.woken(), [])
      bring(at)
      assert.deepStrictEqual(at.woken(), ["w1"])
    }
  })
})
