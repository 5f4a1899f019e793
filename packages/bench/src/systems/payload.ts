/** What the tasks of all systems get, and what they return. */

export interface Payload {
  /** Counts up from 0 within a session. */
  readonly n: number
  /** On the monotonic clock, which all processes of a machine share, in nanoseconds; 0 when nobody wants to know. */
  readonly sentAt: number
  /** Fills it up to the size that was asked for. */
  readonly text: string
}

const texts = new Map<number, string>()

const textOf = (length: number): string => {
  const text = texts.get(length) ?? "x".repeat(length)
  texts.set(length, text)
  return text
}

/** Takes `bytes` as JSON, or as few as it can. */
export const payload = (n: number, bytes: number, sentAt = 0): Payload => {
  const rest = bytes - '{"n":,"sentAt":,"text":""}'.length - String(n).length - String(sentAt).length
  return { n, sentAt, text: textOf(Math.max(0, rest)) }
}

/** Shows that the whole payload came. */
export const resultOf = ({ n, text }: Payload): number => n * 2 + text.length

export const nanos = (): number => Number(process.hrtime.bigint())
