/** The demo as a program that a test starts, reads along with, and ends. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Deferred, Effect, Schedule } from "effect"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { freePort as findPort, startRedis } from "../../../../scripts/redis-server.mjs"

const main = fileURLToPath(new URL("../../src/demo/main.ts", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  readonly child: ChildProcess
  /** The folder in which it was started. */
  readonly folder: string
  /** Waits until this is to be read in its output. Dies if it ends before. */
  readonly printed: (pattern: RegExp) => Effect.Effect<RegExpMatchArray>
  readonly ended: Effect.Effect<Ended>
}

/** It is killed with the scope, if it lives so long. */
export const start = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = process.env) =>
  Effect.acquireRelease(
    Effect.sync((): Program => {
      const folder = mkdtempSync(join(tmpdir(), "celeriac-demo-"))
      const child = spawn(process.execPath, ["--conditions=@celeriac/source", main, ...args], {
        cwd: folder,
        env: { ...env, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let stdout = ""
      let stderr = ""
      const ended = Deferred.makeUnsafe<Ended>()
      const waiting = new Set<() => void>()
      const heard = () => waiting.forEach((look) => look())
      child.stdout.setEncoding("utf8").on("data", (text: string) => ((stdout += text), heard()))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
      child.on("close", (code, signal) => {
        Deferred.doneUnsafe(ended, Effect.succeed({ code, signal, stdout, stderr }))
        heard()
      })
      const printed = (pattern: RegExp) =>
        Effect.callback<RegExpMatchArray>((resume) => {
          const look = () => {
            const match = pattern.exec(stdout)
            if (match !== null) resume(Effect.succeed(match))
            else if (Deferred.isDoneUnsafe(ended)) {
              resume(Effect.die(new Error(`it ended before it printed ${pattern}:\n${stdout}\n${stderr}`)))
            }
          }
          waiting.add(look)
          look()
          return Effect.sync(() => waiting.delete(look))
        })
      return { child, folder, printed, ended: Deferred.await(ended) }
    }),
    ({ child, ended, folder }) =>
      Effect.gen(function* () {
        child.kill("SIGKILL")
        yield* ended
        rmSync(folder, { recursive: true, force: true })
      })
  )

/** From start to end. */
export const runToEnd = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env?: NodeJS.ProcessEnv) {
  const { ended, folder } = yield* start(args, env)
  const end = yield* ended
  return { ...end, picture: () => readFileSync(join(folder, "films.svg"), "utf8") }
})

/** A server like somebody else's. It ends with the scope. */
export const givenServer = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise((): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> => startRedis(...args)),
    ({ stop }) => Effect.promise(stop)
  )

export const freePort = Effect.promise((): Promise<number> => findPort())

/** Of the server and the workers of a run. */
export const processesIn = (output: string): ReadonlyArray<number> =>
  [...output.matchAll(/(?:server: |starts in )process (\d+)/g)].map(([, pid]) => Number(pid))

/** A process that only waits to be forgotten by its parent is dead. */
export const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch (error) {
    // without /proc the first line alone has to say it
    return error instanceof Error && "code" in error && error.code === "ENOENT" && process.platform !== "linux"
  }
}

/** Of the end of a stranger's child one is not told. */
export const allGone = (pids: ReadonlyArray<number>) =>
  Effect.sync(() => pids.filter(lives)).pipe(
    Effect.repeat({ until: (living) => living.length === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("20 seconds")
  )
