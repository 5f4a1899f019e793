/** Shows how far a run is: from the progress and the states that its tasks report, and from nothing else. */
import { styleText } from "node:util"
import type { TaskHandle } from "celeriac"
import { Clock, Context, Effect, FiberSet, Layer, Logger, References, Stream, SubscriptionRef } from "effect"
import { type Board, changed, empty, enqueued, type Tally, tally } from "./board.ts"
import { Screen } from "./screen.ts"
import { table } from "./table.ts"
import { type Progress, Tasks } from "./tasks.ts"

export class Display extends Context.Service<
  Display,
  {
    readonly board: SubscriptionRef.SubscriptionRef<Board>
    /** Follows messages to their ends. Returns at once. */
    readonly follow: (handles: ReadonlyArray<TaskHandle.TaskHandle<unknown, unknown, Progress>>) => Effect.Effect<void>
    /** Waits until all that happened is on the board. */
    readonly caughtUp: Effect.Effect<void>
  }
>()("demo/Display") {
  static readonly layer = Layer.effect(
    Display,
    Effect.gen(function* () {
      const screen = yield* Screen
      const board = yield* SubscriptionRef.make(empty)
      const followers = yield* FiberSet.make<void>()
      const stopwatch = yield* startStopwatch

      const show = (write: (text: string) => void, render: typeof frame, rate: RateMeter) =>
        Effect.gen(function* () {
          const now = yield* stopwatch
          const state = yield* SubscriptionRef.get(board)
          write(render(state, now, rate(now, tally(state)), screen.columns()))
        })

      yield* Effect.addFinalizer(() => show(screen.live ? screen.draw : screen.print, frame, meanRate))
      const [write, render, every] = screen.live
        ? ([screen.draw, frame, "80 millis"] as const)
        : ([screen.print, summary, "1 second"] as const)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), show(write, render, recentRate()))))

      const followOne = (handle: TaskHandle.TaskHandle<unknown, unknown, Progress>) =>
        Effect.andThen(
          SubscriptionRef.update(board, (board) => enqueued(board, handle)),
          Stream.runForEach(handle.changes, (change) =>
            SubscriptionRef.update(board, (board) => changed(board, handle.id, change))
          )
        )
      return {
        board,
        follow: (handles) =>
          Effect.forEach(handles, (handle) => FiberSet.run(followers, followOne(handle)), { discard: true }),
        caughtUp: FiberSet.awaitEmpty(followers)
      }
    })
  )
}

/** Prints what the program and the library log, with the seconds since the start. How single runs end is on the board. */
export const layerLogs = Layer.unwrap(
  Effect.gen(function* () {
    const screen = yield* Screen
    const start = yield* Clock.currentTimeMillis
    return Logger.layer([
      Logger.make(({ date, fiber, logLevel, message }) => {
        if ("task" in fiber.getRef(References.CurrentLogAnnotations)) return
        const text = `${seconds(date.getTime() - start)}  ${Array.isArray(message) ? message.join(" ") : String(message)}`
        screen.print(logLevel === "Warn" ? styleText("yellow", text) : text)
      })
    ])
  })
)

const startStopwatch = Effect.map(Clock.currentTimeMillis, (start) =>
  Effect.map(Clock.currentTimeMillis, (now) => now - start)
)

/** Ends per second. */
type RateMeter = (now: number, tally: Tally) => number

const meanRate: RateMeter = (now, { failed, succeeded }) => ((succeeded + failed) / now) * 1000

/** Over the second before. */
const recentRate = (): RateMeter => {
  let samples = [{ at: 0, ended: 0 }]
  return (now, { failed, succeeded }) => {
    const recent = samples.filter(({ at }) => at >= now - 1000)
    samples = [...(recent.length === 0 ? samples.slice(-1) : recent), { at: now, ended: succeeded + failed }]
    const [oldest] = samples
    return oldest === undefined || oldest.at === now
      ? 0
      : ((succeeded + failed - oldest.ended) / (now - oldest.at)) * 1000
  }
}

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`.padStart(7)

/** What the other columns of the table take, and one for the cursor. */
const besideBar = 63

const bar =
  (columns: number) =>
  ({ done, messages }: Tally): string => {
    const width = Math.max(4, Math.min(24, columns - besideBar))
    const filled = messages === 0 ? 0 : Math.floor((done / messages) * width)
    const colour = filled === width ? "green" : "cyan"
    return styleText(colour, "█".repeat(filled)) + styleText("gray", "░".repeat(width - filled))
  }

/** Zeros stay in the background. */
const figure = (value: number, colour: "white" | "yellow" | "red" = "white"): string =>
  styleText(value === 0 ? "gray" : colour, String(value))

const summary = (board: Board, now: number, rate: number): string => {
  const { failed, messages, recovered, retries, running, succeeded } = tally(board)
  return `${seconds(now)}  ${succeeded + failed} of ${messages} tasks, ${running} running, ${retries} retries, ${recovered} recovered, ${Math.round(rate)} tasks/s`
}

const frame = (board: Board, now: number, rate: number, columns: number): string => {
  const lines = table(
    [
      { title: "task", align: "left", text: ({ task }) => task },
      { title: "", align: "left", text: bar(columns) },
      { title: "messages", align: "right", text: ({ messages }) => figure(messages) },
      { title: "running", align: "right", text: ({ running }) => figure(running) },
      { title: "succeeded", align: "right", text: ({ succeeded }) => figure(succeeded) },
      { title: "retries", align: "right", text: ({ retries }) => figure(retries, "yellow") },
      { title: "failed", align: "right", text: ({ failed }) => figure(failed, "red") }
    ],
    Tasks.map(({ _tag: task }) => ({ task, ...tally(board, task) }))
  )
  return ["", ...lines, "", summary(board, now, rate)].join("\n")
}
