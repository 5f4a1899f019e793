/** A server that does not answer at all: a worker that is to stop does so all the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Call } from "../src/memory/Transport.ts"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { elapsed, pass, started, stores, turns, within, world } from "./fixture.ts"

class Job extends Task.make("job", {
  payload: { millis: Schema.Number },
  progress: Schema.Number,
  retry: { delay: 10, jitter: false, times: 100 }
}) {}

const drainLimit = 2000
const grace = 1000

/** Beyond the drain limit and the grace, milliseconds: what is asked of the broker at the end, with some time for each. */
const slack = 5000

/** Which steps are silent. */
const silences: Record<string, (call: Call) => boolean> = {
  everything: () => true,
  claim: ({ step }) => step === "claim",
  settle: ({ step }) => step === "settle",
  commit: ({ step }) => step === "commit",
  note: ({ step }) => step === "note",
  "renew and reconcile": ({ step }) => step === "renew" || step === "reconcile",
  recover: ({ step }) => step === "recover",
  overdue: ({ step }) => step === "overdue",
  end: ({ step }) => step === "end",
  close: ({ step }) => step === "close"
}

/** What the worker is doing when the server falls silent. */
const busy: Record<string, ReadonlyArray<number>> = {
  nothing: [],
  "messages that end at once": [0, 0, 0],
  "messages that end within the drain limit": [500, 1000],
  "messages that do not end": [1e9, 1e9]
}

describe.each(stores)("$store", ({ layer }) => {
  const cases = Object.keys(silences).flatMap((silence) => Object.keys(busy).map((work) => [silence, work] as const))
  it.effect.each(cases)("silent is %s, the worker holds %s: it stops in time", ([silence, work]) =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const Live = Job.toLayer(({ millis }, task) =>
          Effect.andThen(task.progress(1), Effect.andThen(Effect.sleep(millis), Effect.die("no")))
        )
        const options = { tasks: [Job], queues: ["default", "one", "two", "three"], drainLimit, grace } as const
        const { stop } = yield* started(Worker.layer(options).pipe(Layer.provide(Live)))
        yield* Job.enqueueAll(busy[work]!.map((millis) => ({ millis })))
        yield* Job.enqueue({ millis: 0 }, { queue: "lonely", expires: "1 second" })
        yield* turns
        wire.fate = (call) => (silences[silence]!(call) ? "silence" : "carried out")
        yield* pass("11 seconds", "1 second")
        const before = yield* elapsed
        yield* within("1 minute", stop, "100 millis")
        assert.isAtMost((yield* elapsed) - before, drainLimit + grace + slack)
      })
    )
  )

  it.effect("a consumer of many queues is closed in a few seconds, not in some for each queue", () =>
    world(layer, ({ wire }) =>
      Effect.gen(function* () {
        const queues = Array.from({ length: 50 }, (_, index) => `q${index}`)
        const { stop } = yield* started(
          Worker.layer({ tasks: [Job], queues, drainLimit: 0, grace: 0 }).pipe(
            Layer.provide(Job.toLayer(() => Effect.void))
          )
        )
        wire.fate = ({ step }) => (step === "close" ? "silence" : "carried out")
        yield* within(slack, stop, "100 millis")
      })
    )
  )
})
