import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The exit of an effect that is done already: many are, and then no fiber is needed. */
export const immediate = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined =>
  // an exit that is an effect of these types is an exit of these types
  Exit.isExit(effect) ? (effect as Exit.Exit<A, E>) : undefined

/** `flatMap` that goes on at once where the effect is done already. For hot paths. */
export const andThen = <A, E, B, E2, R2>(
  effect: Effect.Effect<A, E>,
  then: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R2> => {
  const exit = immediate(effect)
  if (exit === undefined) return Effect.flatMap(effect, then)
  return Exit.isSuccess(exit) ? then(exit.value) : Effect.failCause(exit.cause)
}
