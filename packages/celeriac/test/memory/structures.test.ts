import { assert, describe, it } from "@effect/vitest"
import { DueHeap } from "../../src/memory/DueHeap.ts"
import { LinkedList } from "../../src/memory/LinkedList.ts"
import type { Linked } from "../../src/memory/LinkedList.ts"
import { Ring } from "../../src/memory/Ring.ts"
import { Sweeper } from "../../src/memory/Sweeper.ts"
import { dice } from "./dice.ts"

interface Item extends Linked<Item> {
  readonly name: string
}

const item = (name: string): Item => ({ name, list: undefined, previous: undefined, next: undefined })

const forwards = (list: LinkedList<Item>): ReadonlyArray<Item> => {
  const items: Array<Item> = []
  for (let at = list.head; at !== undefined; at = at.next) items.push(at)
  return items
}

const backwards = (list: LinkedList<Item>): ReadonlyArray<Item> => {
  const items: Array<Item> = []
  for (let at = list.tail; at !== undefined; at = at.previous) items.push(at)
  return items
}

describe("LinkedList", () => {
  it("agrees with an array, both ways, whatever is done to it", () => {
    const roll = dice(1)
    const list = new LinkedList<Item>()
    const model: Array<Item> = []
    for (let step = 0; step < 5_000; step++) {
      const move = roll(4)
      if (move === 0) {
        const fresh = item(`tail ${step}`)
        list.pushTail(fresh)
        model.push(fresh)
      } else if (move === 1) {
        const fresh = item(`head ${step}`)
        list.pushHead(fresh)
        model.unshift(fresh)
      } else if (move === 2) assert.strictEqual(list.shift(), model.shift())
      else if (model.length > 0) {
        const [gone] = model.splice(roll(model.length), 1)
        list.remove(gone!)
        assert.isUndefined(gone!.list)
      }
      assert.strictEqual(list.size, model.length)
      if (step % 50 === 0) {
        assert.deepStrictEqual(
          forwards(list).map(({ name }) => name),
          model.map(({ name }) => name)
        )
        assert.deepStrictEqual(
          backwards(list).map(({ name }) => name),
          model.map(({ name }) => name).toReversed()
        )
      }
    }
  })
})

describe("DueHeap", () => {
  it("gives the earliest first, equal times in the order of arrival, whatever was removed between", () => {
    const roll = dice(2)
    const heap = new DueHeap<number>()
    const nodes = new Map(Array.from({ length: 2_000 }, (_, value) => [value, heap.add(roll(300), value)] as const))
    for (let step = 0; step < 900; step++) {
      const value = roll(2_000)
      const node = nodes.get(value)
      if (node === undefined) continue
      heap.remove(node)
      nodes.delete(value)
      if (step % 3 === 0) nodes.set(10_000 + step, heap.add(roll(300), 10_000 + step))
    }
    const expected = Array.from(nodes.values())
      .toSorted((left, right) => left.time - right.time || left.order - right.order)
      .map(({ value }) => value)
    assert.isAbove(expected.length, 1_000)
    const drained: Array<number> = []
    for (let node = heap.peek(); node !== undefined; node = heap.peek()) {
      drained.push(node.value)
      heap.remove(node)
    }
    assert.deepStrictEqual(drained, expected)
  })

  it("lists those whose time has come, and no more than asked", () => {
    const heap = new DueHeap<number>()
    for (let time = 100; time > 0; time--) heap.add(time, time)
    const { next, values } = heap.upTo(3, 10)
    assert.deepStrictEqual([new Set(values), next], [new Set([1, 2, 3]), 4])
    assert.deepStrictEqual(heap.upTo(0, 10), { values: [], next: 1 })
    assert.deepStrictEqual(new Set(heap.upTo(1000, 100).values).size, 100)
    assert.isUndefined(heap.upTo(1000, 100).next)
    assert.strictEqual(heap.size, 100)
  })

  it("says which comes first of those that it does not list", () => {
    const roll = dice(3)
    const heap = new DueHeap<number>()
    const times = Array.from({ length: 300 }, () => roll(50))
    for (const time of times) heap.add(time, time)
    for (const [now, limit] of [
      [10, 1000],
      [25, 3],
      [49, 40],
      [100, 299],
      [0, 0]
    ] as const) {
      const { next, values } = heap.upTo(now, limit)
      const left = times.toSorted((one, other) => one - other)
      for (const value of values) left.splice(left.indexOf(value), 1)
      assert.strictEqual(next, left[0])
      assert.isAtMost(values.length, limit)
      assert.isTrue(values.every((value) => value <= now))
    }
  })
})

describe("Ring", () => {
  it("keeps the last ones and counts those that gave way", () => {
    const ring = new Ring<number>(3)
    assert.deepStrictEqual(ring.newest(5), [])
    for (const value of [1, 2, 3, 4, 5]) ring.push(value)
    assert.deepStrictEqual(ring.newest(5), [5, 4, 3])
    assert.deepStrictEqual(ring.newest(2), [5, 4])
    assert.deepStrictEqual([ring.size, ring.dropped], [3, 2])
    for (let value = 6; value < 100; value++) ring.push(value)
    assert.deepStrictEqual([ring.newest(5), ring.size, ring.dropped], [[99, 98, 97], 3, 96])
  })

  it("keeps to a weight: the oldest go first, the newest stays", () => {
    const ring = new Ring<number>(10, 9, (weight) => weight)
    const seen = [3, 3, 3, 4, 1, 20, 5, 4].map((weight) => {
      ring.push(weight)
      return ring.newest(9)
    })
    assert.deepStrictEqual(seen, [[3], [3, 3], [3, 3, 3], [4, 3], [1, 4, 3], [20], [5], [4, 5]])
    assert.deepStrictEqual([ring.size, ring.dropped], [2, 6])
  })
})

describe("Sweeper", () => {
  it("comes round to everything, at the pace that is asked for, while the collection changes", () => {
    const items = new Map(Array.from({ length: 10 }, (_, key) => [key, key] as const))
    const visited: Array<number> = []
    const sweeper = new Sweeper(
      () => items.values(),
      (key) => {
        visited.push(key)
        if (key % 2 === 0) items.delete(key)
      }
    )
    sweeper.sweep(4)
    assert.deepStrictEqual(visited, [0, 1, 2, 3])
    items.set(11, 11)
    sweeper.sweep(8) // the rest of the round, which ends
    sweeper.sweep(100) // one whole round
    assert.deepStrictEqual(visited.slice(4), [4, 5, 6, 7, 8, 9, 11, 1, 3, 5, 7, 9, 11])
  })
})
