/**
 * What a queue answered to the last batches of each publisher, so that a batch that is sent again after a lost reply gets
 * the first answer, and a late copy of it does nothing.
 *
 * @since 0.1.0
 */
import type { Receipt } from "../Broker.ts"
import { Sweeper } from "./Sweeper.ts"

/**
 * How many answers of a publisher are remembered.
 *
 * @category constants
 * @since 0.1.0
 */
export const remembered = 16

/**
 * How long a publisher is known at least after its last batch, in milliseconds: longer than any copy of a command can be under way.
 *
 * @category constants
 * @since 0.1.0
 */
export const known = 3_600_000

/**
 * @category models
 * @since 0.1.0
 */
export interface Publisher {
  readonly name: string
  highest: number
  /** When its last batch came, milliseconds since 1970. */
  seenAt: number
  /** The last answers, by the number of their batch; both arrays are rings. */
  readonly sequences: Array<number>
  readonly answers: Array<ReadonlyArray<Receipt>>
  next: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Publishers {
  readonly byName: Map<string, Publisher>
  readonly forgotten: Sweeper<Publisher>
  /** The time of the step that sweeps. */
  now: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (): Publishers => {
  const byName = new Map<string, Publisher>()
  const publishers: Publishers = {
    byName,
    forgotten: new Sweeper(
      () => byName.values(),
      (publisher) => {
        if (publisher.seenAt + known <= publishers.now) byName.delete(publisher.name)
      }
    ),
    now: 0
  }
  return publishers
}

/**
 * The publisher of that name. A new one is the occasion to look for some that have not been seen for long.
 *
 * @category getters
 * @since 0.1.0
 */
export const get = (publishers: Publishers, now: number, name: string): Publisher => {
  let publisher = publishers.byName.get(name)
  if (publisher !== undefined) {
    publisher.seenAt = now
    return publisher
  }
  publishers.now = now
  publishers.forgotten.sweep(4)
  publisher = { name, highest: -Infinity, seenAt: now, sequences: [], answers: [], next: 0 }
  publishers.byName.set(name, publisher)
  return publisher
}

/**
 * The answer to a batch, if it was one of the last.
 *
 * @category getters
 * @since 0.1.0
 */
export const recall = (publisher: Publisher, sequence: number): ReadonlyArray<Receipt> | undefined =>
  publisher.answers[publisher.sequences.indexOf(sequence)]

/**
 * @category steps
 * @since 0.1.0
 */
export const remember = (publisher: Publisher, sequence: number, answer: ReadonlyArray<Receipt>): void => {
  publisher.highest = Math.max(publisher.highest, sequence)
  publisher.sequences[publisher.next] = sequence
  publisher.answers[publisher.next] = answer
  publisher.next = (publisher.next + 1) % remembered
}
