/** Errors of a program that belong to no task: nobody else would tell of them. */
import { inspect } from "node:util"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { exitCodes } from "./exitCodes.ts"
import { printed } from "./output.ts"

/**
 * While the scope is open: a rejection that nobody handles is logged, and the process goes on; an exception that nobody
 * catches is logged with what the process leaves behind, and ends it, for nobody knows what state it is in.
 */
export const watchOutside = (leaves: () => string): Effect.Effect<void, never, Scope> =>
  Effect.gen(function* () {
    // at once, not when it is a fiber's turn: the process may end after it
    const log = Effect.runForkWith(yield* Effect.context<never>())
    const onRejection = (reason: unknown) => {
      log(
        Effect.logError(
          `a promise was rejected outside of any task, and nobody handled the rejection: ${textOf(reason)}`
        )
      )
    }
    const onException = (thrown: unknown) => {
      log(Effect.logError(`the process ends (${leaves()}), for something threw outside of any task: ${textOf(thrown)}`))
      printed()
      process.exit(exitCodes.failed)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        process.on("unhandledRejection", onRejection)
        process.on("uncaughtException", onException)
      }),
      () =>
        Effect.sync(() => {
          process.off("unhandledRejection", onRejection)
          process.off("uncaughtException", onException)
        })
    )
  })

/** Total: anything can be thrown, also what throws when one looks at it. */
export const textOf = (thrown: unknown): string => {
  try {
    return thrown instanceof Error && typeof thrown.stack === "string" ? thrown.stack : inspect(thrown)
  } catch {
    return "a value that cannot be shown"
  }
}
