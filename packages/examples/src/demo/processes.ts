/** The demo's end of the workers' processes: starts them, hears what they report, and sees to it that none is left behind. */
import { type ChildProcess, fork } from "node:child_process"
import { Deferred, Effect, Fiber, Option, Queue, Schema } from "effect"
import { type Assignment, environmentOf } from "./assignment.ts"
import { type Hand, NotEmployed } from "./crew.ts"
import { Display } from "./display.ts"
import { Report } from "./reports.ts"

const program = new URL("./worker.ts", import.meta.url)

/** How long a process has to end by itself. */
const patience = "5 seconds"

/** What a child process says, in its order; the last word is that it is closed. */
type Sign =
  | { readonly _tag: "Message"; readonly message: unknown }
  | { readonly _tag: "Closed"; readonly ending: string }

/** With the options of this Node, in a process group of its own: a Ctrl-C in the terminal is heard here, and only here. */
const spawn = (assignment: Assignment, sign: (sign: Sign) => void): ChildProcess => {
  const child = fork(program, [], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { ...process.env, ...environmentOf(assignment) }
  })
  let lastWords = ""
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (lastWords = (lastWords + text).slice(-2000)))
  child.on("error", (error) => (lastWords += error.message))
  child.on("message", (message) => sign({ _tag: "Message", message }))
  // comes after the last message, and after all of stderr
  child.on("close", (code, signal) => {
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
    sign({ _tag: "Closed", ending: lastWords.trim() === "" ? `it ${how}` : `it ${how}: ${lastWords.trim()}` })
  })
  return child
}

/** Starts the process of a worker, and waits until it is ready. It ends with the scope, or with this process. */
export const employProcess = Effect.fnUntraced(function* (assignment: Assignment) {
  const { hear, say } = yield* Display
  const { worker } = assignment
  const signs = yield* Queue.unbounded<Sign>()
  const ready = yield* Deferred.make<void, NotEmployed>()
  const closed = yield* Deferred.make<void>()
  let end: "killed" | "died" | "stopped" = "died"

  const onReport = (report: Report) => {
    switch (report._tag) {
      case "Ready":
        return Deferred.succeed(ready, undefined)
      case "Failed":
        return Deferred.fail(ready, new NotEmployed({ worker, problem: report.problem }))
      default:
        return Effect.void
    }
  }
  const onSign = Effect.fnUntraced(function* (sign: Sign) {
    if (sign._tag === "Closed") {
      yield* hear(worker, { _tag: "Gone", how: end })
      if (end === "died") yield* say(`the process of worker ${worker} is gone: ${sign.ending}`, true)
      yield* Deferred.fail(ready, new NotEmployed({ worker, problem: sign.ending }))
      yield* Deferred.succeed(closed, undefined)
      return
    }
    const report = Schema.decodeUnknownOption(Report)(sign.message)
    if (Option.isNone(report)) return yield* say(`worker ${worker} reports what nobody understands`, true)
    yield* hear(worker, report.value)
    yield* onReport(report.value)
  })
  // before the process: it listens until that is closed
  yield* Effect.forever(Effect.flatMap(Queue.take(signs), onSign)).pipe(
    // nobody waits for what is not heard any more
    Effect.tapDefect((defect) =>
      Effect.all([
        say(`worker ${worker} is not heard any more: ${String(defect)}`, true),
        Deferred.die(ready, defect),
        Deferred.succeed(closed, undefined)
      ])
    ),
    Effect.forkScoped
  )

  const kill = (child: ChildProcess) =>
    Effect.suspend(() => {
      end = "killed"
      child.kill("SIGKILL")
      return Deferred.await(closed)
    })
  const stop = (child: ChildProcess) =>
    Effect.gen(function* () {
      if (yield* Deferred.isDone(closed)) return
      end = "stopped"
      child.kill("SIGTERM")
      const force = Effect.andThen(
        Effect.sleep(patience),
        Effect.sync(() => child.kill("SIGKILL"))
      )
      const forcing = yield* Effect.forkDetach(Effect.interruptible(force))
      yield* Deferred.await(closed)
      yield* Fiber.interrupt(forcing)
    })
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(assignment, (sign) => Queue.offerUnsafe(signs, sign))),
    stop
  )
  yield* hear(worker, { _tag: "Employed", place: `process ${child.pid}` })
  yield* say(`worker ${worker} starts in process ${child.pid}`, false)
  yield* Deferred.await(ready)
  const hand: Hand = { kill: kill(child) }
  return hand
})
