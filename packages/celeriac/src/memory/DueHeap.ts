/**
 * Values ordered by time, the earliest first and equal times in the order of their arrival: a binary heap whose nodes know
 * their place, so that any of them is removed in O(log n).
 *
 * @since 0.1.0
 */

/**
 * A value's place in a heap: what `remove` takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Node<A> {
  readonly value: A
  /** Milliseconds since 1970. */
  readonly time: number
  readonly order: number
  index: number
}

/**
 * @category models
 * @since 0.1.0
 */
export class DueHeap<A> {
  private readonly nodes: Array<Node<A>> = []
  private added = 0

  get size(): number {
    return this.nodes.length
  }

  peek(): Node<A> | undefined {
    return this.nodes[0]
  }

  add(time: number, value: A): Node<A> {
    const node: Node<A> = { value, time, order: this.added++, index: this.nodes.length }
    this.nodes.push(node)
    this.rise(node)
    return node
  }

  /** The node must stand in this heap. */
  remove(node: Node<A>): void {
    const last = this.nodes.pop()!
    if (last === node) return
    this.put(last, node.index)
    this.rise(last)
    this.sink(last)
  }

  /**
   * At most `limit` of the values whose time has come, in no order, and the time of the first that is not among them; looks
   * at no more than twice as many nodes, and one.
   */
  upTo(now: number, limit: number): { readonly values: ReadonlyArray<A>; readonly next: number | undefined } {
    const values: Array<A> = []
    const open = [0]
    let next = Infinity
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const node = this.nodes[index]
      if (node === undefined) continue
      if (node.time > now || values.length === limit) {
        // nothing below it comes earlier
        next = Math.min(next, node.time)
        continue
      }
      values.push(node.value)
      open.push(2 * index + 2, 2 * index + 1)
    }
    return { values, next: next === Infinity ? undefined : next }
  }

  private put(node: Node<A>, index: number): void {
    this.nodes[index] = node
    node.index = index
  }

  private rise(node: Node<A>): void {
    let index = node.index
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = this.nodes[above]!
      if (!before(node, parent)) break
      this.put(parent, index)
      index = above
    }
    this.put(node, index)
  }

  private sink(node: Node<A>): void {
    let index = node.index
    for (;;) {
      let below = 2 * index + 1
      const left = this.nodes[below]
      if (left === undefined) break
      const right = this.nodes[below + 1]
      if (right !== undefined && before(right, left)) below++
      const child = this.nodes[below]!
      if (!before(child, node)) break
      this.put(child, index)
      index = below
    }
    this.put(node, index)
  }
}

const before = <A>(left: Node<A>, right: Node<A>): boolean =>
  left.time < right.time || (left.time === right.time && left.order < right.order)
