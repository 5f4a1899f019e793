/** `celeriac task …`: about one message. */
import { Command } from "effect/cli"
import { taskRaw } from "./taskRaw.ts"

export const task = Command.make("task").pipe(
  Command.withDescription("Look at single messages"),
  Command.withSubcommands([taskRaw])
)
