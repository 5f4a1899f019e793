/** Leases: how long a worker may run a message, and what it may not do without one. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { Client } from "../src/Client.ts"
import { counts, cut, enqueue, type Handler, Job, leased } from "./fixture.job.ts"
import { elapsed, errorOf, exitWithin, pass, stores, turns, within, world } from "./fixture.ts"

describe.each(stores)("G5: a worker that renews: $store", ({ layer }) => {
  it.effect("a task of ten leases runs once", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const starts: Array<number> = []
        const handler: Handler = (n, { deliveries }) =>
          Effect.suspend(() => {
            starts.push(deliveries)
            return Effect.delay(Effect.succeed(n), "30 seconds")
          })
        yield* leased("a", handler)
        yield* leased("b", handler)
        const [handle] = yield* enqueue([0])
        assert.strictEqual(yield* within("31 seconds", handle!.await), 0)
        assert.deepStrictEqual(starts, [1])
      })
    )
  )

  it.effect("renews every third of its lease", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* leased("a", () => Effect.never, { visibilityTimeout: "9 seconds" })
        wire.calls.length = 0
        yield* pass("60 seconds")
        const renewals = wire.count("renew")
        assert(renewals >= 19 && renewals <= 22, `${renewals} renewals`)
      })
    )
  )

  it.effect("renewals that fail for a while cost nothing", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const starts: Array<number> = []
        const handler: Handler = (n, { deliveries }) =>
          Effect.suspend(() => (starts.push(deliveries), Effect.delay(Effect.succeed(n), "40 seconds")))
        yield* leased("a", handler, { visibilityTimeout: "30 seconds" })
        yield* leased("b", handler, { visibilityTimeout: "30 seconds" })
        const [handle] = yield* enqueue([0])
        yield* pass("9 seconds", "500 millis")
        wire.fate = ({ step }) => (step === "renew" ? "refused" : "carried out")
        yield* pass("15 seconds", "500 millis")
        wire.mend()
        assert.strictEqual(yield* within("20 seconds", handle!.await, "500 millis"), 0)
        assert.deepStrictEqual(starts, [1])
      })
    )
  )
})

describe.each(stores)("G4: a worker that cannot renew: $store", ({ layer }) => {
  it.effect.each([
    ["refused", "2 seconds", 500],
    ["refused", "8 seconds", 2000],
    ["refused", "30 seconds", 2000],
    ["silence", "8 seconds", 2000],
    ["lost reply", "8 seconds", 2000]
  ] as const)("%s: it interrupts its handlers at the lease of %s less %i ms", ([fate, lease, margin]) =>
    world(layer, (world) =>
      Effect.gen(function* () {
        let interruptedAt = Number.NaN
        let runs = 0
        yield* leased(
          "a",
          () =>
            Effect.suspend(() => {
              runs++
              return Effect.onInterrupt(Effect.never, () => Effect.map(elapsed, (at) => void (interruptedAt = at)))
            }),
          { visibilityTimeout: lease }
        )
        const [handle] = yield* enqueue([0])
        let lastGood = 0
        const clock = yield* Clock.Clock
        const origin = clock.currentTimeMillisUnsafe()
        world.wire.fate = (call) => {
          if (call.step === "renew") lastGood = clock.currentTimeMillisUnsafe() - origin
          return "carried out"
        }
        const millis = Number.parseInt(lease) * 1000
        yield* pass(millis * 2.5, "100 millis")
        assert(Number.isNaN(interruptedAt))
        const good = lastGood
        world.wire.fate = ({ connection, step }) =>
          connection.startsWith("a-") && (step === "renew" || step === "reconcile") ? fate : "carried out"
        yield* pass(millis, "100 millis")
        const after = interruptedAt - good
        assert(after <= millis - margin + 150 && after >= millis - margin - 150, `after ${after} ms`)
        world.wire.mend()
        yield* pass("3 seconds")
        yield* pass(millis, "500 millis")
        assert.strictEqual(runs, 2, "it runs again when the lease is good again")
        yield* handle!.revoke()
      })
    )
  )

  it.effect("slow answers make the lease no longer: it counts from when a renewal was sent", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let interruptedAt = Number.NaN
        let sentAt = Number.NaN
        yield* leased(
          "a",
          () =>
            Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => void (interruptedAt = clock.currentTimeMillisUnsafe()))
            ),
          { visibilityTimeout: "6 seconds" }
        )
        const [handle] = yield* enqueue([0])
        yield* turns
        let away = false
        world.wire.latency = ({ step }) => {
          if (step === "renew" && !away) sentAt = clock.currentTimeMillisUnsafe()
          return step === "renew" ? "1 second" : undefined
        }
        world.wire.fate = ({ step }) => (step === "renew" && away ? "refused" : "carried out")
        yield* pass("7 seconds")
        // between two renewals, so that the last one got its answer
        while (clock.currentTimeMillisUnsafe() - sentAt < 1200) yield* pass(100)
        away = true
        yield* pass("6 seconds")
        const after = interruptedAt - sentAt
        assert(after >= 4400 && after <= 4600, `after ${after} ms`)
        world.wire.mend()
        yield* handle!.revoke()
      })
    )
  )

  it.effect("it claims nothing while its lease is not good, and works on when it is", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        yield* leased("a", Effect.succeed)
        wire.fate = ({ step }) => (step === "renew" || step === "reconcile" ? "refused" : "carried out")
        yield* pass("10 seconds")
        const [handle] = yield* enqueue([0])
        yield* pass("10 seconds")
        assert.deepStrictEqual(yield* handle!.state, Option.some("queued"))
        wire.mend()
        assert.strictEqual(yield* within("5 seconds", handle!.await), 0)
      })
    )
  )
})

describe.each(stores)("G3: a worker that lost ownership: $store", ({ layer }) => {
  it.effect("cannot settle: what the new owner says counts", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        // this one ignores that its lease is over
        yield* leased("a", (n) => Effect.uninterruptible(Effect.delay(Effect.succeed(n + 100), "5 seconds")), {
          grace: "1 minute"
        })
        const [handle] = yield* enqueue([0])
        yield* turns
        cut(world, "a")
        yield* pass("4500 millis")
        world.wire.mend()
        yield* leased("b", (n) => Effect.delay(Effect.succeed(n), "20 seconds"))
        yield* pass("10 seconds")
        assert.strictEqual(yield* within("30 seconds", handle!.await), 0)
        assert.strictEqual((yield* (yield* Client).poll(handle!))?.attempts, 1)
      })
    )
  )

  it.effect("and claims it again itself: the first run ends before the second begins", () =>
    world(layer, (world) =>
      Effect.gen(function* () {
        const events: Array<string> = []
        // b gives back what a loses, and is busy with something else
        yield* leased("b", () => Effect.never, { concurrency: 1, prefetch: 0 })
        const busy = yield* Job.enqueue({ n: 7 })
        yield* turns
        yield* leased("a", (n, { deliveries }) =>
          Effect.gen(function* () {
            events.push(`start ${deliveries}`)
            if (deliveries === 1) yield* Effect.uninterruptible(Effect.sleep("7 seconds"))
            return n
          }).pipe(Effect.onExit(() => Effect.sync(() => void events.push(`end ${deliveries}`))))
        )
        const handle = yield* Job.enqueue({ n: 1 })
        yield* turns
        cut(world, "a")
        yield* pass("4 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("queued"), "b gave it back")
        world.wire.mend()
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* handle.state, Option.some("active"), "a has it again")
        assert.deepStrictEqual(events, ["start 1"], "and lets the first run come to its end")
        assert.strictEqual(yield* within("10 seconds", handle.await), 1)
        assert.deepStrictEqual(events, ["start 1", "end 1", "start 2", "end 2"])
        yield* busy.revoke()
      })
    )
  )
})

describe.each(stores)("G6: a claim whose reply was lost: $store", ({ layer }) => {
  it.effect("is found by its own worker within two renewals, and counts as no delivery", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const seen: Array<number> = []
        yield* leased("a", (n, { deliveries }) => Effect.sync(() => (seen.push(deliveries), n)), {
          visibilityTimeout: "30 seconds"
        })
        yield* pass("5 seconds")
        let lost = 0
        wire.fate = ({ step }) => (step === "claim" && lost++ === 0 ? "lost reply" : "carried out")
        const [handle] = yield* enqueue([0])
        assert.strictEqual(yield* within("20 seconds", handle!.await), 0)
        assert.isAtLeast(lost, 1)
        assert.deepStrictEqual(seen, [1])
      })
    )
  )

  it.effect("a settle whose reply was lost is sent again, and changes nothing", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        let lost = 0
        let runs = 0
        wire.fate = ({ step }) => (step === "settle" && lost++ < 3 ? "lost reply" : "carried out")
        yield* leased("a", (n) => Effect.sync(() => (runs++, n)))
        const [handle] = yield* enqueue([0])
        assert.strictEqual(yield* within("5 seconds", handle!.await), 0)
        yield* pass("10 seconds")
        assert.strictEqual(runs, 1)
        assert.deepInclude(yield* counts(), { active: 0, queued: 0 })
      })
    )
  )
})

describe.each(stores)("a worker that cannot start: $store", ({ layer }) => {
  it.effect("says why", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        wire.fate = () => "refused"
        const exit = yield* exitWithin("10 seconds", leased("a", Effect.succeed))
        const error = errorOf(exit)
        assert.strictEqual(error._tag, "WorkerError")
        assert.strictEqual(error.reason, "BrokerUnavailable")
        assert(Exit.isFailure(exit))
      })
    )
  )
})
