/** The display on a terminal, from its first frame to its last. */
import { assert, describe, it } from "@effect/vitest"
import type { TaskHandle } from "celeriac"
import { Effect, Exit, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Display } from "../../src/demo/display.ts"
import type { Event } from "../../src/demo/roster.ts"
import { Screen } from "../../src/demo/screen.ts"
import { type Progress, Tasks } from "../../src/demo/tasks.ts"
import { Terminal } from "./terminal.ts"

type Change = TaskHandle.Change<unknown, unknown, Progress>

const [first, second] = Tasks.map(({ _tag }) => _tag) as [string, string]

/** A message whose life the test tells. */
const message = Effect.fnUntraced(function* (id: string, task: string) {
  const changes = yield* Queue.unbounded<Change>()
  // the display reads these of a handle, and nothing else
  const handle = { id, task, changes: Stream.fromQueue(changes) } as unknown as TaskHandle.TaskHandle<
    unknown,
    unknown,
    Progress
  >
  return { handle, tell: (change: Change) => Queue.offer(changes, change) }
})

const active: Change = { _tag: "State", state: "active" }
const half: Change = { _tag: "Progress", value: { done: 5, of: 10 } }
const again: Change = { _tag: "Progress", value: { done: 0, of: 10 } }
const started = (id: string, task: string, attempt: number, delivery: number): Event => ({
  _tag: "Started",
  id,
  task,
  attempt,
  delivery
})
const retrying: Change = { _tag: "Retrying", attempt: 1, exit: Exit.die("no") }
const succeeded: Change = { _tag: "Ended", state: "succeeded", exit: Exit.void }
const failed: Change = { _tag: "Ended", state: "failed", exit: Exit.die("no") }

const bars = (filled: number, width: number) => "█".repeat(filled) + "░".repeat(width - filled)

/** The line of a task: its bar and its numbers. */
const row = (terminal: Terminal, task: string) => {
  const line = terminal.lines.find((line) => line.startsWith(task)) ?? ""
  const [, bar, ...numbers] = line.split(/ +/)
  return [bar, ...numbers.map(Number)]
}

const onTerminal = (terminal: Terminal) => Layer.provideMerge(Display.layer, Screen.layerOn(terminal))

const nextFrame = TestClock.adjust("80 millis")

