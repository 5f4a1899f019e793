/**
 * Progress reports of running messages: the latest value of each, sent in batches, at most one a message within the
 * interval. A value that is overtaken is never sent, and a report that fails is lost: progress is for people.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Delivery } from "../../Broker.ts"
import type { Note, ResultBackend } from "../../ResultBackend.ts"
import { supervise } from "../supervise.ts"

export interface Progress {
  readonly report: (delivery: Delivery, value: string) => void
  readonly forget: (delivery: Delivery) => void
}

const largestBatch = 500

/** A note lives until the message ends; this is for one whose end nobody writes. */
const ttl = 24 * 60 * 60 * 1000

export const make = Effect.fnUntraced(function* (options: {
  readonly results: ResultBackend["Service"]
  readonly consumer: string
  /** Milliseconds. */
  readonly interval: number
}) {
  const { consumer, interval, results } = options
  const latest = new Map<Delivery, string>()
  const pending = Latch.makeUnsafe(false)

  const send = Effect.suspend(() => {
    const notes: Array<Note> = []
    for (const [delivery, value] of latest) {
      latest.delete(delivery)
      const { fence, id, queue } = delivery
      notes.push({ id, queue, fence, consumer, kind: "progress", value, ttl })
      if (notes.length === largestBatch) break
    }
    if (latest.size === 0) pending.closeUnsafe()
    return notes.length === 0 ? Effect.void : Effect.ignore(results.note(notes))
  })

  yield* supervise(
    "worker.progress",
    Effect.forever(Effect.andThen(pending.await, Effect.andThen(send, Effect.sleep(interval))))
  )

  return {
    report: (delivery, value) => {
      latest.set(delivery, value)
      pending.openUnsafe()
    },
    forget: (delivery) => {
      if (latest.size > 0) latest.delete(delivery)
    }
  } satisfies Progress
})
