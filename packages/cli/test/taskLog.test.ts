/** Which lines of a worker's log are told, how, and how they are written. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { vi } from "vitest"
import { print, printed, printSoon } from "../src/output.ts"
import { textOf } from "../src/outside.ts"
import * as TaskLog from "../src/taskLog.ts"

/** What each write has. */
const writes: Array<string> = []

beforeEach(() => {
  writes.length = 0
  vi.spyOn(console, "log").mockImplementation((text: string) => void writes.push(text))
})

afterEach(() => {
  printed()
  vi.restoreAllMocks()
})

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

describe("lines", () => {
  it.live("of one turn are one write", () =>
    Effect.gen(function* () {
      for (const line of ["a", "b", "c"]) printSoon(line)
      assert.deepStrictEqual(writes, [])
      yield* turn
      printSoon("d")
      yield* turn
      assert.deepStrictEqual(writes, ["a\nb\nc", "d"])
    })
  )

  it.live("stand before what is printed after them", () =>
    Effect.gen(function* () {
      printSoon("a")
      yield* print("b")
      yield* turn
      assert.deepStrictEqual(writes, ["a", "b"])
    })
  )

  it("wait up to a size, and not twice", () => {
    const long = "x".repeat(40_000)
    printSoon(long)
    assert.lengthOf(writes, 0)
    printSoon(long)
    assert.deepStrictEqual(writes, [`${long}\n${long}`])
    printed()
    assert.lengthOf(writes, 1)
  })
})

const ofWorker = { worker: "w", task: "mail", id: "a", attempt: 1 }

/** What is printed of a line with these annotations. */
const told = (log: Effect.Effect<void>, annotations: Record<string, unknown>, level: TaskLog.Level = "Info") =>
  Effect.map(
    Effect.andThen(
      Effect.annotateLogs(log, annotations).pipe(
        Effect.provideService(References.MinimumLogLevel, TaskLog.workerLevel(level)),
        Effect.provide(TaskLog.layer({ level, format: "pretty", paint: (_format, text) => text }))
      ),
      turn
    ),
    () => writes.join("\n").replace(/^\S+ /, "")
  )

describe("the log of a worker", () => {
  it.live("tells good ends at info, by their annotation and not by their words", () =>
    Effect.gen(function* () {
      const end = { ...ofWorker, outcome: "Succeeded", took: 12 }
      assert.strictEqual(yield* told(Effect.logDebug('task "mail" is well'), end), "info  mail a is well")
    })
  )

  it.live.each([
    ["a start", ofWorker],
    // it does not count: the message belongs to another worker
    ["a bad end that is told to those who look closely", { ...ofWorker, outcome: "Failed", took: 12 }],
    ["what a handler says", { task: "mail", id: "a", attempt: 1, outcome: "Succeeded" }]
  ] as const)("does not tell %s at info", ([, annotations]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* told(Effect.logDebug('task "mail" succeeded in 1ms'), annotations), "")
    })
  )

  it.live.each([
    [{ ...ofWorker, outcome: "Failed", took: 1500 }, "warn  mail a failed: x (1s 500ms)"],
    [{ ...ofWorker, outcome: "Undecodable" }, "warn  mail a failed: x"],
    [{ task: "mail", id: "a", outcome: "mine", took: 3 }, "warn  mail a failed: x outcome=mine took=3"]
  ] as const)("shows how long a failure took, once: %j", ([annotations, line]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* told(Effect.logWarning('task "mail" failed: x'), annotations), line)
    })
  )
})

describe("what is thrown", () => {
  const unshowable = Object.defineProperty(new Error("x"), "stack", {
    get: () => {
      throw new Error("no")
    }
  })
  it.each([
    [new Error("kaputt"), /^Error: kaputt\n +at /],
    [{ code: 7 }, /^\{ code: 7 \}$/],
    [undefined, /^undefined$/],
    [unshowable, /^a value that cannot be shown$/]
  ])("is told: %#", (thrown, text) => {
    assert.match(textOf(thrown), text)
  })
})
