/** How fast typed no-op tasks go through: enqueue, decode, handler, stored result. Each message's result is checked. */
import { type Broker, Client, type Notifier, type ResultBackend, Task, Worker } from "celeriac"
import { Clock, Console, Effect, Layer, Schema } from "effect"
import { summary } from "../statistics.ts"

export class Double extends Task.make("double", { payload: { n: Schema.Number }, success: Schema.Number }) {}

const DoubleLive = Double.toLayer(({ n }) => Effect.succeed(n * 2))

export const worker = Layer.provide(Worker.layer({ tasks: [Double] }), DoubleLive)

export type Contracts = Client.Client | Broker.Broker | ResultBackend.ResultBackend | Notifier.Notifier

/** Milliseconds. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const value = yield* effect
    return [value, Number((yield* Clock.monotonicTimeNanos) - start) / 1e6] as const
  })

export interface Rates {
  readonly enqueue: number
  readonly run: number
}

/** Enqueues all of them, then starts a worker in this process and waits for the last one. Per second. */
export const round = Effect.fnUntraced(function* (tasks: number) {
  const client = yield* Client.Client
  const payloads = Array.from({ length: tasks }, (_, n) => ({ n }))
  const [handles, enqueueTime] = yield* timed(Double.enqueueAll(payloads))
  // the queue is one: when its last message has ended, all have
  const work = Effect.scoped(Effect.andThen(Layer.build(worker), handles[tasks - 1]!.await))
  const [, runTime] = yield* timed(work)
  for (const [n, handle] of handles.entries()) {
    const record = yield* client.poll(handle)
    if (record?.ending._tag !== "Success" || record.ending.value !== n * 2) {
      return yield* Effect.die(new Error(`message ${n} has no right result: ${JSON.stringify(record)}`))
    }
  }
  return { enqueue: (tasks / enqueueTime) * 1000, run: (tasks / runTime) * 1000 } satisfies Rates
})

/** Several rounds after one that does not count, each on layers of its own. */
export const measured = Effect.fnUntraced(function* <E>(
  count: number,
  tasks: number,
  layer: (round: number) => Layer.Layer<Contracts, E>,
  report: (rates: Rates, round: number) => Effect.Effect<void> = () => Effect.void
) {
  const results: Array<Rates> = []
  for (let index = 0; index <= count; index++) {
    const result = yield* Effect.provide(round(tasks), layer(index), { local: true })
    if (index > 0) results.push(result)
    yield* report(result, index)
  }
  return {
    enqueue: summary(results.map(({ enqueue }) => enqueue)),
    run: summary(results.map(({ run }) => run))
  }
})

/** Prints each and the median. */
export const rounds = Effect.fnUntraced(function* <E>(
  count: number,
  tasks: number,
  layer: (round: number) => Layer.Layer<Contracts, E>
) {
  const middle = yield* measured(count, tasks, layer, ({ enqueue, run }, index) =>
    Console.log(`  enqueue ${perSecond(enqueue)}   run ${perSecond(run)}${index === 0 ? "   (warm-up)" : ""}`)
  )
  yield* Console.log(`median: enqueue ${perSecond(middle.enqueue.median)}, run ${perSecond(middle.run.median)}`)
})

export const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString("en").padStart(9)}/s`
