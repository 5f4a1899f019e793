/**
 * What the harness and the processes that it measures say to each other: one JSON text a line, on stdin and stdout, so that a
 * process may be written in any language. Each command is answered once, in its order.
 */
import { Schema } from "effect"

const { Finite, String, TaggedStruct, Union, optionalKey } = Schema

/** What a system is asked to do in the process that enqueues. */
export const ProducerCommand = Union([
  /** Connect. `name` is new for each session. */
  TaggedStruct("Open", { url: String, name: String }),
  /** Enqueue so many at once. `dueIn`: milliseconds from now on, the same instant for all. Answer: `nanos`, `cpu`. */
  TaggedStruct("Fill", { count: Finite, bytes: Finite, dueIn: optionalKey(Finite) }),
  /** So many callers, each of whom waits for its receipt before it enqueues the next. Answer: `count`, `nanos`. */
  TaggedStruct("Singles", { callers: Finite, millis: Finite, bytes: Finite }),
  /**
   * Enqueue so many at this rate, one by one, however long that takes. `watch`: wait for the results of so many a second.
   * `delay`: milliseconds for each. Answer: `count`, `nanos`, and samples `result` in milliseconds.
   */
  TaggedStruct("Steady", {
    rate: Finite,
    count: Finite,
    bytes: Finite,
    watch: Finite,
    delay: optionalKey(Finite)
  }),
  /** Enqueue one, wait for its result, and again. Answer: samples `result` in milliseconds. */
  TaggedStruct("Calls", { count: Finite, bytes: Finite }),
  /** Read the results of all that was enqueued since `Open`. Answer: `count`, `missing`, `wrong`. */
  TaggedStruct("Check", {}),
  /** Only the floor knows this: LPUSH commands in pipelines. Answer: `nanos`. */
  TaggedStruct("RawPush", { count: Finite, bytes: Finite }),
  TaggedStruct("Close", {})
])
export type ProducerCommand = typeof ProducerCommand.Type

/** What it is asked to do in a worker's process. */
export const WorkerCommand = Union([
  /** Be ready to start. `concurrency` 0: the system's default. `work`: milliseconds that each task waits. */
  TaggedStruct("Open", { url: String, name: String, concurrency: Finite, work: Finite }),
  /** Answer: `at`, the time of the command on the monotonic clock in nanoseconds, and `cpu`. */
  TaggedStruct("Start", {}),
  /** Answer: `runs` since `Open`, `cpu` of the process in microseconds, `heap` in bytes, samples `start` in milliseconds. */
  TaggedStruct("Report", {}),
  /** Stop gracefully. */
  TaggedStruct("Stop", {}),
  TaggedStruct("Close", {})
])
export type WorkerCommand = typeof WorkerCommand.Type

export type Command = ProducerCommand | WorkerCommand
export type Role = "producer" | "worker"

export const Reply = Schema.Struct({
  /** When it could not be done. */
  error: optionalKey(String),
  figures: optionalKey(Schema.Record(String, Finite)),
  samples: optionalKey(Schema.Record(String, Schema.Array(Finite)))
})
export type Reply = typeof Reply.Type
