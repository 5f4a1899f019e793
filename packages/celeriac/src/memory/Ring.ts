/**
 * The last so many items: when it is full, a new one takes the place of the oldest, which is counted.
 *
 * @category models
 * @since 0.1.0
 */
export class Ring<A> {
  readonly capacity: number
  /** How many items gave way to newer ones. */
  dropped = 0
  private readonly items: Array<A> = []
  private oldest = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get size(): number {
    return this.items.length
  }

  push(item: A): void {
    if (this.items.length < this.capacity) {
      this.items.push(item)
      return
    }
    this.items[this.oldest] = item
    this.oldest = (this.oldest + 1) % this.capacity
    this.dropped++
  }

  newest(limit: number): ReadonlyArray<A> {
    const { length } = this.items
    const count = Math.max(0, Math.min(limit, length))
    return Array.from({ length: count }, (_, back) => this.items[(this.oldest + length - 1 - back) % length]!)
  }
}
