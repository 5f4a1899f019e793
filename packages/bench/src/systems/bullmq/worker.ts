/** Its guarantees (locks, their renewal, the check for stalled jobs) are on, as they are by default. */
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "bullmq"
import type { Payload } from "../payload.ts"
import type { MakeWorker } from "../roles.ts"

export const make: MakeWorker = async ({ name, url }, { concurrency = 1, run, work }) => {
  const { hostname: host, port } = new URL(url)
  const worker = new Worker<Payload, number>(
    name,
    async ({ data }) => {
      const result = run(data)
      if (work > 0) await sleep(work)
      return result
    },
    // docs.bullmq.io/guide/going-to-production: commands of workers are tried until they succeed
    { connection: { host, port: Number(port), maxRetriesPerRequest: null }, concurrency, autorun: false }
  )
  await worker.waitUntilReady()
  return {
    start: async () => void worker.run(),
    stop: () => worker.close(),
    close: () => worker.close()
  }
}
