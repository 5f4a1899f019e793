import { Effect } from "effect"
import { type Metric, usualBytes, type Workload } from "./Workload.ts"

export const metrics = {
  bulkEnqueue: { key: "bulkEnqueue", title: "bulk enqueue", unit: "/s", better: "more" },
  process: { key: "process", title: "process no-ops", unit: "/s", better: "more" },
  bytesPerWaiting: { key: "bytesPerWaiting", title: "Redis memory per waiting message", unit: "bytes", better: "less" },
  bytesPerFinished: { key: "bytesPerFinished", title: "Redis memory per finished task", unit: "bytes", better: "less" },
  enqueueCpu: { key: "enqueueCpu", title: "CPU of the producer per message", unit: "µs", better: "less" },
  workerCpu: { key: "workerCpu", title: "CPU of the worker per task", unit: "µs", better: "less" },
  redisCpu: { key: "redisCpu", title: "CPU of Redis per task", unit: "µs", better: "less" },
  rawLpush: { key: "rawLpush", title: "raw LPUSH in pipelines", unit: "/s", better: "more" }
} as const satisfies Record<string, Metric>

/** The main figures: a backlog is enqueued, then one worker process runs it, then every result is read. */
export const throughput: Workload = {
  name: "throughput",
  title: "A backlog of no-ops",
  how: "A backlog of messages of 200 bytes is enqueued in bulk; then one worker process decodes them, runs them and stores their results.",
  metrics: Object.values(metrics),
  fits: () => true,
  measure: ({ bench: { server, session }, ran, system, tasks }) =>
    session(
      system,
      {},
      Effect.fnUntraced(function* ({ check, fill, produce, run }) {
        const empty = yield* server.memory
        const filled = yield* fill({ count: tasks, bytes: usualBytes })
        const waiting = (yield* server.memory) - empty
        const { perSecond, redisCpu, workerCpu } = yield* run()
        const finished = (yield* server.memory) - empty
        yield* check()
        ran(perSecond)
        const raw = { _tag: "RawPush", count: tasks, bytes: usualBytes } as const
        return {
          bulkEnqueue: filled.perSecond,
          process: perSecond,
          bytesPerWaiting: waiting / tasks,
          bytesPerFinished: finished / tasks,
          enqueueCpu: filled.cpu,
          workerCpu,
          redisCpu,
          ...(system.name === "floor" && { rawLpush: (tasks * 1e9) / (yield* produce(raw)).figures["nanos"]! })
        }
      })
    )
}

/** The same with the server's append-only file. */
export const durable: Workload = {
  name: "durable",
  title: "A backlog of no-ops, with AOF everysec",
  how: "The same, while Redis appends each change to a file that is flushed to the disk once a second.",
  metrics: [metrics.bulkEnqueue, metrics.process, metrics.redisCpu],
  fits: () => true,
  measure: ({ bench: { server, session }, system, tasks }) =>
    session(
      system,
      {},
      Effect.fnUntraced(function* ({ check, fill, run }) {
        yield* server.appendOnly(true)
        const filled = yield* fill({ count: tasks, bytes: usualBytes })
        const { perSecond, redisCpu } = yield* run()
        yield* check()
        return { bulkEnqueue: filled.perSecond, process: perSecond, redisCpu }
      })
    ).pipe(Effect.ensuring(Effect.ignore(server.appendOnly(false))))
}
