import { assert, describe, it } from "@effect/vitest"
import * as Store from "../../src/memory/Store.ts"
import { ids, lease, release, rig, wire } from "./rig.ts"

describe("claim: order", () => {
  it("takes the highest priority first, and the oldest of it", () => {
    const at = rig()
    at.register("w")
    at.publish([5, 0, 9, 5, 9, 1].map((priority, index) => ({ id: `${index}-${priority}`, wire: wire(priority) })))
    assert.deepStrictEqual(ids(at.claim("w", 4)), ["2-9", "4-9", "0-5", "3-5"])
    assert.deepStrictEqual(ids(at.claim("w", 4)), ["5-1", "1-0"])
  })

  const garbage = ["", "1", "1x{}", "1:", "1/", "\u{1f96c}\u{1f96c}"]
  for (const text of garbage) {
    it(`gives garbage at priority 5: ${JSON.stringify(text)}`, () => {
      const at = rig()
      at.register("w")
      at.publish([
        { id: "low", wire: wire(4) },
        { id: "garbage", wire: text },
        { id: "high", wire: wire(6) }
      ])
      assert.deepStrictEqual(ids(at.claim("w", 9)), ["high", "garbage", "low"])
    })
  }

  it("gives what is due, after what was ready, in the order of due times", () => {
    const at = rig()
    at.register("w")
    at.publish([
      { id: "in 3", delay: 3 },
      { id: "in 1", delay: 1 },
      { id: "later", at: at.now + 4 },
      { id: "in 3 too", delay: 1_000, at: at.now + 3 },
      { id: "past", at: at.now - 1 },
      { id: "now", delay: 0 }
    ])
    assert.deepStrictEqual(at.counts(), [2, 4, 0])
    at.now += 3
    assert.deepStrictEqual(ids(at.claim("w", 9)), ["past", "now", "in 1", "in 3", "in 3 too"])
    assert.deepStrictEqual(at.counts(), [0, 1, 5])
  })

  it("finds one message among 100 000 scheduled and revoked ones", () => {
    const at = rig()
    at.register("w")
    for (let batch = 0; batch < 100; batch++) {
      at.publish(Array.from({ length: 1_000 }, (_, index) => ({ id: `${batch}/${index}`, delay: 1 + batch })))
    }
    for (let batch = 0; batch < 100; batch++) {
      for (let index = 0; index < 1_000; index++) if (batch !== 77 || index !== 7) at.end(`${batch}/${index}`)
    }
    assert.deepStrictEqual(at.counts(), [0, 1, 0])
    at.now += 100
    assert.deepStrictEqual(ids(at.claim("w", 9)), ["77/7"])
  })

  it("makes a bounded number of due ones ready in one claim", () => {
    const at = rig()
    at.register("w")
    at.publish(Array.from({ length: 1_000 }, (_, index) => ({ id: `${index}`, delay: 1 })))
    at.now += 1
    at.claim("w", 1)
    assert.deepStrictEqual(at.counts(), [199, 800, 1])
    at.claim("w", 300)
    assert.deepStrictEqual(at.counts(), [199, 500, 301])
  })
})

describe("claim: limits", () => {
  const sizes = [10, 20, 30, 40]
  const cases: ReadonlyArray<readonly [count: number, bytes: number, given: number]> = [
    [0, 1_000, 0],
    [2, 1_000, 2],
    [9, 1_000, 4],
    [9, 1, 1],
    [9, 10, 1],
    [9, 11, 2],
    [9, 30, 2],
    [9, 31, 3],
    [9, 60, 3],
    [1, 1, 1]
  ]
  for (const [count, bytes, given] of cases) {
    it(`${count} messages, ${bytes} characters: ${given} of ${sizes.join(", ")}`, () => {
      const at = rig()
      at.register("w")
      at.publish(sizes.map((size) => ({ id: `${size}`, wire: wire(5).padEnd(size, "x") })))
      assert.lengthOf(at.claim("w", count, { bytes }), given)
    })
  }

  it("a consumer that is not registered gets nothing", () => {
    const at = rig()
    at.publish(["a"])
    assert.isUndefined(Store.claim(at.store, at.now, "w", { queue: "q", count: 1, bytes: 1 }))
    at.register("w")
    assert.isUndefined(Store.claim(at.store, at.now, "w", { queue: "elsewhere", count: 1, bytes: 1 }))
    assert.isFalse(at.store.queues.has("elsewhere"))
    assert.deepStrictEqual(at.counts(), [1, 0, 0])
  })

  it("a claim that is carried out twice takes others", () => {
    const at = rig()
    at.register("w")
    at.publish(["a", "b"])
    assert.deepStrictEqual([...ids(at.claim("w")), ...ids(at.claim("w")), ...ids(at.claim("w"))], ["a", "b"])
  })
})

