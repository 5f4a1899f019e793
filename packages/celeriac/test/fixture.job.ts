/**
 * The task of tests that need one without a character of its own, and the worker that serves it. A job has a number, and
 * succeeds with what the test's handler makes of it: with the number, if that is nothing.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import type { Info } from "../src/TaskContext.ts"
import * as Worker from "../src/Worker.ts"
import { started, type World } from "./fixture.ts"

export class Job extends Task.make("job", {
  payload: { n: Schema.Number, text: Schema.optionalKey(Schema.String) },
  success: Schema.Number
}) {}

export type Handler = (n: number, context: Info) => Effect.Effect<number | void>

/** Starts a worker. */
export const worker = (handler: Handler, options?: Worker.Options) =>
  started(
    Worker.layer({ tasks: [Job], ...options }).pipe(
      Layer.provide(Job.toLayer(({ n }, context) => Effect.map(handler(n, context), (result) => result ?? n)))
    )
  )

/** Starts a worker that can be `cut` off by its name, and whose messages are soon back: its lease is 3 s. */
export const leased = (name: string, handler: Handler, options?: Worker.Options) =>
  worker(handler, { name, visibilityTimeout: "3 seconds", ...options })

/** From now on nothing of these workers gets through, and all of the others. */
export const cut = ({ wire }: World, ...names: ReadonlyArray<string>) => {
  wire.fate = ({ connection }) => (names.some((name) => connection.startsWith(`${name}-`)) ? "refused" : "carried out")
}

export const range = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index)

/** Enqueues a job of each number, in one call. */
export const enqueue = (numbers: ReadonlyArray<number>, options?: Omit<EnqueueOptions, "id">) =>
  Job.enqueueAll(
    numbers.map((n) => ({ n })),
    options
  )

export const counts = (queue = "default") => Effect.flatMap(Broker, (broker) => broker.counts(queue))
