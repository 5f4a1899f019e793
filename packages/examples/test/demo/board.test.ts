import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { changed, empty, enqueued, tally } from "../../src/demo/board.ts"
import { table } from "../../src/demo/table.ts"

const board = (changes: ReadonlyArray<Parameters<typeof changed>[2]>) =>
  changes.reduce((board, change) => changed(board, "a", change), enqueued(empty, { id: "a", task: "one" }))

const active = { _tag: "State", state: "active" } as const
const halfWay = { _tag: "Progress", value: { done: 5, of: 10 } } as const
const again = { _tag: "Progress", value: { done: 1, of: 10 } } as const
const retrying = { _tag: "Retrying", attempt: 1, exit: Exit.die("no") } as const
const succeeded = { _tag: "Ended", state: "succeeded", exit: Exit.void } as const
const dead = { _tag: "Ended", state: "dead", exit: Exit.die("no") } as const

describe("tally", () => {
  const nothing = { messages: 1, running: 0, succeeded: 0, failed: 0, done: 0 }
  const cases: ReadonlyArray<readonly [name: string, Parameters<typeof board>[0], Partial<typeof nothing>]> = [
    ["enqueued", [], {}],
    ["active", [active], { running: 1 }],
    ["half-way", [active, halfWay], { running: 1, done: 0.5 }],
    ["given back", [active, halfWay, { _tag: "State", state: "queued" }], {}],
    ["run again", [active, halfWay, active, again], { running: 1, done: 0.1 }],
    ["retrying", [active, halfWay, retrying], {}],
    ["succeeded", [active, retrying, active, succeeded], { succeeded: 1, done: 1 }],
    ["dead", [active, dead], { failed: 1, done: 1 }]
  ]
  for (const [name, changes, expected] of cases) {
    it(name, () => assert.deepStrictEqual(tally(board(changes)), { ...nothing, ...expected }))
  }

  it("of one task, or of all", () => {
    const two = enqueued(board([active]), { id: "b", task: "two" })
    assert.strictEqual(tally(two, "one").messages, 1)
    assert.strictEqual(tally(two).messages, 2)
  })
})

describe("table", () => {
  it("aligns columns, whatever the colours", () => {
    const lines = table(
      [
        { title: "name", align: "left", text: (row: readonly [string, string]) => row[0] },
        { title: "n", align: "right", text: (row) => row[1] }
      ],
      [
        ["a", "\u001b[31m100\u001b[39m"],
        ["longer", "7"]
      ]
    )
    assert.deepStrictEqual(lines, ["name      n", "a       \u001b[31m100\u001b[39m", "longer    7"])
  })
})
