import { CeleriacRedis } from "@celeriac/redis"
import { ResultBackend, TaskRecord } from "celeriac"
import { Effect, ManagedRuntime, Result } from "effect"
import type { Payload } from "../payload.ts"
import { bulk, chunks, type MakeProducer } from "../roles.ts"
import { Bench } from "./task.ts"

const valueOf = (record: string | undefined): unknown => {
  if (record === undefined) return undefined
  const { ending, state } = Result.getOrThrowWith(TaskRecord.decode(record), (problem) => new Error(problem))
  return state === "succeeded" && ending._tag === "Success" ? ending.value : { state, ending }
}

export const make: MakeProducer = async ({ name, url }) => {
  const runtime = ManagedRuntime.make(CeleriacRedis.layer({ url, prefix: name }))
  // connected from here on
  await runtime.context()
  const addresses: Array<{ readonly id: string; readonly queue: string }> = []
  const keep = (n: number, { id, queue }: { readonly id: string; readonly queue: string }) => {
    addresses[n] = { id, queue }
  }
  const enqueue = (payload: Payload, delay?: number) =>
    Effect.map(Bench.enqueue(payload, delay === undefined ? {} : { delay }), (handle) => {
      keep(payload.n, handle)
      return handle
    })
  return {
    enqueueAll: (payloads, dueIn) => {
      const options = dueIn === undefined ? {} : { delay: dueIn }
      const some = (part: ReadonlyArray<Payload>) =>
        Effect.map(Bench.enqueueAll(part, options), (handles) => {
          for (const [index, handle] of handles.entries()) keep(part[index]!.n, handle)
        })
      return runtime.runPromise(
        Effect.forEach(chunks(payloads, bulk.size), some, { concurrency: bulk.atOnce, discard: true })
      )
    },
    enqueue: (payload, delay) => runtime.runPromise(enqueue(payload, delay)),
    enqueueFrom: (callers, next) => {
      const caller = Effect.gen(function* () {
        for (let payload = next(); payload !== undefined; payload = next()) yield* enqueue(payload)
      })
      return runtime.runPromise(
        Effect.forEach(Array.from({ length: callers }), () => caller, { concurrency: "unbounded", discard: true })
      )
    },
    call: (payload) => runtime.runPromise(Effect.flatMap(enqueue(payload), (handle) => handle.await)),
    results: (count) =>
      runtime.runPromise(
        Effect.gen(function* () {
          const backend = yield* ResultBackend.ResultBackend
          const results: Array<unknown> = []
          for (const some of chunks(addresses.slice(0, count), bulk.size)) {
            for (const { record } of yield* backend.read(some)) results.push(valueOf(record))
          }
          return results
        })
      ),
    close: () => runtime.dispose()
  }
}
