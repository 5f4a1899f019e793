import { assert, describe, it } from "@effect/vitest"
import { HashSet, Option } from "effect"
import { deathAccount } from "../../src/demo/report.ts"
import * as Roster from "../../src/demo/roster.ts"

type Told = readonly [worker: string, event: Roster.Event]

const employed: Roster.Event = { _tag: "Employed", place: "here" }
const ready: Roster.Event = { _tag: "Ready" }
const gone = (how: "killed" | "died" | "stopped"): Roster.Event => ({ _tag: "Gone", how })
const left = (id: string): Roster.Event => ({ _tag: "Left", id })
const started = (id: string, delivery = 1, attempt = 1): Roster.Event => ({
  _tag: "Started",
  id,
  task: id.replaceAll(/\d/g, ""),
  attempt,
  delivery
})

const roster = (told: ReadonlyArray<Told>) =>
  told.reduce((roster, [worker, event]) => Roster.changed(roster, worker, event), Roster.empty)

const shown = (roster: Roster.Roster) =>
  Roster.members(roster).map(({ ended, lost, name, running, state, takenOver }) =>
    [name, state, HashSet.size(running), ended, HashSet.size(lost), HashSet.size(takenOver)].join(" ")
  )

const staff: ReadonlyArray<Told> = [
  ["ann", employed],
  ["bob", employed],
  ["bob", ready]
]

describe("members", () => {
  const cases: ReadonlyArray<readonly [name: string, ReadonlyArray<Told>, ReadonlyArray<string>]> = [
    ["come to work", [], ["ann starts 0 0 0 0", "bob works 0 0 0 0"]],
    ["run", [["bob", started("a")]], ["ann starts 0 0 0 0", "bob works 1 0 0 0"]],
    [
      "end runs",
      [
        ["bob", started("a")],
        ["bob", left("a")]
      ],
      ["ann starts 0 0 0 0", "bob works 0 1 0 0"]
    ],
    [
      "stop",
      [
        ["bob", started("a")],
        ["bob", gone("stopped")]
      ],
      ["ann starts 0 0 0 0", "bob stopped 0 0 0 0"]
    ],
    [
      "lose what they have in hand",
      [
        ["bob", started("a")],
        ["bob", left("a")],
        ["bob", started("b")],
        ["bob", gone("killed")]
      ],
      ["ann starts 0 0 0 0", "bob killed 0 1 1 0"]
    ],
    [
      "take over, once for each message",
      [
        ["bob", started("a")],
        ["bob", gone("died")],
        ["ann", started("a", 2, 1)],
        ["ann", left("a")],
        ["ann", started("a", 2, 2)]
      ],
      ["ann starts 1 1 0 1", "bob died 0 0 1 0"]
    ],
    [
      "lose also what ended here and was not heard of by the queues",
      [
        ["bob", started("a")],
        ["bob", left("a")],
        ["bob", gone("killed")],
        ["ann", started("a", 2)]
      ],
      ["ann starts 1 0 0 1", "bob killed 0 1 1 0"]
    ],
    [
      "lose nothing to themselves",
      [
        ["bob", started("a")],
        ["bob", started("a", 2)]
      ],
      ["ann starts 0 0 0 0", "bob works 1 0 0 1"]
    ]
  ]
  for (const [name, told, expected] of cases) {
    it(name, () => assert.deepStrictEqual(shown(roster([...staff, ...told])), expected))
  }
})

describe("predecessor", () => {
  const before = roster([...staff, ["bob", started("a")]])
  it("is who died with the message", () => {
    assert.deepStrictEqual(Roster.predecessor(before, "ann", started("a", 2)), Option.some("bob"))
  })
  it("is nobody for a first delivery, a retry elsewhere, and an unknown message", () => {
    for (const event of [started("a"), started("a", 1, 2), started("b", 2), left("a")]) {
      assert.deepStrictEqual(Roster.predecessor(before, "ann", event), Option.none())
    }
    assert.deepStrictEqual(Roster.predecessor(before, "bob", started("a", 2)), Option.none())
  })
})

describe("retries", () => {
  it("are counted by messages, in whatever order workers report", () => {
    const told = roster([
      ["ann", started("one1", 1, 3)],
      ["bob", started("one1", 1, 2)],
      ["bob", started("one2", 1, 2)],
      ["ann", started("one2", 2, 2)],
      ["bob", started("two3", 1, 1)]
    ])
    assert.strictEqual(Roster.retries(told), 3)
    assert.strictEqual(Roster.retries(told, "one"), 3)
    assert.strictEqual(Roster.retries(told, "two"), 0)
    assert.strictEqual(Roster.recovered(told), 1)
  })
})

describe("deserted", () => {
  const cases: ReadonlyArray<readonly [ReadonlyArray<Told>, boolean]> = [
    [[], false],
    [staff, false],
    [[...staff, ["ann", gone("killed")]], false],
    [[...staff, ["ann", gone("killed")], ["bob", gone("died")]], true],
    [[...staff, ["ann", gone("killed")], ["bob", gone("stopped")]], false]
  ]
  it.each(cases)("%#", (told, expected) => assert.strictEqual(Roster.deserted(roster(told)), expected))
})

describe("deathAccount", () => {
  const killed: ReadonlyArray<Told> = [...staff, ["bob", started("a")], ["bob", started("b")], ["bob", gone("killed")]]
  it("names the heirs", () => {
    const told = roster([...killed, ["cid", employed], ["ann", started("a", 2)], ["cid", started("b", 2)]])
    assert.deepStrictEqual(deathAccount(told), [
      "Worker bob was killed with 2 tasks in hand: ann ran 1 again, cid ran 1 again."
    ])
  })
  it("does not hide that there are none", () => {
    assert.deepStrictEqual(deathAccount(roster([...staff, ["bob", started("a")], ["bob", gone("died")]])), [
      "Worker bob died with 1 task in hand: nobody ran them again."
    ])
  })
})
