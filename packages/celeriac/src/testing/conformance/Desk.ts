/** The words of the cases about results. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Address, Delivery } from "../../Broker.ts"
import { type Note, ResultBackend } from "../../ResultBackend.ts"
import { type Bench, bench, release, ttl } from "./Bench.ts"
import type { Case, ResultServices } from "./Case.ts"

/** What the cases do. */
export type Step<A> = Effect.Effect<A, Effect.Error<Case<never>["effect"]>, ResultServices | Scope>

/** The words of the cases. Notes are of deliveries that their author holds: some drivers refuse all others. */
export interface Desk extends Bench {
  readonly results: ResultBackend["Service"]
  readonly address: (id: string) => Address
  readonly commit: (id: string, value: string, ttl?: number) => Step<"committed" | "lost">
  readonly record: (id: string) => Step<string | undefined>
  /** A message that a consumer of its own holds. */
  readonly hold: Step<Held>
  readonly note: (held: Held, note: Partial<Note>) => Step<"noted" | "refused">
  readonly read: (id: string) => Step<{
    readonly record: string | undefined
    readonly progress: string | undefined
    readonly attempts: ReadonlyArray<string>
  }>
}

export interface Held {
  readonly id: string
  readonly consumer: string
  readonly delivery: Delivery
  /** Gives it back and takes it again: the same message with the next fence. */
  readonly again: Step<Held>
}

export const desk: Effect.Effect<Desk, never, ResultServices> = Effect.gen(function* () {
  const at = yield* bench
  const results = yield* ResultBackend
  const address = (id: string): Address => ({ id, queue: at.queue })

  const hold: Step<Held> = Effect.gen(function* () {
    const [id] = yield* at.add(1)
    const owner = yield* at.consumer()
    const held = (delivery: Delivery): Held => ({
      id: id!,
      consumer: owner.id,
      delivery,
      again: Effect.gen(function* () {
        yield* at.settle(owner, [delivery], release)
        const [next] = yield* at.take(owner)
        return held(next!)
      })
    })
    const [delivery] = yield* at.take(owner)
    return held(delivery!)
  })

  return {
    ...at,
    results,
    address,
    commit: (id, value, time = ttl) =>
      Effect.map(results.commit([{ ...address(id), value, ttl: time }]), ([reply]) => reply!),
    record: (id) => Effect.map(results.read([address(id)]), ([stored]) => stored?.record),
    hold,
    note: ({ consumer, delivery: { fence, id } }, note) =>
      Effect.map(
        results.note([{ ...address(id), kind: "progress", consumer, fence, value: "note", ttl, ...note }]),
        ([reply]) => reply!
      ),
    read: (id) =>
      Effect.map(results.read([address(id)]), ([stored]) => {
        const { attempts, progress, record } = stored!
        return { record, progress, attempts }
      })
  }
})

/** What is stored of a message that nobody knows. */
export const nothing = { record: undefined, progress: undefined, attempts: [] }

/** The push that tells of a message. */
export const pushOf = (at: Desk, id: string): string => JSON.stringify([id, at.queue])
