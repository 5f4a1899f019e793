/** How messages are written into the arguments of scripts. */
import type { Written } from "celeriac/Broker"
import * as Effect from "effect/Effect"

/** The place of the first key that a script gets besides those of the queue. */
export const firstKey = 27

/** Keys that scripts find by their place, each once. */
export class Places {
  readonly keys: Array<string> = []
  private readonly places = new Map<string, number>()
  private readonly first: number

  /** `first`: the place among KEYS of the first of them. */
  constructor(first: number) {
    this.first = first
  }

  place(key: string): number {
    let place = this.places.get(key)
    if (place === undefined) {
      place = this.first + this.keys.length
      this.keys.push(key)
      this.places.set(key, place)
    }
    return place
  }
}

/** The record buckets of messages. */
export class Buckets {
  private readonly places: Places
  private readonly bucketOf: (id: string) => string

  constructor(bucketOf: (id: string) => string, first: number) {
    this.places = new Places(first)
    this.bucketOf = bucketOf
  }

  get keys(): ReadonlyArray<string> {
    return this.places.keys
  }

  place(id: string): number {
    return this.places.place(this.bucketOf(id))
  }
}

/** Whole milliseconds; what is for ever is for as long as a number of 13 digits can tell. */
export const whole = (millis: number): number => Math.min(Math.max(0, Math.ceil(millis)), 8e12)

/** As `recordText` in `lua/lib/records.lua` reads it. */
export const lifeOf = ({ tombstone, ttl }: Written): string | number =>
  tombstone === undefined ? whole(ttl) : `${whole(ttl)} ${whole(tombstone.ttl)} ${tombstone.value}`

/** Does something with a long list in parts, one after the other. A part that answers `null` ends it. */
export const inParts = <A, B, E>(
  items: ReadonlyArray<A>,
  size: number,
  run: (part: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B> | null, E>
): Effect.Effect<ReadonlyArray<B> | null, E> =>
  items.length <= size
    ? run(items)
    : Effect.gen(function* () {
        const all: Array<B> = []
        for (let at = 0; at < items.length; at += size) {
          const part = yield* run(items.slice(at, at + size))
          if (part === null) return null
          for (const one of part) all.push(one)
        }
        return all
      })
