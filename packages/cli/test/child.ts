/** The command as a process of its own. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url))
const folder = fileURLToPath(new URL("../../..", import.meta.url))

/** Of `packages/cli/test/modules`, as seen from where the command runs. */
export const moduleOf = (name: string): string => `packages/cli/test/modules/${name}`

export interface Child {
  /** The first line that matches, as soon as it was printed; fails when the process ends without it. */
  readonly line: (pattern: RegExp) => Effect.Effect<string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Nobody reads its standard output any more. */
  readonly stopReading: Effect.Effect<void>
  /** The exit code, once it has ended. */
  readonly exit: Effect.Effect<number | null>
  readonly stdout: () => string
  readonly stderr: () => string
}

/** Killed when the scope closes. */
export const celeriac = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Child, never, Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const { CELERIAC_BROKER_URL: _1, CELERIAC_RESULT_BACKEND_URL: _2, FORCE_COLOR: _3, ...inherited } = process.env
        const env = { ...inherited, NO_COLOR: "1", ...environment }
        const child = spawn(process.execPath, ["--conditions=@celeriac/source", bin, ...args], { cwd: folder, env })
        const exited = Deferred.makeUnsafe<number | null>()
        child.once("close", (code) => Deferred.doneUnsafe(exited, Effect.succeed(code)))
        return { child, exited }
      }),
      ({ child, exited }) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          Deferred.await(exited)
        )
    ),
    ({ child, exited }): Child => {
      const texts = { stdout: "", stderr: "" }
      const watchers = new Set<() => void>()
      const collect = (name: keyof typeof texts) => {
        child[name].setEncoding("utf8").on("data", (chunk: string) => {
          texts[name] += chunk
          for (const look of watchers) look()
        })
      }
      collect("stdout")
      collect("stderr")
      const find = (pattern: RegExp) =>
        `${texts.stdout}\n${texts.stderr}`.split("\n").find((line) => pattern.test(line))
      const line = (pattern: RegExp) =>
        Effect.callback<string>((resume) => {
          const look = () => {
            const found = find(pattern)
            if (found === undefined) return
            watchers.delete(look)
            resume(Effect.succeed(found))
          }
          watchers.add(look)
          look()
          return Effect.sync(() => watchers.delete(look))
        })
      return {
        stdout: () => texts.stdout,
        stderr: () => texts.stderr,
        exit: Deferred.await(exited),
        stopReading: Effect.sync(() => void child.stdout.destroy()),
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
        line: (pattern) =>
          Effect.raceFirst(
            line(pattern),
            Effect.flatMap(Deferred.await(exited), (code) =>
              Effect.die(new Error(`ended with ${code} without ${String(pattern)}:\n${texts.stdout}\n${texts.stderr}`))
            )
          )
      }
    }
  )
