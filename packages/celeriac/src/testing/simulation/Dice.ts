/**
 * Random numbers from a seed. Each purpose has dice of its own (the labels), so that leaving out one fault of a plan does not
 * change what all others throw.
 *
 * @since 0.1.0
 */

/**
 * @category models
 * @since 0.1.0
 */
export class Dice {
  private state: number

  constructor(seed: number, ...labels: ReadonlyArray<string | number>) {
    // FNV-1a over the labels
    let hash = seed ^ 0x811c9dc5
    for (const character of labels.join(" ")) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
    this.state = hash
  }

  /** From 0, below 1 (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number; both ends can come. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(items: readonly [A, ...ReadonlyArray<A>] | ReadonlyArray<A>): A {
    return items[Math.floor(this.next() * items.length)]!
  }

  /** One of the keys, each as often as its weight says. */
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries<number>(weights)
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      // the keys of a record are what its type says
      if (left < 0) return key as Key
    }
    return entries[0]![0] as Key
  }
}
