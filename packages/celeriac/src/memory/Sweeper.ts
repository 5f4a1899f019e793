/**
 * Visits the items of a growing collection round and round, a few at each call, so that what expired is found without
 * timers and without a long pause.
 *
 * @category models
 * @since 0.1.0
 */
export class Sweeper<A> {
  private readonly items: () => Iterator<A>
  private readonly visit: (item: A) => void
  private round: Iterator<A> | undefined = undefined

  /** `items` must bear that visited items are removed while it iterates, as the iterators of `Map` do. */
  constructor(items: () => Iterator<A>, visit: (item: A) => void) {
    this.items = items
    this.visit = visit
  }

  /** Visits at most `count` items, each at most once. */
  sweep(count: number): void {
    for (let visited = 0; visited < count; visited++) {
      this.round ??= this.items()
      const next = this.round.next()
      if (next.done === true) {
        this.round = undefined
        return
      }
      this.visit(next.value)
    }
  }
}
