/** As its README has it for a queue that only works: `getEvents: false`, `storeJobs: false`; its results are published. */
import { setTimeout as sleep } from "node:timers/promises"
import Queue from "bee-queue"
import type { Payload } from "../payload.ts"
import type { MakeWorker } from "../roles.ts"

export const make: MakeWorker = async ({ name, url }, { concurrency = 1, run, work }) => {
  const { hostname: host, port } = new URL(url)
  const queue = new Queue<Payload>(name, {
    redis: { host, port: Number(port) },
    getEvents: false,
    storeJobs: false,
    activateDelayedJobs: true
  })
  await queue.ready()
  let closed: Promise<void> | undefined
  const stop = () => (closed ??= queue.close(10_000))
  return {
    start: async () =>
      queue.process(concurrency, async ({ data }) => {
        const result = run(data)
        if (work > 0) await sleep(work)
        return result
      }),
    stop,
    close: stop
  }
}
