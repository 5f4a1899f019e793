/** A measured process: it is asked one thing at a time, and ends with its scope. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { Effect, Schema, Semaphore } from "effect"
import { type Command, Reply } from "../systems/protocol.ts"
import type { Program } from "../systems/System.ts"

/** A measurement that cannot be used. */
export class Spoilt extends Schema.TaggedError<Spoilt>()("Spoilt", { problem: Schema.String }) {
  override get message(): string {
    return this.problem
  }
}

export interface Process {
  readonly ask: (command: Command) => Effect.Effect<Required<Reply>, Spoilt>
}

/** Longest time for one answer. */
const patience = "10 minutes"
/** How long a process has to end when its input is closed. */
const farewell = "12 seconds"

export const start = Effect.fnUntraced(function* (name: string, { args, command }: Program) {
  let lastWords = ""
  let ended: string | undefined
  let waiting: ((line: string | undefined) => void) | undefined
  const answer = (line: string | undefined) => {
    const resume = waiting
    waiting = undefined
    resume?.(line)
  }
  const spawned = Effect.sync((): ChildProcessWithoutNullStreams => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (lastWords = (lastWords + text).slice(-4000)))
    child.stdin.on("error", () => {})
    createInterface({ input: child.stdout }).on("line", answer)
    child.on("error", (error) => (lastWords += error.message))
    child.on("close", (code, signal) => {
      ended = `ended (${signal ?? code}). ${lastWords.trim()}`
      answer(undefined)
    })
    return child
  })
  const child = yield* Effect.acquireRelease(spawned, (child) =>
    Effect.callback<void>((resume) => {
      if (ended !== undefined) return resume(Effect.void)
      child.once("close", () => resume(Effect.void))
      child.stdin.end()
    }).pipe(Effect.timeoutOption(farewell), Effect.ensuring(Effect.sync(() => child.kill("SIGKILL"))))
  )
  const spoilt = (problem: string) => new Spoilt({ problem: `${name}: ${problem}` })
  const exclusive = yield* Semaphore.make(1)

  const sent = (command: Command) =>
    Effect.callback<string, Spoilt>((resume) => {
      if (ended !== undefined) return resume(Effect.fail(spoilt(ended)))
      waiting = (line) => resume(line === undefined ? Effect.fail(spoilt(ended ?? "gone")) : Effect.succeed(line))
      child.stdin.write(`${JSON.stringify(command)}\n`)
    })

  const ask = Effect.fnUntraced(function* (command: Command) {
    const line = yield* Effect.timeoutOrElse(exclusive.withPermits(1)(sent(command)), {
      duration: patience,
      orElse: () => Effect.fail(spoilt(`${command._tag} was not answered within ${patience}`))
    })
    const {
      error,
      figures = {},
      samples = {}
    } = yield* Effect.mapError(readReply(line), ({ message }) =>
      spoilt(`its answer to ${command._tag} is unreadable: ${message}`)
    )
    if (error !== undefined) return yield* spoilt(`${command._tag} failed: ${error}`)
    return { error: "", figures, samples }
  })
  return { ask } satisfies Process
})

const readReply = Schema.decodeUnknownEffect(Schema.fromJsonString(Reply))
