/** The `celeriac` command: its subcommands, and how each of their ends is told. */
import { readFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import * as Cause from "effect/Cause"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { task } from "./commands/task.ts"
import { worker } from "./commands/worker.ts"
import { exitCodes } from "./exitCodes.ts"
import { CommandFailure } from "./failure.ts"
import { say, sayFailure } from "./output.ts"

/**
 * All commands.
 *
 * @category commands
 * @since 0.1.0
 */
export const celeriac = Command.make("celeriac").pipe(
  Command.withDescription("Workers and tools of the Celeriac task queue"),
  Command.withSubcommands([worker, task])
)

// a manifest of ours
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/**
 * Runs the command that these arguments name, and answers the exit code. All that there is to say was said then.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Command.runWith(celeriac, { version })(args).pipe(
    Effect.as<number>(exitCodes.ok),
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
      const error = Cause.squash(cause)
      if (error instanceof CommandFailure) return Effect.as(sayFailure(error), exitCodes.failed)
      if (CliError.isCliError(error)) {
        // it was presented
        return Effect.succeed(error._tag === "ShowHelp" && error.errors.length === 0 ? exitCodes.ok : exitCodes.usage)
      }
      return Effect.as(say(`error: this was not foreseen:\n${Cause.pretty(cause)}`), exitCodes.failed)
    }),
    Effect.provide(environment)
  )

/** A mistake is told in a line or two, and not below a page of help. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? say(
          [
            ...event.errors.map((error) => `error: ${error.message}`),
            `See: ${event.commandPath.join(" ")} --help`
          ].join("\n")
        )
      : CliOutput.defaultPresenter.present(event)
}

const environment = Layer.mergeAll(
  NodeServices.layer,
  CliOutput.layerPresenter(presenter),
  // what a command prints is on standard output; a worker's log, which is what it prints, has loggers of its own
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  // --log-level is a flag of those commands that log
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
)
