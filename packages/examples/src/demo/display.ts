/** Shows how far a run is: from what its tasks and its workers report, and from nothing else. */
import { styleText } from "node:util"
import type { TaskHandle } from "celeriac"
import { Clock, Context, Effect, FiberSet, HashSet, Layer, Logger, Option, Stream, SubscriptionRef } from "effect"
import * as Board from "./board.ts"
import { loggerTo } from "./logger.ts"
import * as Roster from "./roster.ts"
import { Screen } from "./screen.ts"
import { table } from "./table.ts"
import { type Progress, Tasks } from "./tasks.ts"

export interface State {
  readonly board: Board.Board
  readonly roster: Roster.Roster
}

export class Display extends Context.Service<
  Display,
  {
    readonly state: SubscriptionRef.SubscriptionRef<State>
    /** Follows messages to their ends. Returns at once. */
    readonly follow: (handles: ReadonlyArray<TaskHandle.TaskHandle<unknown, unknown, Progress>>) => Effect.Effect<void>
    /** Waits until all that happened to the messages is on the board. */
    readonly caughtUp: Effect.Effect<void>
    /** What a worker reports, or what became of it. */
    readonly hear: (worker: string, event: Roster.Event) => Effect.Effect<void>
    /** Prints a line that stays, with the seconds since the start. */
    readonly say: (text: string, warning: boolean) => Effect.Effect<void>
  }
>()("demo/Display") {
  static readonly layer = Layer.effect(
    Display,
    Effect.gen(function* () {
      const screen = yield* Screen
      const state = yield* SubscriptionRef.make<State>({ board: Board.empty, roster: Roster.empty })
      const followers = yield* FiberSet.make<void>()
      const stopwatch = yield* startStopwatch

      const show = (write: (text: string) => void, render: typeof frame, rate: RateMeter) =>
        Effect.gen(function* () {
          const now = yield* stopwatch
          const seen = yield* SubscriptionRef.get(state)
          write(render(seen, now, rate(now, Board.tally(seen.board)), screen.columns()))
        })

      yield* Effect.addFinalizer(() => show(screen.live ? screen.draw : screen.print, frame, meanRate))
      const [write, render, every] = screen.live
        ? ([screen.draw, frame, "80 millis"] as const)
        : ([screen.print, summary, "1 second"] as const)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), show(write, render, recentRate()))))

      const say = (text: string, warning: boolean) =>
        Effect.map(stopwatch, (now) => {
          const line = `${seconds(now)}  ${text}`
          screen.print(warning ? styleText("yellow", line) : line)
        })

      const hear = Effect.fnUntraced(function* (worker: string, event: Roster.Event) {
        const predecessor = yield* SubscriptionRef.modify(state, ({ board, roster }) => [
          Roster.predecessor(roster, worker, event),
          { board, roster: Roster.changed(roster, worker, event) }
        ])
        if (event._tag === "Logged") yield* say(event.text, event.warning)
        if (event._tag === "Started" && Option.isSome(predecessor)) {
          yield* say(`worker ${worker} runs ${event.task}, which ${predecessor.value} had in hand`, false)
        }
      })

      const onBoard = (change: (board: Board.Board) => Board.Board) =>
        SubscriptionRef.update(state, ({ board, roster }) => ({ board: change(board), roster }))
      const followOne = (handle: TaskHandle.TaskHandle<unknown, unknown, Progress>) =>
        Effect.andThen(
          onBoard((board) => Board.enqueued(board, handle)),
          Stream.runForEach(handle.changes, (change) => onBoard((board) => Board.changed(board, handle.id, change)))
        )
      return {
        state,
        follow: (handles) =>
          Effect.forEach(handles, (handle) => FiberSet.run(followers, followOne(handle)), { discard: true }),
        caughtUp: FiberSet.awaitEmpty(followers),
        hear,
        say
      }
    })
  )
}

/** Log lines are shown among the others. */
export const layerLogs = Layer.unwrap(
  Effect.gen(function* () {
    const { say } = yield* Display
    const run = Effect.runSyncWith(yield* Effect.context())
    return Logger.layer([loggerTo((text, warning) => run(say(text, warning)))])
  })
)

const startStopwatch = Effect.map(Clock.currentTimeMillis, (start) =>
  Effect.map(Clock.currentTimeMillis, (now) => now - start)
)

/** Ends per second. */
type RateMeter = (now: number, tally: Board.Tally) => number

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
  ({ done, messages }: Board.Tally): string => {
    const width = Math.max(4, Math.min(24, columns - besideBar))
    const filled = messages === 0 ? 0 : Math.floor((done / messages) * width)
    const colour = filled === width ? "green" : "cyan"
    return styleText(colour, "█".repeat(filled)) + styleText("gray", "░".repeat(width - filled))
  }

/** Zeros stay in the background. */
const figure = (value: number, colour: "white" | "yellow" | "red" = "white"): string =>
  styleText(value === 0 ? "gray" : colour, String(value))

const summary = ({ board, roster }: State, now: number, rate: number): string => {
  const { failed, messages, running, succeeded } = Board.tally(board)
  return `${seconds(now)}  ${succeeded + failed} of ${messages} tasks, ${running} running, ${Roster.retries(roster)} retries, ${Roster.recovered(roster)} recovered, ${Math.round(rate)} tasks/s`
}

const tasksTable = ({ board, roster }: State, columns: number) =>
  table(
    [
      { title: "task", align: "left", text: ({ task }) => task },
      { title: "", align: "left", text: bar(columns) },
      { title: "messages", align: "right", text: ({ messages }) => figure(messages) },
      { title: "running", align: "right", text: ({ running }) => figure(running) },
      { title: "succeeded", align: "right", text: ({ succeeded }) => figure(succeeded) },
      { title: "retries", align: "right", text: ({ retries }) => figure(retries, "yellow") },
      { title: "failed", align: "right", text: ({ failed }) => figure(failed, "red") }
    ],
    Tasks.map(({ _tag: task }) => ({ task, retries: Roster.retries(roster, task), ...Board.tally(board, task) }))
  )

const workersTable = (roster: Roster.Roster) =>
  table(
    [
      { title: "worker", align: "left", text: ({ name }) => name },
      { title: "place", align: "left", text: ({ place }) => place },
      { title: "state", align: "left", text: ({ state }) => styleText(stateColour[state], state) },
      { title: "running", align: "right", text: ({ running }) => figure(HashSet.size(running)) },
      { title: "ended", align: "right", text: ({ ended }) => figure(ended) },
      { title: "lost", align: "right", text: ({ lost }) => figure(HashSet.size(lost), "red") },
      { title: "taken over", align: "right", text: ({ takenOver }) => figure(HashSet.size(takenOver), "yellow") }
    ],
    Roster.members(roster)
  )

const stateColour = { starts: "gray", works: "green", killed: "red", died: "red", stopped: "gray" } as const

const frame = (state: State, now: number, rate: number, columns: number): string =>
  ["", ...tasksTable(state, columns), "", ...workersTable(state.roster), "", summary(state, now, rate)].join("\n")
