/**
 * How many typed no-op tasks the memory layers run in a second, in one process: enqueue, decode, handler, stored result.
 * Prints the rate of each round and the median; checks that every message has its result.
 *
 * Run: `npm run bench -- memory [tasks] [rounds]`
 */
import { CeleriacMemory, Client, Task, Worker } from "celeriac"
import { Clock, Console, Effect, Layer, Logger, Schema } from "effect"

class Double extends Task.make("double", { payload: { n: Schema.Number }, success: Schema.Number }) {}

const DoubleLive = Double.toLayer(({ n }) => Effect.succeed(n * 2))

const worker = Layer.provide(Worker.layer({ tasks: [Double] }), DoubleLive)

/** Milliseconds. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const value = yield* effect
    return [value, Number((yield* Clock.monotonicTimeNanos) - start) / 1e6] as const
  })

const round = (tasks: number) =>
  Effect.gen(function* () {
    const client = yield* Client.Client
    const [handles, enqueueTime] = yield* timed(Double.enqueueAll(Array.from({ length: tasks }, (_, n) => ({ n }))))
    const [, runTime] = yield* timed(
      Effect.scoped(
        Effect.andThen(
          Layer.build(worker),
          // the queue is one: when its last message has ended, all have
          handles[tasks - 1]!.await
        )
      )
    )
    for (const [n, handle] of handles.entries()) {
      const record = yield* client.poll(handle)
      if (record?.ending._tag !== "Success" || record.ending.value !== n * 2) {
        return yield* Effect.die(new Error(`message ${n} has no right result: ${JSON.stringify(record)}`))
      }
    }
    return { enqueue: (tasks / enqueueTime) * 1000, run: (tasks / runTime) * 1000 }
  }).pipe(Effect.provide(CeleriacMemory.layer, { local: true }))

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString("en").padStart(9)}/s`

export const main = Effect.fn("memory")(
  function* (tasks = 100_000, rounds = 5) {
    yield* Console.log(`memory layers, ${tasks} typed no-op tasks, ${rounds} rounds after one warm-up`)
    const results: Array<{ readonly enqueue: number; readonly run: number }> = []
    for (let index = 0; index <= rounds; index++) {
      const result = yield* round(tasks)
      if (index > 0) results.push(result)
      yield* Console.log(
        `  enqueue ${perSecond(result.enqueue)}   run ${perSecond(result.run)}${index === 0 ? "   (warm-up)" : ""}`
      )
    }
    yield* Console.log(
      `median: enqueue ${perSecond(median(results.map((r) => r.enqueue)))}, run ${perSecond(median(results.map((r) => r.run)))}`
    )
  },
  Effect.provide(Logger.layer([]))
)
