/** A message that crashed its workers runs alone, as far as nobody has to wait for ever because of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Broker } from "../src/Broker.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, pass, started, stores, within, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}

/** Milliseconds. */
const lease = 3000

/** A worker looks by itself within this time, milliseconds. */
const look = 1500

/** Lets two consumers die with a message that waits. */
const makeSuspect = Effect.scoped(
  Effect.gen(function* () {
    const handle = yield* Job.enqueue({ n: 0 })
    const broker = yield* Broker
    const options = { queues: ["default"], lease: Duration.millis(lease) }
    const peer = yield* broker.consume({ ...options, worker: "peer" })
    for (const worker of ["first", "second"]) {
      const dying = yield* broker.consume({ ...options, worker })
      const { deliveries } = yield* dying.claim({ queue: "default", count: 1, bytes: 1000 })
      assert.strictEqual(deliveries[0]?.id, handle.id)
      yield* TestClock.adjust(lease)
      const suspects = (yield* peer.renew).suspects.filter(({ consumer }) => consumer === dying.id)
      for (const suspect of suspects) assert.strictEqual((yield* peer.recover(suspect)).moved, 1)
    }
    return handle
  })
)

interface Start {
  readonly worker: string
  readonly n: number
  readonly at: number
}

/** Its handler writes down who runs what since when; the numbers given never end. */
const rig = (endless: ReadonlyArray<number>) => {
  const starts: Array<Start> = []
  const worker = (name: string) =>
    started(
      Worker.layer({ tasks: [Job], name, visibilityTimeout: lease, concurrency: 5 }).pipe(
        Layer.provide(
          Job.toLayer(({ n }) =>
            Effect.gen(function* () {
              starts.push({ worker: name, n, at: yield* elapsed })
              return yield* endless.includes(n) ? Effect.never : Effect.succeed(n)
            })
          )
        )
      )
    )
  return { worker, startOf: (n: number) => starts.find((start) => start.n === n) }
}

const [{ layer }] = stores

describe("a message that crashed its workers", () => {
  it.effect("is left to an empty worker when the one who was told has a run without an end", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { startOf, worker } = rig([1])
        const suspect = yield* makeSuspect
        // it comes first, so that the worker is not empty when it is told
        yield* Job.enqueue({ n: 1 }, { priority: 9 })
        yield* worker("a")
        const from = yield* elapsed
        yield* worker("b")
        yield* pass(lease - 500)
        assert.strictEqual(startOf(1)?.worker, "a")
        assert.isUndefined(startOf(0), "the one who was told waits")
        assert.strictEqual(yield* within(look + 500, suspect.await), 0)
        assert.strictEqual(startOf(0)?.worker, "b")
        assert.isAtLeast(startOf(0)!.at - from, lease)
      })
    )
  )

  it.effect("is not started by who gave up its lease before it came", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const { startOf, worker } = rig([])
        const suspect = yield* makeSuspect
        let claims = 0
        // the first claim tells of it, the second one brings it, late
        wire.latency = ({ step }) => (step === "claim" && ++claims === 2 ? lease + 1000 : undefined)
        wire.fate = ({ step }) => (step === "renew" || step === "reconcile" ? "refused" : "carried out")
        yield* worker("a")
        yield* pass(lease + 2000)
        assert.strictEqual(claims, 2)
        assert.isUndefined(startOf(0))
        wire.mend()
        assert.strictEqual(yield* within(lease + look, suspect.await), 0)
      })
    )
  )

  it.effect("is run beside what never ends when nobody is empty, after two leases of waiting; others run between", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { startOf, worker } = rig([1])
        const suspect = yield* makeSuspect
        yield* Job.enqueue({ n: 1 }, { priority: 9 })
        yield* worker("a")
        const from = yield* elapsed
        yield* pass(lease / 2)
        yield* Job.enqueue({ n: 2 })
        yield* pass(lease / 2 + 250)
        assert.isDefined(startOf(2), "the first wait is over")
        yield* Job.enqueue({ n: 3 })
        yield* pass(500)
        assert.isDefined(startOf(3), "no wait yet, although it is told again")
        assert.isUndefined(startOf(0))
        assert.strictEqual(yield* within(2 * lease + look + 1000, suspect.await), 0)
        const waited = startOf(0)!.at - from
        assert.isAtLeast(waited, 3 * lease)
        assert.isAtMost(waited, 3 * lease + look)
        // the worker is a good one still
        const last = yield* Job.enqueue({ n: 4 })
        assert.strictEqual(yield* within(look, last.await), 4)
      })
    )
  )

  it.effect("that never ends has its worker for itself for ten leases, and others run then", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { startOf, worker } = rig([0])
        yield* makeSuspect
        yield* worker("a")
        assert.isDefined(startOf(0), "an empty worker takes it at once")
        const other = yield* Job.enqueue({ n: 1 })
        yield* pass(10 * lease - 500)
        assert.isUndefined(startOf(1))
        assert.strictEqual(yield* within(look, other.await), 1)
      })
    )
  )
})
