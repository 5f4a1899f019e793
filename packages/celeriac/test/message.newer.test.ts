/** Messages of a later version of the format: this worker leaves them to a newer one, for a while. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Broker, type Publication } from "../src/Broker.ts"
import * as Message from "../src/Message.ts"
import * as Task from "../src/Task.ts"
import * as TaskId from "../src/TaskId.ts"
import * as Worker from "../src/Worker.ts"
import { pass, started, stores, world } from "./fixture.ts"

class Job extends Task.make("job", { payload: { n: Schema.Number }, success: Schema.Number }) {}

const publish = Effect.fnUntraced(function* (message: Omit<Publication, "queue">) {
  const broker = yield* Broker
  yield* broker.publish({
    publisher: message.id,
    sequence: 1,
    resend: false,
    messages: [{ queue: "default", ...message }]
  })
  return yield* Job.handle(message.id)
})

const serve = started(Worker.layer({ tasks: [Job] }).pipe(Layer.provide(Job.toLayer(({ n }) => Effect.succeed(n)))))

/** What a future program may write. */
const wires: Record<string, string> = { "in JSON": `25{"t":"job"}`, "in another form": "25\u0001(job)" }

describe.each(stores)("$store", ({ layer }) => {
  it.effect.each(Object.entries(wires))(
    "%s: waits for ten minutes from when it was met first, then is dead",
    ([, wire]) =>
      world(layer, ({ wire: line }) =>
        Effect.gen(function* () {
          yield* serve
          const handles = [
            yield* publish({ id: "my-id", wire }),
            yield* publish({ id: yield* TaskId.make, wire }),
            // it falls due long after it was enqueued
            yield* publish({ id: "later", wire, delay: 60_000 }),
            yield* publish({ id: yield* TaskId.make, wire, delay: 60_000 })
          ]
          const states = Effect.forEach(handles, ({ state }) => Effect.map(state, Option.getOrUndefined))
          yield* pass("599 seconds", "1 second")
          assert.deepStrictEqual(yield* states, ["scheduled", "scheduled", "scheduled", "scheduled"])
          assert.isBelow(line.count("claim") / 600, 3, "put off for longer each time")
          yield* pass("2 seconds", "1 second")
          assert.deepStrictEqual(yield* states, ["dead", "dead", "scheduled", "scheduled"])
          yield* pass("1 minute", "1 second")
          assert.deepStrictEqual(yield* states, ["dead", "dead", "dead", "dead"])
          const letters = yield* (yield* Broker).deadLetters("default", { limit: 9 })
          for (const letter of letters) assert.include(letter.reason, "version 2")
        })
      )
  )

  it.effect("a newer worker finds the message as it was, beside the mark", () =>
    world(layer, () =>
      Effect.gen(function* () {
        const { stop } = yield* serve
        yield* publish({ id: "my-id", wire: wires["in another form"]! })
        yield* pass("10 seconds", "1 second")
        yield* stop
        const [where] = yield* (yield* Broker).locate([{ id: "my-id", queue: "default" }])
        assert(where !== undefined && where.place !== "ended")
        assert.match(where.wire, /^25\(\d+,\d+\)/)
        assert.isTrue(where.wire.endsWith(")\u0001(job)"))
        assert.isDefined(Message.putOff(where.wire))
      })
    )
  )
})
