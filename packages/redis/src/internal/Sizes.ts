/**
 * How large the messages of a queue are, by those that were seen: so many are taken out of a list at a time that the server
 * does not copy many more than fit into the reply.
 */
export class Sizes {
  /** The largest one lately, in characters: it fades. */
  private largest = 0
  private seen = 0

  see(size: number): void {
    this.largest = Math.max(size, this.largest * 0.999)
    this.seen++
  }

  /** How many to take out at a time, for a reply of so many characters. */
  portion(bytes: number): number {
    if (this.seen === 0) return 16
    return Math.max(1, Math.min(1000, Math.floor(bytes / (this.largest + 1))))
  }
}
