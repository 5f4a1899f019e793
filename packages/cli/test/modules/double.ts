/** Two handlers of one task. */
import { Effect } from "effect"
import { Greet } from "./tasks.ts"

export const One = Greet.toLayer(() => Effect.succeed("one"))
export const Two = Greet.toLayer(() => Effect.succeed("two"))
