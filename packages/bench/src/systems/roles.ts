/** What a system must be able to do to be measured: these are implemented in `<system>/producer.ts` and `worker.ts`. */
import type { Payload } from "./payload.ts"

export interface Session {
  readonly url: string
  /** New for each session: for queues or key prefixes. */
  readonly name: string
}

export interface Producer {
  /** As fast as it goes, in the way that the system recommends for many. Resolved when the server has accepted all. */
  readonly enqueueAll: (payloads: ReadonlyArray<Payload>, dueIn?: number) => Promise<unknown>
  /** One. */
  readonly enqueue: (payload: Payload, delay?: number) => Promise<unknown>
  /** So many callers enqueue one by one, until there is no next. */
  readonly enqueueFrom: (callers: number, next: () => Payload | undefined) => Promise<unknown>
  /** Enqueues one and waits for its result. `undefined` for a system that tells nobody. */
  readonly call: ((payload: Payload) => Promise<number>) | undefined
  /**
   * The stored results of the messages with `n` below `count`, in the order of `n`. For a system that stores that a task
   * succeeded but not its result: `"succeeded"`.
   */
  readonly results: (count: number) => Promise<ReadonlyArray<unknown>>
  readonly rawPush?: (payloads: ReadonlyArray<Payload>) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** What a worker's handler is made of. */
export interface Job {
  /** Called when a run starts; gives the result. */
  readonly run: (payload: Payload) => number
  /** Milliseconds that the handler waits before it returns that. */
  readonly work: number
  /** `undefined`: the system's default. */
  readonly concurrency: number | undefined
}

export interface Worker {
  readonly start: () => Promise<unknown>
  /** Gracefully. */
  readonly stop: () => Promise<unknown>
  readonly close: () => Promise<unknown>
}

export type MakeProducer = (session: Session) => Promise<Producer>
/** Connected, but not started. */
export type MakeWorker = (session: Session, job: Job) => Promise<Worker>

/** `enqueueFrom` of a system whose calls are promises. */
export const promising =
  (enqueue: (payload: Payload) => Promise<unknown>): Producer["enqueueFrom"] =>
  (callers, next) =>
    Promise.all(
      Array.from({ length: callers }, async () => {
        for (let payload = next(); payload !== undefined; payload = next()) await enqueue(payload)
      })
    )

/**
 * Bulk enqueues: so many messages in a call, and so many calls at a time. For Celeriac, BullMQ and bee-queue alike this was as
 * fast as anything between 200 and 20 000 messages and 1 and 10 calls; one call at a time is a third slower or worse.
 */
export const bulk = { size: 1000, atOnce: 4 }

/** Slices of so many. */
export const chunks = <A>(values: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, index) => values.slice(index * size, (index + 1) * size))

/** So many at a time. */
export const inFlight = async <A>(
  values: ReadonlyArray<A>,
  concurrency: number,
  each: (value: A) => Promise<unknown>
): Promise<void> => {
  let next = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < values.length) await each(values[next++]!)
    })
  )
}