describe("claim: fences", () => {
  it("grow with each claim, and with each delivery of a message", () => {
    const at = rig()
    at.register("w", "w2")
    at.publish(["a", "b", "c"])
    const [a, b] = at.claim("w", 2)
    const [c] = at.claim("w2", 2)
    assert.strictEqual(a!.fence, b!.fence)
    assert.isAbove(c!.fence, a!.fence)
    at.settle("w", [a!], release)
    const [again] = at.claim("w2", 1)
    assert.strictEqual(again!.id, "a")
    assert.isAbove(again!.fence, c!.fence)
  })
})

describe("claim: messages that crashed their workers", () => {
  /** Messages whose deliveries have crashed so often, with two live consumers. */
  const crashed = (times: number, ...messages: ReadonlyArray<string>) => {
    const at = rig()
    at.publish(messages)
    for (let time = 0; time < times; time++) {
      at.register(`dead ${time}`)
      if (time < 2) at.claim(`dead ${time}`, messages.length)
      else for (const _ of messages) at.claim(`dead ${time}`, 1, { alone: true })
      at.crash(`dead ${time}`)
    }
    at.register("w", "w2", "w3")
    return at
  }

  it("are given to anybody after one crash", () => {
    const at = crashed(1, "a")
    const { deliveries, suspect } = at.ask("w", 5)
    assert.deepStrictEqual([ids(deliveries), suspect], [["a"], false])
    assert.strictEqual(deliveries[0]!.crashes, 1)
  })

  it("are given to who claims alone after two, one at a time", () => {
    const at = crashed(2, "a", "b")
    at.publish(["c", "d"])
    const first = at.ask("w", 1)
    assert.deepStrictEqual([ids(first.deliveries), first.suspect], [["c"], true])
    assert.deepStrictEqual(at.counts(), [3, 0, 1])
    const [a, ...rest] = at.claim("w", 9, { alone: true })
    assert.deepStrictEqual([a!.id, a!.crashes, rest], ["a", 2, []])
    assert.deepStrictEqual(ids(at.claim("w", 9, { alone: true })), ["b"])
    assert.deepStrictEqual(at.claim("w", 9, { alone: true }), [])
    assert.deepStrictEqual(ids(at.claim("w", 9)), ["d"])
  })

  it("stay suspects when they are released, retried or crash again", () => {
    const at = crashed(3, "a")
    assert.deepStrictEqual(at.claim("w", 9), [])
    const claims = at.claim("w", 9, { alone: true })
    assert.strictEqual(claims[0]!.crashes, 3)
    at.settle("w", claims, release)
    assert.deepStrictEqual(at.claim("w", 9), [])
    at.settle("w", at.claim("w", 9, { alone: true }), {
      _tag: "Reschedule",
      wire: wire(9),
      delay: 10,
      to: "tail",
      ran: true
    })
    at.now += 10
    assert.deepStrictEqual(at.claim("w", 9), [])
    assert.deepStrictEqual(ids(at.claim("w", 9, { alone: true })), ["a"])
  })

  it("are mentioned to one consumer at a time; ordinary claims go on", () => {
    const at = crashed(2, "a")
    at.publish(["b", "c"])
    assert.isTrue(at.ask("w", 1).suspect)
    const second = at.ask("w2", 1)
    assert.deepStrictEqual([ids(second.deliveries), second.suspect], [["c"], false])
    assert.isTrue(at.ask("w").suspect)
  })

  const endings: Record<string, (at: ReturnType<typeof crashed>) => void> = {
    "it claims alone": (at) => assert.lengthOf(at.claim("w", 1, { alone: true }), 1),
    "it passes them on": (at) => assert.lengthOf(at.claim("w", 0, { alone: true }), 0),
    "it closes": (at) => at.leave("w"),
    "it is recovered": (at) => at.crash("w"),
    "its lease has passed since": (at) => {
      at.now += lease
    }
  }
  for (const [ending, bring] of Object.entries(endings)) {
    it(`are mentioned to the next one when ${ending}`, () => {
      const at = crashed(2, "a", "b")
      at.now += 1
      assert.isTrue(at.ask("w").suspect)
      assert.isFalse(at.ask("w2").suspect)
      bring(at)
      assert.isTrue(at.ask("w2").suspect)
      assert.isFalse(at.ask("w3").suspect)
    })
  }

  it("one reservation stands for its whole lease", () => {
    const at = crashed(2, "a")
    assert.isTrue(at.ask("w").suspect)
    at.now += lease - 1
    assert.isFalse(at.ask("w2").suspect)
  })

  it("claiming alone without having been told takes one too, and leaves the other's reservation", () => {
    const at = crashed(2, "a", "b")
    assert.isTrue(at.ask("w").suspect)
    assert.deepStrictEqual(ids(at.claim("w2", 1, { alone: true })), ["a"])
    assert.isFalse(at.ask("w3").suspect)
    assert.isTrue(at.ask("w").suspect)
  })
})
