/** Which reason counts when a run is stopped more than once: the table, and that worker and pool keep to it. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { reasonThatCounts } from "../src/internal/stops.ts"
import type { Stop } from "../src/Pool.ts"
import * as Task from "../src/Task.ts"
import type { Typed } from "../src/TaskContext.ts"
import { TaskEnded } from "../src/TaskEnded.ts"
import * as Worker from "../src/Worker.ts"
import { pass, started, stores, turns, within, world } from "./fixture.ts"

const combinations: ReadonlyArray<readonly [soFar: Stop | undefined, now: Stop, counts: Stop]> = [
  [undefined, "soft", "soft"],
  [undefined, "hard", "hard"],
  [undefined, "revoked", "revoked"],
  [undefined, "released", "released"],
  ["soft", "soft", "soft"],
  ["soft", "hard", "hard"],
  ["soft", "revoked", "revoked"],
  ["soft", "released", "soft"],
  ["hard", "soft", "hard"],
  ["hard", "hard", "hard"],
  ["hard", "revoked", "revoked"],
  ["hard", "released", "hard"],
  ["revoked", "soft", "revoked"],
  ["revoked", "hard", "revoked"],
  ["revoked", "revoked", "revoked"],
  ["revoked", "released", "revoked"],
  ["released", "soft", "released"],
  ["released", "hard", "released"],
  ["released", "revoked", "revoked"],
  ["released", "released", "released"]
]

describe("the reason that counts", () => {
  it.each(combinations)("%s, then %s: %s", (soFar, now, counts) => {
    assert.strictEqual(reasonThatCounts(soFar, now), counts)
  })

  it("does not depend on what comes in between, once it is a revoke", () => {
    for (const [soFar, now] of combinations) {
      assert.strictEqual(reasonThatCounts(reasonThatCounts(soFar, now), "revoked"), "revoked")
      assert.strictEqual(reasonThatCounts("revoked", now), "revoked")
    }
  })
})

class Job extends Task.make("job", { success: Schema.String }) {}

/** What may stop a run, at which time, in milliseconds. */
type Events = ReadonlyArray<readonly [at: number, event: "revoke" | "stop" | "lose the lease"]>

/** Needs two seconds for its finalizer. */
const slow = () => Effect.onInterrupt(Effect.never, () => Effect.sleep("2 seconds"))

/** Takes the soft limit, and goes on. */
const busy = (context: Typed<never>) =>
  context.withSoftTimeLimit(Effect.never).pipe(Effect.catchTag("SoftTimeLimitExceeded", () => slow()))

interface Life {
  readonly name: string
  readonly limits: { readonly softTimeLimit?: number; readonly timeLimit?: number }
  readonly handler: (context: Typed<never>) => Effect.Effect<never>
  readonly events: Events
  readonly outcome: "TimedOut" | "Revoked" | "Released"
  readonly state: "failed" | "revoked" | "queued"
}

const lives: ReadonlyArray<Life> = [
  {
    name: "hard limit, then revoked",
    limits: { timeLimit: 1000 },
    handler: slow,
    events: [[1500, "revoke"]],
    outcome: "Revoked",
    state: "revoked"
  },
  {
    name: "hard limit, then the worker stops",
    limits: { timeLimit: 1000 },
    handler: slow,
    events: [[1500, "stop"]],
    outcome: "TimedOut",
    state: "failed"
  },
  {
    name: "soft limit, then the worker stops",
    limits: { softTimeLimit: 1000 },
    handler: slow,
    events: [[1500, "stop"]],
    outcome: "TimedOut",
    state: "failed"
  },
  {
    name: "soft limit that the handler took, then the worker stops",
    limits: { softTimeLimit: 1000, timeLimit: 60_000 },
    handler: busy,
    events: [[1500, "stop"]],
    outcome: "Released",
    state: "queued"
  },
  {
    name: "soft limit that the handler took, then the hard one",
    limits: { softTimeLimit: 1000, timeLimit: 2000 },
    handler: busy,
    events: [[2500, "stop"]],
    outcome: "TimedOut",
    state: "failed"
  },
  {
    name: "soft limit, then revoked",
    limits: { softTimeLimit: 1000 },
    handler: slow,
    events: [[1500, "revoke"]],
    outcome: "Revoked",
    state: "revoked"
  },
  {
    name: "revoked, then the worker stops",
    limits: {},
    handler: slow,
    events: [
      [1000, "revoke"],
      [1500, "stop"]
    ],
    outcome: "Revoked",
    state: "revoked"
  },
  {
    name: "revoked, then the limit",
    limits: { timeLimit: 1500 },
    handler: slow,
    events: [[1000, "revoke"]],
    outcome: "Revoked",
    state: "revoked"
  },
  {
    name: "the worker stops, then revoked",
    limits: {},
    handler: slow,
    events: [
      [1000, "stop"],
      [1500, "revoke"]
    ],
    outcome: "Revoked",
    state: "revoked"
  },
  {
    name: "the worker stops, then the limit",
    limits: { timeLimit: 1500 },
    handler: slow,
    events: [[1000, "stop"]],
    outcome: "Released",
    state: "queued"
  },
  {
    name: "revoked, and it succeeds all the same",
    limits: {},
    handler: () => Effect.uninterruptible(Effect.delay(Effect.succeed("done"), "3 seconds")) as Effect.Effect<never>,
    events: [[1000, "revoke"]],
    outcome: "Revoked",
    state: "revoked"
  }
]