describe("on a terminal", () => {
  it.effect("frames follow the states of the messages", () => {
    const terminal = new Terminal(100, 30)
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const display = yield* Display
        const screen = yield* Screen
        const one = yield* message("a", first)
        const two = yield* message("b", first)
        yield* nextFrame
        assert.isFalse(terminal.cursorIsVisible)
        assert.deepStrictEqual(row(terminal, first), [bars(0, 24), 0, 0, 0, 0, 0])
        const title = /^task +messages +running +succeeded +retries +failed$/
        assert.strictEqual(terminal.lines.filter((line) => title.test(line)).length, 1)

        yield* display.follow([one.handle, two.handle])
        yield* nextFrame
        assert.deepStrictEqual(row(terminal, first), [bars(0, 24), 2, 0, 0, 0, 0])
        yield* one.tell(active)
        yield* one.tell(half)
        yield* nextFrame
        assert.deepStrictEqual(row(terminal, first), [bars(6, 24), 2, 1, 0, 0, 0])
        yield* one.tell(succeeded)
        yield* display.hear("ann", { _tag: "Employed", place: "here" })
        yield* display.hear("bob", { _tag: "Employed", place: "there" })
        yield* display.hear("bob", { _tag: "Ready" })
        yield* display.hear("ann", started("b", first, 1, 1))
        yield* two.tell(active)
        yield* two.tell(retrying)
        yield* display.hear("ann", { _tag: "Left", id: "b" })
        yield* display.hear("ann", started("b", first, 2, 1))
        yield* nextFrame
        assert.deepStrictEqual(row(terminal, first), [bars(12, 24), 2, 0, 1, 1, 0])

        assert.include(terminal.lines, "ann     here   starts        1      1     0           0")
        assert.include(terminal.lines, "bob     there  works         0      0     0           0")

        screen.print("a line that stays")
        yield* display.hear("ann", { _tag: "Gone", how: "killed" })
        yield* display.hear("bob", started("b", first, 2, 2))
        yield* two.tell(active)
        yield* two.tell(again)
        yield* two.tell(failed)
        yield* nextFrame
        assert.deepStrictEqual(row(terminal, first), [bars(24, 24), 2, 0, 1, 1, 1])
        assert.deepStrictEqual(row(terminal, second), [bars(0, 24), 0, 0, 0, 0, 0])
        assert.include(terminal.lines, "ann     here   killed        0      1     1           0")
        assert.include(terminal.lines, "bob     there  works         1      0     0           1")
        assert.include(terminal.lines, `  0.3 s  worker bob runs ${first}, which ann had in hand`)
        assert.strictEqual(
          terminal.lines.filter((line) => line.startsWith(first)).length,
          1,
          "each frame takes the place of the one before"
        )
        assert.isBelow(
          terminal.lines.indexOf("a line that stays"),
          terminal.lines.findIndex((line) => title.test(line)),
          "what stays is above the picture"
        )
        assert.include(terminal.lines, "  0.4 s  2 of 2 tasks, 0 running, 1 retries, 1 recovered, 5 tasks/s")
        yield* TestClock.adjust("2 seconds")
        assert.include(terminal.lines, "  2.4 s  2 of 2 tasks, 0 running, 1 retries, 1 recovered, 0 tasks/s")
      }).pipe(Effect.provide(onTerminal(terminal)))
      assert.isTrue(terminal.cursorIsVisible)
      // the last frame tells the rate of the whole run
      assert.include(terminal.lines, "  2.4 s  2 of 2 tasks, 0 running, 1 retries, 1 recovered, 1 tasks/s")
      assert.strictEqual(terminal.lines.filter((line) => line.startsWith(first)).length, 1)
    })
  })

  it.effect.each([
    { columns: 60, bar: 4 },
    { columns: 70, bar: 7 },
    { columns: 80, bar: 17 },
    { columns: 87, bar: 24 },
    { columns: 200, bar: 24 }
  ])("$columns columns: the bar gives way, and no line is longer", ({ bar, columns }) => {
    const terminal = new Terminal(columns, 30)
    return Effect.gen(function* () {
      const display = yield* Display
      const messages = yield* Effect.forEach(Array.from({ length: 1200 }), (_, n) => message(`m${n}`, first))
      yield* display.follow(messages.map(({ handle }) => handle))
      yield* Effect.forEach(messages, ({ tell }, n) => (n < 600 ? tell(succeeded) : tell(active)))
      yield* nextFrame
      yield* nextFrame
      const line = terminal.lines.find((line) => line.startsWith(first))
      assert.include(line, bars(Math.floor(bar / 2), bar))
      if (columns >= 67) assert.match(line ?? "", / 1200 +600 +600 +0 +0$/, "all numbers are on the line")
      for (const shown of terminal.lines) assert.isAtMost(shown.length, columns)
    }).pipe(Effect.provide(onTerminal(terminal)))
  })

  it.effect("an interruption leaves the last frame, and gives the cursor back", () => {
    const terminal = new Terminal(80, 30)
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.gen(function* () {
          const display = yield* Display
          const { handle, tell } = yield* message("a", first)
          yield* display.follow([handle])
          yield* tell(active)
          return yield* Effect.never
        }).pipe(Effect.provide(onTerminal(terminal)))
      )
      yield* TestClock.adjust("200 millis")
      assert.isFalse(terminal.cursorIsVisible)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(terminal.cursorIsVisible)
      assert.deepStrictEqual(row(terminal, first), [bars(0, 17), 1, 1, 0, 0, 0])
    })
  })

  it.effect("a terminal that is too low shows the end of the picture", () => {
    const terminal = new Terminal(80, 5)
    return Effect.gen(function* () {
      yield* Display
      yield* nextFrame
      assert.isAtMost(terminal.lines.filter((line) => line !== "").length, 5)
      assert.match(terminal.lines.findLast((line) => line !== "") ?? "", /0 of 0 tasks/)
    }).pipe(Effect.provide(onTerminal(terminal)))
  })
})
