/**
 * Runs a command as the program of a process.
 *
 * The first SIGINT or SIGTERM interrupts the command, and the process ends when the command has tidied up. The second one
 * ends it at once, whatever the command is doing.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { exitCodes, type StopSignal } from "./exitCodes.ts"
import { printed } from "./output.ts"
import * as Shutdown from "./Shutdown.ts"

/** The command's value is the exit code. */
export const runMain = (command: Effect.Effect<number>): void => {
  const shutdown = Shutdown.make()
  // whoever read the output has gone (`| head`): what cannot be told is not told, and a worker works on
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    const onSignal = (signal: StopSignal) => {
      if (shutdown.signal === undefined) {
        shutdown.signal = signal
        fiber.interruptUnsafe()
        return
      }
      // written at once: nothing runs after this
      printed()
      process.stderr.write([`${signal} again: exits at once`, ...shutdown.leaves(), ""].join("\n"))
      process.exit(exitCodes[signal])
    }
    process.on("SIGINT", onSignal)
    process.on("SIGTERM", onSignal)
    fiber.addObserver((exit) => teardown(exit, (code) => process.exit(code)))
  })
  run(Effect.provideService(command, Shutdown.Shutdown, shutdown), {
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(codeOf(exit, shutdown))
  })
}

const codeOf = (exit: Exit.Exit<unknown, unknown>, { graceful, signal }: Shutdown.Shutdown): number => {
  if (Exit.isSuccess(exit)) return typeof exit.value === "number" ? exit.value : exitCodes.ok
  if (!Cause.hasInterruptsOnly(exit.cause)) {
    process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    return exitCodes.failed
  }
  return graceful ? exitCodes.ok : exitCodes[signal ?? "SIGINT"]
}
