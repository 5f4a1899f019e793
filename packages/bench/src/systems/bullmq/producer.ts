/**
 * BullMQ as its guide has it:
 * - bulk: `addBulk` (docs.bullmq.io/guide/queues/adding-bulks);
 * - results kept for a day, as Celeriac's are: `removeOnComplete: { age }` (docs.bullmq.io/guide/queues/auto-removal-of-jobs);
 *   without its `count`, for all of them are read at the end;
 * - waiting for a result: `job.waitUntilFinished` (docs.bullmq.io/guide/events).
 */
import { type Job, Queue, QueueEvents } from "bullmq"
import { Redis } from "ioredis"
import type { Payload } from "../payload.ts"
import { bulk, chunks, inFlight, type MakeProducer, promising } from "../roles.ts"

export const make: MakeProducer = async ({ name, url }) => {
  const { hostname: host, port } = new URL(url)
  const connection = { host, port: Number(port) }
  const queue = new Queue<Payload, number, "bench">(name, {
    connection,
    defaultJobOptions: { removeOnComplete: { age: 86_400 } }
  })
  await queue.waitUntilReady()
  // only who waits for results needs events; it reads them from the beginning, so that it misses none while it connects
  let events: QueueEvents | undefined
  const listening = async () => {
    events ??= new QueueEvents(name, { connection, lastEventId: "0-0" })
    await events.waitUntilReady()
    return events
  }
  const ids: Array<string> = []
  const keep = ({ n }: Payload, { id }: Job) => {
    ids[n] = id!
  }
  const enqueue = async (payload: Payload, delay?: number) => {
    const job = await queue.add("bench", payload, delay === undefined ? undefined : { delay })
    keep(payload, job)
    return job
  }
  return {
    enqueueAll: (payloads, dueIn) =>
      inFlight(chunks(payloads, bulk.size), bulk.atOnce, async (some) => {
        const opts = dueIn === undefined ? {} : { opts: { delay: dueIn } }
        const jobs = await queue.addBulk(some.map((data) => ({ name: "bench", data, ...opts })))
        for (const [index, job] of jobs.entries()) keep(some[index]!, job)
      }),
    enqueue,
    enqueueFrom: promising(enqueue),
    call: async (payload) => {
      const listener = await listening()
      const job = await enqueue(payload)
      return job.waitUntilFinished(listener)
    },
    results: async (count) => {
      const redis = new Redis(url)
      const results: Array<unknown> = []
      for (const some of chunks(ids.slice(0, count), bulk.size)) {
        const pipeline = redis.pipeline()
        for (const id of some) pipeline.hget(`bull:${name}:${id}`, "returnvalue")
        for (const [error, value] of (await pipeline.exec()) ?? []) {
          if (error !== null) throw error
          results.push(typeof value === "string" ? JSON.parse(value) : undefined)
        }
      }
      redis.disconnect()
      return results
    },
    close: () => Promise.all([queue.close(), events?.close()])
  }
}
