/**
 * A list whose items carry their own links: both ends and any item in the middle are reached in constant time, so that a
 * message that was ended leaves no hole in its list.
 *
 * @since 0.1.0
 */

/**
 * What an item must carry. It stands in one list at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Linked<A extends Linked<A>> {
  list: LinkedList<A> | undefined
  previous: A | undefined
  next: A | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export class LinkedList<A extends Linked<A>> {
  head: A | undefined = undefined
  tail: A | undefined = undefined
  size = 0

  pushTail(item: A): void {
    item.list = this
    item.previous = this.tail
    if (this.tail === undefined) this.head = item
    else this.tail.next = item
    this.tail = item
    this.size++
  }

  pushHead(item: A): void {
    item.list = this
    item.next = this.head
    if (this.head === undefined) this.tail = item
    else this.head.previous = item
    this.head = item
    this.size++
  }

  shift(): A | undefined {
    const item = this.head
    if (item !== undefined) this.remove(item)
    return item
  }

  /** The item must stand in this list. */
  remove(item: A): void {
    const { next, previous } = item
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    item.list = undefined
    item.previous = undefined
    item.next = undefined
    this.size--
  }
}
