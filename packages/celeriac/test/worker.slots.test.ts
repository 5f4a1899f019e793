/** Limits of a worker under tasks of random length: slots, bytes, weights, progress reports. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, pass, started, turns, world } from "./fixture.ts"
import { dice as diceOf } from "./memory/dice.ts"

class Job extends Task.make("job", {
  payload: { n: Schema.Number, millis: Schema.Number, text: Schema.optionalKey(Schema.String) },
  progress: Schema.Number
}) {}

const seeds = Array.from({ length: 12 }, (_, index) => index + 1)

describe("slots", () => {
  it.effect.each(seeds)(
    "random durations, seed %i: never more than there are, and none is idle while messages wait",
    (seed) =>
      world(CeleriacMemory.layer, () =>
        Effect.gen(function* () {
          const dice = diceOf(seed)
          const concurrency = 1 + dice(8)
          const prefetch = dice(2) === 0 ? 0 : dice(10)
          const count = 60
          const spans = Array.from({ length: count }, () => 10 * dice(40))
          let running = 0
          let begun = 0
          let ended = 0
          yield* started(
            Worker.layer({ tasks: [Job], concurrency, prefetch }).pipe(
              Layer.provide(
                Job.toLayer(({ millis }) =>
                  Effect.suspend(() => {
                    begun++
                    assert.isAtMost(++running, concurrency)
                    // some do not wait at all
                    return Effect.ensuring(
                      millis === 0 ? Effect.void : Effect.sleep(millis),
                      Effect.sync(() => {
                        running--
                        ended++
                      })
                    )
                  })
                )
              )
            )
          )
          yield* Job.enqueueAll(spans.map((millis, n) => ({ n, millis })))
          const limit = spans.reduce((sum, millis) => sum + millis, 0)
          const done = () => ended === count
          while (!done()) {
            assert.isAtMost(yield* elapsed, limit, "it hangs")
            yield* pass(10, 10)
            assert.isAtMost(running, concurrency)
            if (begun < count)
              assert.strictEqual(running, concurrency, `a slot is idle, ${count - begun} messages wait`)
          }
        })
      )
  )

  it.effect.each(seeds.slice(0, 6))("random sizes, seed %i: the budget is exceeded by one message at most", (seed) =>
    world(CeleriacMemory.layer, () =>
      Effect.gen(function* () {
        const dice = diceOf(seed)
        const maxBytes = 1000 + dice(5000)
        const sizes = Array.from({ length: 40 }, () => (dice(2) === 0 ? 10 : dice(3000)))
        const largest = Math.max(...sizes) + 200
        yield* started(
          Worker.layer({ tasks: [Job], concurrency: 10, prefetch: 10, maxBytes }).pipe(
            Layer.provide(Job.toLayer(({ millis }) => Effect.sleep(millis)))
          )
        )
        const handles = yield* Job.enqueueAll(
          sizes.map((size, n) => ({ n, millis: 10 * (1 + dice(20)), text: "x".repeat(size) }))
        )
        let most = 0
        let waiting = true
        for (let round = 0; waiting; round++) {
          assert.isBelow(round, 2000, "it hangs")
          const states = yield* Effect.forEach(handles, (handle) => handle.state)
          const held = sizes.reduce((sum, size, n) => {
            const state = states[n]
            return state?._tag === "Some" && state.value === "active" ? sum + size : sum
          }, 0)
          most = Math.max(most, held)
          assert.isBelow(held, maxBytes + largest)
          waiting = states.some((state) => state._tag === "Some" && state.value !== "succeeded")
          yield* pass(10, 10)
        }
        assert.isAbove(most, maxBytes / 2, "it is used")
      })
    )
  )
})

describe("weights", () => {
  it.effect.each(
    seeds.slice(0, 6).flatMap((seed) => [
      { seed, weights: { a: 3, b: 1 } },
      { seed, weights: { a: 1, b: 1 } },
      { seed, weights: { a: 0.5, b: 4.5 } }
    ])
  )("seed $seed, $weights: no queue is ahead of its share by more than one claim", ({ seed, weights }) =>
    world(CeleriacMemory.layer, () =>
      Effect.gen(function* () {
        const dice = diceOf(seed)
        const concurrency = 1 + dice(8)
        const order: Array<"a" | "b"> = []
        const payloads = () => Array.from({ length: 120 }, (_, n) => ({ n, millis: 10 + 10 * dice(10) }))
        yield* Job.enqueueAll(payloads(), { queue: "a" })
        yield* Job.enqueueAll(payloads(), { queue: "b" })
        yield* started(
          Worker.layer({ tasks: [Job], queues: weights, concurrency, prefetch: 0 }).pipe(
            Layer.provide(
              Job.toLayer(({ millis }, { queue }) =>
                Effect.suspend(() => {
                  order.push(queue === "a" ? "a" : "b")
                  return Effect.sleep(millis)
                })
              )
            )
          )
        )
        const served = { a: 0, b: 0 }
        const slack = concurrency / Math.min(weights.a, weights.b)
        for (let at = 0; served.a < 120 && served.b < 120; at++) {
          while (order[at] === undefined) yield* pass(10, 10)
          served[order[at]!]++
          const ahead = Math.abs(served.a / weights.a - served.b / weights.b)
          assert.isAtMost(ahead, slack + 1e-9, `after ${JSON.stringify(served)}`)
        }
        yield* pass("10 seconds")
        assert.strictEqual(order.length, 240)
      })
    )
  )
})

describe("progressInterval", () => {
  it.effect.each([
    { interval: undefined, each: 100 },
    { interval: "1 second", each: 1000 },
    { interval: "250 millis", each: 250 },
    { interval: 3000, each: 3000 }
  ] as const)("$interval: reports are sent every $each ms, whatever handlers say", ({ each, interval }) =>
    world(CeleriacMemory.layer, ({ wire }) =>
      Effect.gen(function* () {
        const chatty = Effect.fnUntraced(function* (millis: number, report: (value: number) => Effect.Effect<void>) {
          for (let said = 0; said < millis; said += 10) {
            yield* report(said)
            yield* Effect.sleep(10)
          }
        })
        yield* started(
          Worker.layer({ tasks: [Job], progressInterval: interval }).pipe(
            Layer.provide(Job.toLayer(({ millis }, { progress }) => chatty(millis, progress)))
          )
        )
        // two at a time: reports of several messages go together
        yield* Job.enqueueAll([
          { n: 0, millis: 30_000 },
          { n: 1, millis: 30_000 }
        ])
        yield* turns
        yield* pass("3 seconds", 10)
        wire.calls.length = 0
        yield* pass("12 seconds", 10)
        const sent = wire.count("note")
        assert(Math.abs(sent - 12_000 / each) <= 1, `${sent} in 12 s`)
        yield* pass("20 seconds", 100)
      })
    )
  )

  it.effect("0: every turn of the loop may send one; a handler that says nothing costs nothing", () =>
    world(CeleriacMemory.layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* started(
          Worker.layer({ tasks: [Job], progressInterval: 0 }).pipe(
            Layer.provide(
              Job.toLayer(({ n }, { progress }) =>
                n === 0 ? Effect.sleep("10 seconds") : Effect.repeat(Effect.delay(progress(n), 10), { times: 99 })
              )
            )
          )
        )
        yield* Job.enqueue({ n: 0, millis: 0 })
        yield* pass("12 seconds")
        assert.strictEqual(wire.count("note"), 0)
        yield* Job.enqueue({ n: 1, millis: 0 })
        yield* pass("2 seconds", 10)
        const sent = wire.count("note")
        assert(sent >= 98 && sent <= 100, `${sent} of 100`)
      })
    )
  )
})
