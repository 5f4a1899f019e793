import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Deadlines from "../src/internal/Deadlines.ts"

/** Deadlines on the TestClock, which note when they expire. */
const fixture = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const deadlines = yield* Deadlines.make
  const expired: Array<readonly [name: number | string, at: number]> = []
  const add = (name: number | string, duration: number) =>
    deadlines.addUnsafe(clock.currentTimeMillisUnsafe(), duration, () =>
      expired.push([name, clock.currentTimeMillisUnsafe()])
    )
  return { add, deadlines, expired }
})

describe("on the TestClock", () => {
  it.effect("a deadline comes exactly when its duration has passed, and once", () =>
    Effect.gen(function* () {
      const { add, deadlines, expired } = yield* fixture
      yield* TestClock.setTime(5000)
      add("a", 1000)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(expired, [])
      assert.strictEqual(deadlines.sizeUnsafe(), 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired, [["a", 6000]])
      assert.strictEqual(deadlines.sizeUnsafe(), 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(expired.length, 1)
    })
  )

  it.effect("each at its own time, also when the clock passes them all at once", () =>
    Effect.gen(function* () {
      const { add, expired } = yield* fixture
      add("long", 1000)
      add("short", 10)
      add("middle", 500)
      yield* TestClock.adjust(5)
      add("short 2", 10)
      add("long 2", 1000)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(expired, [
        ["short", 10],
        ["short 2", 15],
        ["middle", 500],
        ["long", 1000],
        ["long 2", 1005]
      ])
    })
  )

  it.effect("an earlier one that comes later is not overslept", () =>
    Effect.gen(function* () {
      const { add, expired } = yield* fixture
      add("late", 1000)
      yield* TestClock.adjust(100)
      add("soon", 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired, [["soon", 101]])
      yield* TestClock.adjust(898)
      assert.strictEqual(expired.length, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired.slice(1), [["late", 1000]])
    })
  )

  for (const removed of ["first", "second", "third"]) {
    it.effect(`what is removed does not come: ${removed} of three`, () =>
      Effect.gen(function* () {
        const { add, deadlines, expired } = yield* fixture
        const names = ["first", "second", "third"]
        const entries = new Map(names.map((name) => [name, add(name, 100)]))
        const entry = entries.get(removed)
        if (entry !== undefined) {
          deadlines.removeUnsafe(entry)
          deadlines.removeUnsafe(entry)
        }
        assert.strictEqual(deadlines.sizeUnsafe(), 2)
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(
          expired,
          names.filter((name) => name !== removed).map((name) => [name, 100])
        )
      })
    )
  }

  it.effect("removing what has come does nothing", () =>
    Effect.gen(function* () {
      const { add, deadlines, expired } = yield* fixture
      const entry = add("a", 10)
      add("b", 20)
      yield* TestClock.adjust(10)
      deadlines.removeUnsafe(entry)
      assert.strictEqual(deadlines.sizeUnsafe(), 1)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(expired, [
        ["a", 10],
        ["b", 20]
      ])
    })
  )

  it.effect("a duration of zero comes at once, but not before the caller has its entry", () =>
    Effect.gen(function* () {
      const { add, expired } = yield* fixture
      add("now", 0)
      assert.deepStrictEqual(expired, [])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(expired, [["now", 0]])
    })
  )

  it.effect.each([Infinity, Number.NaN])("a duration of %d sets nothing", (duration) =>
    Effect.gen(function* () {
      const { add, deadlines } = yield* fixture
      const entry = add("never", duration)
      assert.strictEqual(deadlines.sizeUnsafe(), 0)
      deadlines.removeUnsafe(entry)
      add("other", 1)
      assert.strictEqual(deadlines.sizeUnsafe(), 1)
    })
  )

  const Step = Schema.Struct({
    wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
    duration: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 })),
    /** Removes this one of the entries so far, if there are so many. */
    remove: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 80 }))
  })
  it.effect.prop("any mixture comes exactly when it should", { steps: Schema.Array(Step) }, ({ steps }) =>
    Effect.gen(function* () {
      const { add, deadlines, expired } = yield* fixture
      const entries: Array<{ readonly entry: Deadlines.Entry; readonly due: number; removed: boolean }> = []
      const start = yield* Clock.currentTimeMillis
      let now = start
      for (const { duration, remove, wait } of steps) {
        yield* TestClock.adjust(wait)
        now += wait
        entries.push({ entry: add(entries.length, duration), due: now + duration, removed: false })
        const victim = entries[remove]
        if (victim !== undefined) {
          deadlines.removeUnsafe(victim.entry)
          if (victim.due > now) victim.removed = true
        }
        assert.strictEqual(deadlines.sizeUnsafe(), entries.filter(({ due, removed }) => due > now && !removed).length)
      }
      yield* TestClock.adjust(100)
      const expected = entries.flatMap(({ due, removed }, name) => (removed ? [] : [[name, due] as const]))
      const byName = expired.toSorted(([a], [b]) => Number(a) - Number(b))
      assert.deepStrictEqual(byName, expected)
      const times = expired.map(([, at]) => at)
      assert.deepStrictEqual(
        times,
        times.toSorted((a, b) => a - b)
      )
    }).pipe(Effect.scoped)
  )

  const Lengths = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))).check(
    Schema.isMaxLength(200)
  )
  it.effect.prop("many lengths, of which some are removed", { Lengths, keep: Schema.Array(Schema.Boolean) }, (input) =>
    Effect.gen(function* () {
      const { add, deadlines, expired } = yield* fixture
      const start = yield* Clock.currentTimeMillis
      const entries = input.Lengths.map((length) => [length, add(length, length)] as const)
      const kept = entries.filter(([, entry], index) => {
        const keep = input.keep[index % input.keep.length] ?? true
        if (!keep) deadlines.removeUnsafe(entry)
        return keep
      })
      yield* TestClock.adjust(1000)
      const lengths = kept.map(([length]) => length).toSorted((a, b) => a - b)
      assert.deepStrictEqual(
        expired,
        lengths.map((length) => [length, start + length])
      )
    }).pipe(Effect.scoped)
  )

  it.effect("100 lengths, removed in any order", () =>
    Effect.gen(function* () {
      const lengths = Array.from({ length: 100 }, (_, index) => index + 1)
      for (let round = 0; round < 50; round++) {
        const { add, deadlines, expired } = yield* fixture
        const start = yield* Clock.currentTimeMillis
        const entries = (yield* Random.shuffle(lengths)).map((length) => [length, add(length, length)] as const)
        const shuffled = yield* Random.shuffle(entries)
        for (const [, entry] of shuffled.slice(0, 60)) deadlines.removeUnsafe(entry)
        yield* TestClock.adjust(100)
        const kept = shuffled.slice(60).map(([length]) => length)
        assert.deepStrictEqual(
          expired,
          kept.toSorted((a, b) => a - b).map((length) => [length, start + length])
        )
      }
    }).pipe(Random.withSeed("lengths"))
  )

  it.effect("100 000 of 1000 lengths", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      let expired = 0
      const entries = Array.from({ length: 100_000 }, (_, index) =>
        deadlines.addUnsafe(0, 1 + (index % 1000), () => {
          expired++
        })
      )
      entries.forEach((entry, index) => {
        if (index % 2 === 0) deadlines.removeUnsafe(entry)
      })
      assert.strictEqual(deadlines.sizeUnsafe(), 50_000)
      yield* TestClock.adjust(500)
      assert.strictEqual(expired, 25_000)
      yield* TestClock.adjust(500)
      assert.strictEqual(expired, 50_000)
    })
  )
})