/** Outcomes as they are counted. */
const outcomes = Effect.map(Metric.snapshot, (snapshots) =>
  snapshots.flatMap(({ attributes, id }) =>
    id === "messaging.client.consumed.messages" ? [attributes?.["messaging.celeriac.outcome"]] : []
  )
)

describe.each(stores)("stopped twice: $store", ({ layer }) => {
  it.effect.each(lives)("$name: $outcome", ({ events, handler, limits, outcome, state }) =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* started(
          Worker.layer({ tasks: [Job], drainLimit: 0 }).pipe(
            Layer.provide(Job.toLayer((_, context) => handler(context)))
          )
        )
        const handle = yield* Job.enqueue(undefined, { retries: 0, ...limits })
        let now = 0
        for (const [at, event] of events) {
          yield* pass(at - now, 100)
          now = at
          if (event === "revoke") assert.isTrue(yield* handle.revoke())
          else yield* Effect.forkDetach(stop)
        }
        yield* pass("5 seconds", 100)
        assert.deepStrictEqual(yield* outcomes, [outcome])
        assert.deepStrictEqual(yield* handle.state, Option.some(state))
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
    )
  )

  it.effect("a second stop gives no more time: the grace counts from the interruption", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        yield* started(
          Worker.layer({ tasks: [Job], grace: "2 seconds" }).pipe(
            Layer.provide(Job.toLayer(() => Effect.uninterruptible(Effect.never)))
          )
        )
        const handle = yield* Job.enqueue(undefined, { timeLimit: "1 second", retries: 0 })
        yield* pass("2500 millis", 100)
        yield* handle.revoke()
        yield* pass("400 millis", 100)
        assert.isFalse(lines.some(({ text }) => text.includes("did not end")))
        yield* pass("200 millis", 100)
        const abandoned = lines.find(({ text }) => text.includes("did not end within 2s"))
        assert.deepInclude(abandoned?.annotations, { stop: "revoked", task: "job", attempt: 1 })
      })
    )
  )
})

describe("a finalizer that hangs", () => {
  const ends: Record<string, readonly [handler: Effect.Effect<string>, ending: string, retried: boolean]> = {
    "after a success": [Effect.succeed("done"), "done", false],
    "after a defect": [Effect.die("broken"), "broken", true],
    "after the limit interrupted its handler": [Effect.never, "TimeLimitExceeded", true]
  }
  it.effect.each(Object.entries(ends))("%s: the end of the handler counts", ([, [handler, ending, retried]]) =>
    world(stores[0].layer, ({ lines }) =>
      Effect.gen(function* () {
        let runs = 0
        const Live = Job.toLayer(() =>
          Effect.gen(function* () {
            runs++
            yield* Effect.addFinalizer(() => Effect.never)
            return yield* handler
          })
        )
        yield* started(Worker.layer({ tasks: [Job], grace: "2 seconds" }).pipe(Layer.provide(Live)))
        const handle = yield* Job.enqueue(undefined, { timeLimit: "5 seconds", retries: 1 })
        const exit = yield* within("1 minute", Effect.exit(handle.await))
        const end = Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause)
        assert.strictEqual(end instanceof TaskEnded ? end.reason._tag : end, ending)
        assert.strictEqual(runs, retried ? 2 : 1)
        const told = lines.filter(({ text }) => text.includes("a finalizer in its scope did not within 2s"))
        assert.strictEqual(told.length, runs)
      })
    )
  )
})

describe("a lease that is lost", () => {
  it.effect.each(stores)("$store: what comes of the run is no news of the message", ({ layer }) =>
    world(layer, ({ lines, wire }) =>
      Effect.gen(function* () {
        yield* started(
          Worker.layer({ tasks: [Job], name: "a", visibilityTimeout: "3 seconds" }).pipe(
            Layer.provide(Job.toLayer(slow))
          )
        )
        yield* Job.enqueue(undefined, { timeLimit: "2 seconds", retries: 0 })
        yield* turns
        wire.fate = ({ connection }) => (connection.startsWith("a-") ? "refused" : "carried out")
        yield* pass("10 seconds", 100)
        assert.isTrue(lines.some(({ text }) => text.includes("given up")))
        assert.deepStrictEqual(
          lines.filter(({ text }) => text.includes("ran longer")),
          [],
          "the limit came, but the message runs elsewhere"
        )
      })
    )
  )
})

describe("a message that its own handler stops at once", () => {
  it.effect.each(stores)("$store: the run ends", ({ layer }) =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        let interrupted = false
        const Live = Job.toLayer((_, { id }) =>
          Effect.andThen(
            Effect.flatMap(Job.handle(id), (handle) => handle.revoke()),
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
          )
        )
        yield* started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Live)))
        const handle = yield* Job.enqueue()
        yield* within("1 second", Effect.exit(handle.await))
        yield* turns
        assert.isTrue(interrupted)
        assert.isFalse(lines.some(({ text }) => text.includes("did not end")))
      })
    )
  )
})
