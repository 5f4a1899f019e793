import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The exit of an effect that is done already: many are, and then no fiber is needed. */
export const immediate = <A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined =>
  // an exit that is an effect of these types is an exit of these types
  Exit.isExit(effect) ? (effect as Exit.Exit<A, E>) : undefined
