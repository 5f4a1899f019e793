/** The steps of the hot path, each with all that it needs at hand, and without a server. */
import { type Broker, Client, Message, Outcome, Task, TaskId, TaskRecord } from "celeriac"
import { Clock, Context, Effect, Exit, Layer, Result } from "effect"
// these have no public name: the worker is made of them
import { fiberPool } from "../../../celeriac/src/internal/FiberPool.ts"
import { payloadOf } from "../../../celeriac/src/internal/payload.ts"
import { Bench } from "../systems/celeriac/task.ts"
import { payload, resultOf } from "../systems/payload.ts"
import { usualBytes } from "../workloads/Workload.ts"

export interface Step {
  readonly name: string
  /** Does it so many times, and says how many came out right. */
  readonly times: (count: number) => Effect.Effect<number>
}

/** A step that needs no fiber. */
const plain = (name: string, once: (index: number) => boolean): Step => ({
  name,
  times: (count) =>
    Effect.sync(() => {
      let right = 0
      for (let index = 0; index < count; index++) if (once(index)) right++
      return right
    })
})

const unused = Effect.die(new Error("the benchmark only publishes"))

/** Accepts everything at once. */
const accepting = Client.Client.of({
  publish: (messages) => Effect.succeed(messages.map((): Broker.Receipt => "accepted")),
  await: () => unused,
  poll: () => unused,
  state: () => unused,
  changes: () => {
    throw new Error("the benchmark only publishes")
  },
  revoke: () => unused,
  forget: () => unused
})

/** As many are enqueued in one call. */
const batch = 1000

export const make = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const value = payload(1, usualBytes)
  const context = Context.make(Client.Client, accepting)
  const nextId = Context.get(context, TaskId.Generator).next
  const message: Message.Message = {
    id: nextId(now),
    queue: "default",
    task: Bench._tag,
    priority: 5,
    payload: value
  }
  const wire = Message.encode(message)
  const outcome: Outcome.Outcome = { _tag: "Succeeded", value: resultOf(value) }
  const run: Outcome.Run = {
    message,
    wire,
    endedAt: now,
    startedAt: now,
    resultTtl: 86_400_000,
    dedupeWindow: 600_000,
    ignoreResult: false,
    deliveries: 1,
    maxDeliveries: 5,
    worker: "bench",
    unknownTaskWindow: 600_000,
    maxResultSize: 1_000_000
  }
  const record = TaskRecord.encode({
    state: "succeeded",
    endedAt: now,
    attempts: 1,
    ending: { _tag: "Success", value: outcome.value }
  })
  const handlers = Task.registeredIn(yield* Layer.build(Bench.toLayer((payload) => Effect.succeed(resultOf(payload)))))
  const runner = yield* fiberPool.make({ worker: "bench", grace: 5000, handlers })
  const work = { message, deliveries: 1, limits: { soft: undefined, hard: undefined }, startedAt: now }

  const enqueue: Step = {
    name: "enqueue: check, encode, make the handle",
    times: (count) =>
      Effect.gen(function* () {
        let right = 0
        for (let left = count; left > 0; left -= batch) {
          const payloads = Array.from({ length: Math.min(batch, left) }, (_, index) => payload(index, usualBytes))
          right += (yield* Bench.enqueueAll(payloads)).length
        }
        return right
      }).pipe(Effect.provideContext(context), Effect.orDie)
  }
  /** Runs that have to wait for something do not end at once: here none does. */
  const start: Step = plain("start: decode, context, fiber, outcome", () => {
    let ended = false
    runner.start(work, {
      onEnd: (outcome) => (ended = outcome._tag === "Succeeded"),
      onProgress: () => {}
    })
    return ended
  })

  return [
    plain("id", () => nextId(now).length === 22),
    enqueue,
    plain("message: encode", () => Message.encode(message).length === wire.length),
    plain("message: decode", () => Result.isSuccess(Message.decode(message, wire))),
    plain("payload: decode by its schema", () => {
      const decoded = payloadOf(Bench, message)
      return Exit.isExit(decoded) && Exit.isSuccess(decoded)
    }),
    start,
    plain("settle: from the outcome to the record", () => Outcome.settle(outcome, run).state === "succeeded"),
    plain("record: decode", () => Result.isSuccess(TaskRecord.decode(record)))
  ] satisfies ReadonlyArray<Step>
})
