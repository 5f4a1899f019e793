/**
 * bee-queue as its README has it:
 * - bulk: `saveAll`;
 * - a queue that only enqueues: `isWorker: false`, `getEvents: false`, `storeJobs: false`;
 * - waiting for a result: the queue's event `job succeeded`, which needs `getEvents`: a queue of its own. The event of the
 *   job itself is missed when the job ends before `save` has its answer.
 *
 * It keeps the job and that it succeeded, but not the result: that is published once to whoever listens.
 */
import Queue from "bee-queue"
import { Redis } from "ioredis"
import type { Payload } from "../payload.ts"
import { bulk, chunks, inFlight, type MakeProducer, promising } from "../roles.ts"

export const make: MakeProducer = async ({ name, url }) => {
  const { hostname: host, port } = new URL(url)
  const common = { redis: { host, port: Number(port) }, isWorker: false }
  const queue = new Queue<Payload>(name, { ...common, getEvents: false, storeJobs: false })
  await queue.ready()
  /** Hears of results, some of them before it is known what job they belong to. */
  const listen = async () => {
    const queue = new Queue<Payload>(name, { ...common, storeJobs: false })
    const waiting = new Map<string, (result: number) => void>()
    const early = new Map<string, number>()
    queue.on("job succeeded", (id: string, result: number) => {
      const resolve = waiting.get(id)
      if (resolve === undefined) early.set(id, result)
      else resolve(result)
    })
    await queue.ready()
    return { queue, waiting, early }
  }
  let caller: ReturnType<typeof listen> | undefined
  const ids: Array<string> = []
  const create = (on: Queue<Payload>, payload: Payload, due?: number) => {
    const job = on.createJob(payload)
    return due === undefined ? job : job.delayUntil(due)
  }
  // bee-queue is told a time of day, not a span
  const soon = (delay: number | undefined) => (delay === undefined ? undefined : new Date().getTime() + delay)
  const enqueue = async (payload: Payload, delay?: number) => {
    const { id } = await create(queue, payload, soon(delay)).save()
    ids[payload.n] = id
  }
  return {
    enqueueAll: (payloads, dueIn) => {
      const due = soon(dueIn)
      return inFlight(chunks(payloads, bulk.size), bulk.atOnce, async (some) => {
        const jobs = some.map((payload) => create(queue, payload, due))
        const errors = await queue.saveAll(jobs)
        for (const error of errors.values()) throw error
        for (const [index, { id }] of jobs.entries()) ids[some[index]!.n] = id
      })
    },
    enqueue,
    enqueueFrom: promising(enqueue),
    call: async (payload) => {
      caller ??= listen()
      const { queue, waiting, early } = await caller
      const { id } = await create(queue, payload).save()
      ids[payload.n] = id
      if (early.has(id)) return early.get(id)!
      return new Promise<number>((resolve) => waiting.set(id, resolve))
    },
    results: async (count) => {
      const redis = new Redis(url)
      const results: Array<unknown> = []
      for (const some of chunks(ids.slice(0, count), bulk.size)) {
        const succeeded = await redis.smismember(`bq:${name}:succeeded`, ...some)
        for (const is of succeeded) results.push(is === 1 ? "succeeded" : undefined)
      }
      redis.disconnect()
      return results
    },
    close: async () => Promise.all([queue.close(), (await caller)?.queue.close()])
  }
}
