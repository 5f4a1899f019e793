/**
 * The floor: what Redis and Node can do with plain callbacks when nobody owns a message and nothing is promised. A list of
 * whole messages, and a record with a time to live for each result.
 */
import { Redis } from "ioredis"
import type { Payload } from "../payload.ts"
import { chunks, inFlight, type MakeProducer, promising } from "../roles.ts"

const chunk = 200
const atOnce = 4

export const make: MakeProducer = async ({ name, url }) => {
  const redis = new Redis(url)
  await redis.ping()
  const write = (payload: Payload) => JSON.stringify(payload)
  const enqueue = (payload: Payload) => redis.rpush(name, write(payload))
  return {
    enqueueAll: (payloads) =>
      inFlight(chunks(payloads, chunk), atOnce, (some) => redis.rpush(name, ...some.map(write))),
    enqueue,
    enqueueFrom: promising(enqueue),
    call: undefined,
    results: async (count) => {
      const results: Array<unknown> = []
      for (const some of chunks(
        Array.from({ length: count }, (_, n) => `record:${n}`),
        1000
      )) {
        for (const record of await redis.mget([...some])) {
          results.push(record === null ? undefined : (JSON.parse(record) as { readonly value: unknown }).value)
        }
      }
      return results
    },
    rawPush: (payloads) =>
      inFlight(chunks(payloads, 1000), atOnce, (some) => {
        const pipeline = redis.pipeline()
        for (const payload of some) pipeline.lpush(`${name}:raw`, write(payload))
        return pipeline.exec()
      }),
    close: async () => redis.disconnect()
  }
}
