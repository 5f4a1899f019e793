/** Expectations of code that runs under any test runner, or none. */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { format } from "effect/Formatter"

/** Runners that know `actual` and `expected` show them side by side. */
export class Unexpected extends Error {
  override readonly name = "Unexpected"
  readonly actual: unknown
  readonly expected: unknown

  constructor(what: string, actual: unknown, expected: unknown) {
    super(`${what}\n  expected: ${short(expected)}\n  actual:   ${short(actual)}`)
    this.actual = actual
    this.expected = expected
  }
}

const longest = 1000

const short = (value: unknown): string => {
  const text = format(value)
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`
}

/** Dies unless the two are of equal structure. */
export const equal = <A>(actual: A, expected: NoInfer<A>, what: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    Equal.equals(actual, expected) ? Effect.void : Effect.die(new Unexpected(what, actual, expected))
  )
