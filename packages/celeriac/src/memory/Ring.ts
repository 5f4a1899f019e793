/**
 * The last so many items, of so much weight together: when there is no room, a new one takes the place of the oldest ones,
 * which are counted. The newest stays, however heavy it is.
 *
 * @category models
 * @since 0.1.0
 */
export class Ring<A> {
  readonly capacity: number
  /** How many items gave way to newer ones. */
  dropped = 0
  private readonly maxWeight: number
  private readonly weigh: (item: A) => number
  /** Those before `oldest` are gone. */
  private items: Array<A | undefined> = []
  private oldest = 0
  private weight = 0

  constructor(capacity: number, maxWeight = Infinity, weigh: (item: A) => number = () => 1) {
    this.capacity = capacity
    this.maxWeight = maxWeight
    this.weigh = weigh
  }

  get size(): number {
    return this.items.length - this.oldest
  }

  push(item: A): void {
    this.items.push(item)
    this.weight += this.weigh(item)
    while (this.size > this.capacity || (this.weight > this.maxWeight && this.size > 1)) this.drop()
  }

  newest(limit: number): ReadonlyArray<A> {
    const { length } = this.items
    const count = Math.max(0, Math.min(limit, this.size))
    return Array.from({ length: count }, (_, back) => this.items[length - 1 - back]!)
  }

  private drop(): void {
    this.weight -= this.weigh(this.items[this.oldest]!)
    this.items[this.oldest++] = undefined
    this.dropped++
    // now and then, so that it costs little
    if (this.oldest > this.capacity) {
      this.items = this.items.slice(this.oldest)
      this.oldest = 0
    }
  }
}
