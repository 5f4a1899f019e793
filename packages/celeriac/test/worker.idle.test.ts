/** Several workers, and what a worker does when there is nothing to do, or no room. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Broker } from "../src/Broker.ts"
import { counts, enqueue, range, worker } from "./fixture.job.ts"
import { gates, pass, run, turns } from "./fixture.ts"

describe("several workers", () => {
  it.effect("share the work, none runs twice", () =>
    run(() =>
      Effect.gen(function* () {
        const seen = new Map<number, string>()
        const of = (name: string) => (n: number) =>
          Effect.sync(() => {
            assert(!seen.has(n), "once")
            seen.set(n, name)
          }).pipe(Effect.delay("10 millis"))
        yield* worker(of("a"), { concurrency: 5 })
        yield* worker(of("b"), { concurrency: 5 })
        yield* enqueue(range(200))
        yield* pass("1 second", "10 millis")
        assert.strictEqual(seen.size, 200)
        const share = Array.from(seen.values()).filter((name) => name === "a").length
        assert(share > 50 && share < 150, `${share} of 200`)
      })
    )
  )

  it.effect("one that starts later takes over what waits", () =>
    run(() =>
      Effect.gen(function* () {
        const { handler, order, running } = gates()
        yield* enqueue(range(4))
        yield* worker(handler, { concurrency: 2, prefetch: 0 })
        yield* pass("1 second")
        assert.strictEqual(running(), 2)
        yield* worker(handler, { concurrency: 2, prefetch: 0 })
        assert.deepStrictEqual(order, [0, 1, 2, 3])
        yield* Effect.forEach(range(4), (n) => Effect.flatMap(Broker, (broker) => broker.counts(String(n))))
      })
    )
  )

  it.effect("G8: a message that falls due wakes one of them, not all", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        const order: Array<number> = []
        for (const name of ["a", "b", "c", "d"]) {
          yield* worker((n) => Effect.sync(() => void order.push(n)), { name })
        }
        const woken: Array<string> = []
        wire.pushes = (channel) => {
          if (channel.startsWith("wake:")) woken.push(channel)
          return true
        }
        yield* enqueue([1])
        yield* turns
        assert.deepStrictEqual(order, [1])
        assert.strictEqual(woken.length, 1)
      })
    )
  )
})

describe("idle", () => {
  it.effect("a worker without work asks about once a second", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        yield* worker(() => Effect.void)
        wire.calls.length = 0
        yield* pass("1 minute", "1 second")
        const claims = wire.count("claim")
        assert(claims >= 30 && claims <= 90, `${claims} claims in a minute`)
        assert.isBelow(wire.calls.length, 120)
      })
    )
  )

  it.effect("G8: a million scheduled messages cost it nothing more", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        yield* enqueue(range(1000), { delay: "1 hour" })
        yield* worker(() => Effect.void)
        wire.calls.length = 0
        yield* pass("1 minute", "1 second")
        assert.isBelow(wire.calls.length, 120)
        assert.strictEqual((yield* counts()).scheduled, 1000)
      })
    )
  )

  it.effect("G12: a broker that refuses is asked a few times a second, not more", () =>
    run(({ wire }) =>
      Effect.gen(function* () {
        yield* worker(() => Effect.void)
        wire.fate = () => "refused"
        wire.calls.length = 0
        yield* pass("10 seconds")
        assert.isBelow(wire.calls.length, 120)
        wire.mend()
        yield* enqueue([1])
        yield* pass("5 seconds")
        assert.strictEqual((yield* counts()).queued, 0, "and goes on by itself within 5 s of its return")
      })
    )
  )

  it.effect("a full worker does not spin", () =>
    run(() =>
      Effect.gen(function* () {
        let readings = 0
        const clock = yield* Clock.Clock
        const counting = new Proxy(clock, {
          get(target, key) {
            if (key === "currentTimeMillis" || key === "currentTimeMillisUnsafe") readings++
            return Reflect.get(target, key, target) as unknown
          }
        })
        const services = Context.make(Clock.Clock, counting)
        yield* Effect.provideContext(
          worker((n) => (n < 1000 ? Effect.sleep("1 millis") : Effect.sleep("1 hour")), { concurrency: 2 }),
          services
        )
        yield* enqueue(range(200))
        yield* pass("200 millis", "1 millis")
        const long = yield* enqueue(range(30, 1000))
        yield* pass("10 millis", "1 millis")
        readings = 0
        yield* enqueue(range(30, 2000))
        yield* turns
        yield* turns
        assert.isBelow(readings, 100, "it waits for room without looking at the time again and again")
        yield* Effect.forEach(long, (handle) => handle.revoke())
        const broker = yield* Broker
        assert.isAtLeast((yield* broker.counts("default")).queued, 1)
      })
    )
  )
})