describe("entries", () => {
  /** A running thing with two limits and no object beside it. */
  class Running extends Deadlines.Entry {
    readonly log: Array<string> = []
    private readonly onSoft: (self: Running) => void

    constructor(onSoft: (self: Running) => void) {
      super()
      this.onSoft = onSoft
    }

    override onExpire(): void {
      if (this.log.push(`at ${this.due}`) === 1) this.onSoft(this)
    }
  }

  it.effect("of the caller's own can be set again when they come", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const running = new Running((self) => deadlines.setUnsafe(self, 20, 10))
      deadlines.setUnsafe(running, 0, 20)
      yield* TestClock.adjust(29)
      assert.deepStrictEqual(running.log, ["at 20"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(running.log, ["at 20", "at 30"])
      assert.strictEqual(deadlines.sizeUnsafe(), 0)
    })
  )

  it.effect("that are set again move", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make
      const running = new Running(() => {})
      deadlines.setUnsafe(running, 0, 20)
      deadlines.setUnsafe(running, 0, 30)
      assert.strictEqual(deadlines.sizeUnsafe(), 1)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(running.log, ["at 30"])
    })
  )

  it.effect("that throw are logged, and the others come", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ cause }) => logged.push(Cause.squash(cause)))
      const { add, deadlines, expired } = yield* fixture.pipe(Effect.provide(Logger.layer([logger])))
      const boom = new Error("boom")
      const bad = () => {
        throw boom
      }
      add("before", 10)
      deadlines.addUnsafe(0, 10, bad)
      deadlines.addUnsafe(0, 10, bad)
      add("after", 10)
      add("later", 20)
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(expired, [
        ["before", 10],
        ["after", 10],
        ["later", 20]
      ])
      assert.deepStrictEqual(logged, [boom, boom])
    })
  )

  it.effect("may set and remove others when they come", () =>
    Effect.gen(function* () {
      const { add, deadlines, expired } = yield* fixture
      const victim = add("victim", 20)
      deadlines.addUnsafe(0, 10, () => {
        deadlines.removeUnsafe(victim)
        add("next", 5)
      })
      yield* TestClock.adjust(14)
      assert.deepStrictEqual(expired, [])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(expired, [["next", 15]])
    })
  )
})

