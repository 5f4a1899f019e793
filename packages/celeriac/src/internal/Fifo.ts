/**
 * First in, first out, where any member can leave at once: the members hold the links themselves.
 *
 * A member is in one list at a time.
 */

/** To be embedded in what is queued. `fifo` is the list that the member is in. */
export interface Member<M> {
  fifo: Fifo<M> | undefined
  previous: M | undefined
  next: M | undefined
}

/** Only the list itself changes the links. */
export class Fifo<M> {
  head: (M & Member<M>) | undefined = undefined
  private tail: (M & Member<M>) | undefined = undefined
  size = 0

  append(member: M & Member<M>): void {
    member.fifo = this
    member.previous = this.tail
    if (this.tail === undefined) this.head = member
    else this.tail.next = member
    this.tail = member
    this.size++
  }

  /** The member must be in this list. */
  remove(member: M & Member<M>): void {
    const { next, previous } = member as Member<M & Member<M>>
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    member.fifo = undefined
    member.previous = undefined
    member.next = undefined
    this.size--
  }
}
