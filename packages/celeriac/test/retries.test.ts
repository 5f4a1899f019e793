/** The number of retries that a call names, from the call to the last attempt. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Task from "../src/Task.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, errorOf, started, stores, within, world } from "./fixture.ts"

const plain = { delay: "1 second", backoff: "constant", jitter: false } as const

/** Delays in seconds. */
const cases: ReadonlyArray<
  readonly [what: string, retry: Task.Policies<Boom>["retry"], retries: number, delays: ReadonlyArray<number>]
> = [
  ["more than the policy's", { ...plain, times: 1 }, 4, [1, 1, 1, 1]],
  ["fewer than the policy's", { ...plain, times: 4 }, 1, [1]],
  ["none", { ...plain, times: 4 }, 0, []],
  ["of a policy without a number", plain, 5, [1, 1, 1, 1, 1]],
  ["of a schedule that goes on", { schedule: Schedule.spaced("2 seconds"), times: 1 }, 3, [2, 2, 2]],
  [
    "of a schedule that ends sooner",
    { schedule: Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(2)]) },
    9,
    [1, 1]
  ],
  ["of a policy that refuses the error", { ...plain, while: () => false }, 3, []]
]

const runsOf = Effect.fnUntraced(function* (retry: Task.Policies<Boom>["retry"], retries: number) {
  class Job extends Task.make("job", { error: Boom, retry }) {}
  const times: Array<number> = []
  yield* started(
    Worker.layer({ tasks: [Job] }).pipe(
      Layer.provide(
        Job.toLayer((_, { attempt }) =>
          Effect.gen(function* () {
            times.push(yield* Clock.currentTimeMillis)
            assert.strictEqual(attempt, times.length)
            return yield* new Boom({ code: 1 })
          })
        )
      )
    )
  )
  const handle = yield* Job.enqueue(undefined, { retries })
  const error = errorOf(yield* within("1 hour", Effect.exit(handle.await), "100 millis"))
  assert.strictEqual(error._tag, "Boom")
  return times.slice(1).map((time, index) => (time - times[index]!) / 1000)
})

const silent: Record<string, Effect.Effect<never>> = {
  "waits for ever": Effect.never,
  "waits for ever and cannot be interrupted": Effect.uninterruptible(Effect.never)
}

describe.each(stores)("a schedule that never answers, $store", ({ layer }) => {
  it.effect.each(Object.entries(silent))("because it %s: no retry, and the slot is free", ([, answer]) =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        const schedule = Schedule.spaced("1 second").pipe(Schedule.modifyDelay(() => answer))
        class Job extends Task.make("job", { error: Boom, retry: { schedule } }) {}
        class Other extends Task.make("other") {}
        yield* started(
          Worker.layer({ tasks: [Job, Other], concurrency: 1, grace: "3 seconds" }).pipe(
            Layer.provide([Job.toLayer(() => new Boom({ code: 1 })), Other.toLayer(() => Effect.void)])
          )
        )
        const handle = yield* Job.enqueue()
        const other = yield* Other.enqueue()
        const error = errorOf(yield* within("4 seconds", Effect.exit(handle.await)))
        assert.strictEqual(error._tag, "Boom")
        yield* within("1 second", other.await)
        const told = lines.find(({ text }) => text.includes('the retry schedule of task "job"'))
        assert.deepInclude(told, { level: "Error" })
        assert.include(told?.text, "3s")
      })
    )
  )
})

describe.each(stores)("retries of a call, $store", ({ layer }) => {
  it.effect.each(cases)("%s", ([, retry, retries, delays]) =>
    world(layer, () => Effect.map(runsOf(retry, retries), (found) => assert.deepStrictEqual(found, delays)))
  )

  it.effect("of a task without a policy: that many, after the delays of `retry: true`", () =>
    world(layer, () =>
      Effect.map(runsOf(undefined, 5), (found) => {
        assert.strictEqual(found.length, 5)
        for (const [index, delay] of found.entries()) assert.isAtMost(delay, 2 ** index + 0.1)
      })
    )
  )
})