/** A clock as processes have it: timers measure spans, and the wall clock can be put forward and back under them. */
class WallClock implements Clock.Clock {
  wall = 1_000_000
  elapsed = 0
  started = 0
  measured = 0
  /** How much too early timers fire, milliseconds. */
  early = 0
  readonly timers = new Set<{ readonly at: number; readonly wake: () => void }>()

  currentTimeMillisUnsafe = () => this.wall
  currentTimeMillis = Effect.sync(() => this.wall)
  currentTimeNanosUnsafe = () => BigInt(Math.round(this.wall * 1e6))
  currentTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)
  monotonicTimeNanosUnsafe = () => {
    this.measured++
    return BigInt(Math.round(this.elapsed * 1e6))
  }
  monotonicTimeNanos = Effect.sync(this.monotonicTimeNanosUnsafe)

  sleep(duration: Duration.Duration) {
    return Effect.callback<void>((resume) => {
      this.started++
      const timer = { at: this.elapsed + Duration.toMillis(duration) - this.early, wake: () => resume(Effect.void) }
      this.timers.add(timer)
      return Effect.sync(() => this.timers.delete(timer))
    })
  }

  pass(millis: number) {
    const end = this.elapsed + millis
    while (true) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
      if (next === undefined) break
      this.moveTo(next.at)
      this.timers.delete(next)
      next.wake()
    }
    this.moveTo(end)
  }

  private moveTo(elapsed: number) {
    this.wall += elapsed - this.elapsed
    this.elapsed = elapsed
  }
}

const onWallClock = Effect.gen(function* () {
  const clock = new WallClock()
  const deadlines = yield* Deadlines.make.pipe(Effect.provideService(Clock.Clock, clock))
  const expired: Array<readonly [name: string, elapsed: number]> = []
  const add = (name: string, duration: number, now = clock.wall) =>
    deadlines.addUnsafe(now, duration, () => expired.push([name, clock.elapsed]))
  return { add, clock, deadlines, expired }
})

describe("timers", () => {
  it.effect("there is none when nothing is set, and one otherwise", () =>
    Effect.gen(function* () {
      const { add, clock, deadlines, expired } = yield* onWallClock
      assert.strictEqual(clock.timers.size, 0)
      const entries = Array.from({ length: 1000 }, (_, index) => add(String(index), 100 + (index % 7)))
      assert.strictEqual(clock.timers.size, 1)
      for (const entry of entries) deadlines.removeUnsafe(entry)
      assert.strictEqual(clock.timers.size, 0)
      add("a", 100)
      add("b", 50)
      assert.strictEqual(clock.timers.size, 1)
      clock.pass(200)
      assert.deepStrictEqual(expired, [
        ["b", 50],
        ["a", 100]
      ])
      assert.strictEqual(clock.timers.size, 0)
    })
  )

  it.effect("things that end in time cost none", () =>
    Effect.gen(function* () {
      const { add, clock, deadlines } = yield* onWallClock
      const running = [add("first", 1000)]
      for (let n = 0; n < 5000; n++) {
        clock.pass(1)
        running.push(add("next", 1000))
        const done = running.shift()
        if (done !== undefined) deadlines.removeUnsafe(done)
      }
      assert.isAtMost(clock.started, 7)
    })
  )

  it.effect("closing the scope stops the timer, and what is set does not come", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { add, clock, deadlines, expired } = yield* Effect.provideService(onWallClock, Scope.Scope, scope)
      add("a", 10)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(clock.timers.size, 0)
      const size = deadlines.sizeUnsafe()
      add("b", 10)
      assert.strictEqual(deadlines.sizeUnsafe(), size)
      assert.strictEqual(clock.timers.size, 0)
      clock.pass(1000)
      assert.deepStrictEqual(expired, [])
    })
  )
})

