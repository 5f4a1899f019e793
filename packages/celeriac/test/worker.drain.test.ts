/** What a worker says while it stops, and how long it takes whatever happens. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, type Fate, pass, started, stores, turns, within, type World, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number } }) {}

const options = { name: "w", drainLimit: "10 seconds", grace: "3 seconds", visibilityTimeout: "30 seconds" } as const

interface Stop {
  readonly name: string
  readonly handler: (n: number) => Effect.Effect<void>
  readonly jobs: number
  readonly options?: Partial<Worker.Options>
  /** Just before it stops. */
  readonly cut?: (world: World) => void
  /** What it logs from then on. */
  readonly says: ReadonlyArray<string>
  /** Milliseconds. */
  readonly takes: number
}

const seconds = (count: number) => () => Effect.sleep(count * 1000)
const stubborn = () => Effect.uninterruptible(Effect.never)

/** Nothing of the worker gets through from now on. */
const cut =
  (fate: Fate) =>
  ({ wire }: World) => {
    wire.fate = ({ connection, step }) =>
      connection.startsWith("w-") || step === "commit" || step === "note" ? fate : "carried out"
  }

const waits = (runs: string) => `Info worker w stops, and waits up to 10s for ${runs}`
const late = (runs: string) => `Warn ${runs} did not end within 10s: interrupted, to be given back`
const unconfirmed = (messages: string) =>
  `Warn worker w has stopped; the broker did not confirm the end or the return of ${messages}: those of which it has not heard run again, as after a crash`
const stopped = "Info worker w has stopped"

const stops: ReadonlyArray<Stop> = [
  { name: "nothing to do", handler: seconds(0), jobs: 0, says: [stopped], takes: 0 },
  { name: "all has ended", handler: seconds(0), jobs: 3, says: [stopped], takes: 0 },
  { name: "runs end in time", handler: seconds(4), jobs: 2, says: [waits("2 runs"), stopped], takes: 4000 },
  {
    name: "only some have started",
    handler: seconds(4),
    jobs: 5,
    options: { concurrency: 1, prefetch: 2 },
    says: [waits("1 run"), stopped],
    takes: 4000
  },
  {
    name: "runs are interrupted",
    handler: seconds(60),
    jobs: 2,
    says: [waits("2 runs"), late("2 runs"), stopped],
    takes: 10_000
  },
  {
    name: "some end, some are interrupted",
    handler: (n) => Effect.sleep(n === 0 ? 1000 : 60_000),
    jobs: 2,
    says: [waits("2 runs"), late("1 run"), stopped],
    takes: 10_000
  },
  {
    name: "runs are abandoned",
    handler: stubborn,
    jobs: 1,
    says: [
      waits("1 run"),
      late("1 run"),
      'Error task "job" did not end within 3s after it was interrupted: it goes on without a result and holds what it holds until this process ends',
      "Warn worker w has stopped; 1 abandoned run may still go on in this process"
    ],
    takes: 13_000
  },
  {
    name: "nothing runs, and the broker takes no settle",
    handler: seconds(0),
    jobs: 1,
    cut: ({ wire }) => {
      wire.fate = ({ step }) => (step === "settle" || step === "commit" ? "silence" : "carried out")
    },
    options: { drainLimit: 0 },
    says: [unconfirmed("1 message")],
    takes: 1000
  },
  {
    name: "runs end, and the broker is away",
    handler: seconds(4),
    jobs: 2,
    cut: cut("silence"),
    says: [waits("2 runs"), unconfirmed("2 messages")],
    takes: 10_000
  },
  {
    name: "runs are interrupted, and the broker is away",
    handler: seconds(60),
    jobs: 2,
    cut: cut("refused"),
    says: [waits("2 runs"), late("2 runs"), unconfirmed("2 messages")],
    takes: 14_000
  },
  {
    name: "runs are abandoned, and the broker is away",
    handler: stubborn,
    jobs: 2,
    cut: cut("silence"),
    says: [
      waits("2 runs"),
      late("2 runs"),
      ...Array.from(
        { length: 2 },
        () =>
          'Error task "job" did not end within 3s after it was interrupted: it goes on without a result and holds what it holds until this process ends'
      ),
      `${unconfirmed("2 messages")}; 2 abandoned runs may still go on in this process`
    ],
    takes: 14_000
  }
]

/** Of the drain; the rest is about the lease. */
const isOfStop = (line: string) => !/lease cannot|broker is back|given up/.test(line)

describe.each(stores)("a stop: $store", ({ layer }) => {
  it.effect.each(stops)("$name", (stop) =>
    world(layer, (world) =>
      Effect.gen(function* () {
        // a lease that is not over while it stops
        const { stop: close } = yield* started(
          Worker.layer({ tasks: [Job], ...options, visibilityTimeout: "5 minutes", ...stop.options }).pipe(
            Layer.provide(Job.toLayer(({ n }) => stop.handler(n)))
          )
        )
        if (stop.takes === 1000) stop.cut?.(world)
        yield* Job.enqueueAll(Array.from({ length: stop.jobs }, (_, n) => ({ n })))
        yield* turns
        yield* pass(1)
        stop.cut?.(world)
        world.lines.length = 0
        const start = yield* elapsed
        yield* within("20 seconds", close, "50 millis")
        const took = (yield* elapsed) - start
        assert(took >= stop.takes - 1 && took <= stop.takes + 1000, `it took ${took} ms, not ${stop.takes}`)
        assert.deepStrictEqual(world.lines.map(({ level, text }) => `${level} ${text}`).filter(isOfStop), stop.says)
        assert.isTrue(world.lines.every(({ annotations }) => annotations["worker"] === "w"))
      })
    )
  )
})

describe.each(stores)("a broker that answers nothing: $store", ({ layer }) => {
  it.effect.each(
    (["silence", "refused", "lost reply"] as const).flatMap((fate) =>
      [seconds(1), seconds(60), stubborn].map((handler, index) => ({
        fate,
        handler,
        runs: ["short", "long", "stubborn"][index]
      }))
    )
  )("$fate, $runs runs: it stops within the drain limit, the grace and 2 seconds", ({ fate, handler }) =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const { stop } = yield* started(
          Worker.layer({ tasks: [Job], ...options, concurrency: 2, prefetch: 3 }).pipe(
            Layer.provide(Job.toLayer(handler))
          )
        )
        yield* Job.enqueueAll(Array.from({ length: 10 }, (_, n) => ({ n })))
        yield* turns
        wire.fate = () => fate
        yield* within("15 seconds", stop, "50 millis")
      })
    )
  )

  it.effect("one that comes back while the worker waits for it gets what it missed", () =>
    world(layer, ({ lines, wire }) =>
      Effect.gen(function* () {
        const { stop } = yield* started(
          Worker.layer({ tasks: [Job], ...options }).pipe(Layer.provide(Job.toLayer(seconds(1))))
        )
        const handle = yield* Job.enqueue({ n: 0 })
        yield* turns
        wire.fate = ({ step }) => (step === "settle" || step === "commit" ? "refused" : "carried out")
        const stopping = yield* Effect.forkDetach(stop)
        yield* pass("5 seconds")
        assert.isUndefined(stopping.pollUnsafe())
        wire.mend()
        yield* within("2 seconds", handle.await)
        yield* turns
        assert.isDefined(stopping.pollUnsafe(), "and it waits no longer")
        assert.strictEqual(lines.at(-1)?.text, "worker w has stopped")
      })
    )
  )
})