describe("clocks that jump", () => {
  it.effect.each([-3_600_000, -1, 1, 3_600_000])("by %d: every deadline comes in time", (jump) =>
    Effect.gen(function* () {
      const { add, clock, expired } = yield* onWallClock
      add("before", 60_000)
      clock.pass(30_000)
      clock.wall += jump
      clock.pass(1000)
      add("after", 60_000)
      clock.pass(29_000)
      assert.deepStrictEqual(expired, [["before", 60_000]])
      clock.wall += jump
      clock.pass(30_999)
      assert.strictEqual(expired.length, 1)
      clock.pass(1)
      assert.deepStrictEqual(expired.slice(1), [["after", 91_000]])
    })
  )

  it.effect("back on the TestClock: every deadline comes", () =>
    Effect.gen(function* () {
      const { add, expired } = yield* fixture
      yield* TestClock.setTime(100_000)
      add("a", 1000)
      yield* TestClock.setTime(50_000)
      add("b", 1000)
      yield* TestClock.adjust(52_000)
      assert.sameMembers(
        expired.map(([name]) => name),
        ["a", "b"]
      )
    })
  )

  it.effect("exact at any time of the TestClock", () =>
    Effect.gen(function* () {
      const { add, expired } = yield* fixture
      // a number of milliseconds whose nanoseconds are no exact number
      const start = 1_908_685_558_706
      yield* TestClock.setTime(start)
      add("a", 7)
      add("b", 10)
      for (let n = 0; n < 20; n++) add(`c ${n}`, 11 + n)
      yield* TestClock.adjust(6)
      assert.deepStrictEqual(expired, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(expired, [["a", start + 7]])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        expired.map(([, at]) => at - start),
        [7, 10, ...Array.from({ length: 20 }, (_, n) => 11 + n)]
      )
    })
  )
})

describe("readings", () => {
  it.effect("that are old make a deadline late by as much at most, and no other", () =>
    Effect.gen(function* () {
      const { add, clock, expired } = yield* onWallClock
      add("first", 1000)
      const [older, old] = [clock.wall - 5000, clock.wall]
      clock.pass(20)
      add("fresh", 1000)
      add("old", 1000, old)
      add("older", 1500, older)
      clock.pass(10_000)
      assert.deepStrictEqual(expired, [
        ["first", 1000],
        ["fresh", 1020],
        ["old", 1020],
        ["older", 1520]
      ])
    })
  )

  it.effect("that are old do not add up", () =>
    Effect.gen(function* () {
      const { add, clock, expired } = yield* onWallClock
      add("long", 1_000_000)
      for (let n = 0; n < 1000; n++) {
        add("fresh", 10)
        add("old", 10, clock.wall - (n % 2 === 0 ? 900 : 4500))
        clock.pass(500)
      }
      clock.pass(500_000)
      assert.deepStrictEqual(expired.at(-1), ["long", 1_000_000])
    })
  )

  it.effect.each([-999, 999])("small steps of the wall clock move deadlines by as much at most: %d", (step) =>
    Effect.gen(function* () {
      const { add, clock, expired } = yield* onWallClock
      const due = new Map<string, number>()
      const note = (name: string, duration: number) => {
        due.set(name, clock.elapsed + duration)
        add(name, duration)
      }
      for (let n = 0; n < 50; n++) {
        note(`before ${n}`, 3000)
        clock.wall += step
        note(`after ${n}`, 3000)
        clock.pass(3500)
      }
      clock.pass(10_000)
      assert.strictEqual(expired.length, 100)
      for (const [name, at] of expired) assert.isAtMost(Math.abs(at - (due.get(name) ?? 0)), 999, name)
    })
  )

  it.effect("of a busy worker ask the monotonic clock rarely", () =>
    Effect.gen(function* () {
      const { add, clock, deadlines } = yield* onWallClock
      const running: Array<Deadlines.Entry> = []
      for (let n = 0; n < 10_000; n++) {
        if (n % 100 === 0) clock.pass(1)
        running.push(add("next", 30_000))
        const done = n < 50 ? undefined : running[n - 50]
        if (done !== undefined) deadlines.removeUnsafe(done)
      }
      assert.isAtMost(clock.measured, 2)
    })
  )

  it.effect("a timer that fires a little early does not spin", () =>
    Effect.gen(function* () {
      const { add, clock, expired } = yield* onWallClock
      clock.early = 0.4
      add("a", 1000)
      clock.pass(1000)
      assert.deepStrictEqual(expired, [["a", 999.6]])
      assert.strictEqual(clock.started, 1)
    })
  )
})
