import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
/** The pages of packages/docs say what the code says, and their links lead somewhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Defaults from "../src/Defaults.ts"
import * as EnqueueError from "../src/EnqueueError.ts"
import { known } from "../src/internal/callOptions.ts"
import { problemsOf } from "../src/internal/definition.ts"
import { settingsOf, unreadable } from "../src/internal/worker/options.ts"
import * as Message from "../src/Message.ts"
import * as TaskEnded from "../src/TaskEnded.ts"
import * as TaskId from "../src/TaskId.ts"
import * as TaskRecord from "../src/TaskRecord.ts"

const folder = fileURLToPath(new URL("../../docs", import.meta.url))

const textOf = (page: string): string => readFileSync(join(folder, page), "utf8")

/** The cells of the first table behind a line of the page, without its head; backquotes left out. */
const tableBehind = (page: string, line: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = textOf(page).split("\n")
  const start = lines.indexOf(line)
  assert.isAbove(start, -1, `${page} has no line "${line}"`)
  const first = lines.findIndex((text, index) => index > start && text.startsWith("|"))
  const length = lines.slice(first).findIndex((text) => !text.startsWith("|"))
  return lines.slice(first + 2, first + length).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.replaceAll("`", "").trim())
  )
}

const column = (rows: ReadonlyArray<ReadonlyArray<string>>, index: number): ReadonlyArray<string | undefined> =>
  rows.map((row) => row[index])

describe("message-format.md", () => {
  it("names each field of a message with its key and kind, and no other", () => {
    assert.deepStrictEqual(
      tableBehind("message-format.md", "<!-- fields -->").map(([key, field, kind]) => [key, field, kind]),
      Object.entries(Message.fields).map(([key, { field, kind }]) => [key, field, kind])
    )
  })

  const states: ReadonlyArray<TaskRecord.TerminalState> = [
    "succeeded",
    "failed",
    "revoked",
    "expired",
    "ignored",
    "dead"
  ]

  it("names the letter of each state", () => {
    assert.deepStrictEqual(
      tableBehind("message-format.md", "<!-- states -->"),
      states.map((state) => [
        TaskRecord.encode({ state, endedAt: 0, attempts: 0, ending: { _tag: "Gone" } })[1]!,
        state
      ])
    )
  })

  it("names each key of a record", () => {
    const endings: ReadonlyArray<TaskRecord.Ending> = [
      { _tag: "Success", value: 1 },
      { _tag: "Error", error: 1 },
      { _tag: "Defect", defect: 1 },
      { _tag: "Reason", reason: 1 },
      { _tag: "Gone" }
    ]
    const keys = endings.flatMap((ending) =>
      Object.keys(
        JSON.parse(TaskRecord.encode({ state: "failed", endedAt: 0, attempts: 7, ending }).slice(15)) as object
      )
    )
    assert.sameMembers(
      column(tableBehind("message-format.md", "<!-- record -->"), 0) as Array<string>,
      Array.from(new Set(keys))
    )
  })

  it("shows the alphabet of ids", () => {
    // the first character of an id is the first six bits
    const digits = Array.from({ length: 64 }, (_, digit) => (BigInt(digit) << 122n).toString(16).padStart(32, "0"))
    const alphabet = digits.map((uuid) => TaskId.fromUuid(uuid)[0]).join("")
    assert.include(textOf("message-format.md"), `\`${alphabet}\``)
  })

  it("says how many attempts are usual", () => {
    const usual = states.filter(
      (state) => !TaskRecord.encode({ state, endedAt: 0, attempts: 1, ending: { _tag: "Gone" } }).includes('"n"')
    )
    assert.deepStrictEqual(usual, ["succeeded", "failed"])
  })
})

describe("calling.md", () => {
  const tags = (union: { readonly members: ReadonlyArray<unknown> }): Array<string> =>
    union.members.map((member) => (member as { readonly identifier: string }).identifier)

  it.each([
    ["### TaskEnded", TaskEnded.Reason],
    ["## When enqueue fails", EnqueueError.EnqueueReason]
  ] as const)("names all reasons: %s", (heading, union) => {
    assert.sameMembers(column(tableBehind("calling.md", heading), 0) as Array<string>, tags(union))
  })
})

describe("options", () => {
  /** What the code says there is when it is given an option that is none. */
  const namesIn = (problems: ReadonlyArray<string>): Array<string> => {
    const [, names] = /there is no such (?:option|setting); there are (.*)$/.exec(problems.join("\n")) ?? []
    assert(names !== undefined, `no names in "${problems.join("; ")}"`)
    return names.split(", ")
  }
  const without = (names: ReadonlyArray<string>, left: ReadonlyArray<string>) =>
    names.filter((name) => !left.includes(name))
  const namesOf = (page: string, heading: string) => column(tableBehind(page, heading), 0) as Array<string>

  /** The number, text or span of time that a cell begins with; milliseconds. */
  const valueOf = (cell: string): unknown => {
    const [first] = cell.replace("milliseconds", "millis").split(/ \(|;/) as [string]
    if (first.startsWith(`"`)) return JSON.parse(first)
    const number = Number(first.replaceAll(" ", ""))
    return Number.isNaN(number) ? Duration.toMillis(Duration.fromInputUnsafe(first as Duration.Input)) : number
  }
  const plain = (value: unknown) => (Duration.isDuration(value) ? Duration.toMillis(value) : value)

  it("calling.md names those of a call, and no other", () => {
    assert.sameMembers(namesOf("calling.md", "## Options"), Object.keys(known.enqueue))
    for (const name of without(Object.keys(known.execute), Object.keys(known.enqueue))) {
      assert.include(textOf("calling.md"), `\`execute\` also\ntakes \`${name}\``)
    }
  })

  it("calling.md names the settings of Defaults with their values, and no other", () => {
    const { problems } = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Defaults.layer({ none: 1 } as object)))))
    const rows = tableBehind("calling.md", "## Defaults")
    assert.sameMembers(column(rows, 0) as Array<string>, namesIn(problems))
    const settings = Object.entries(Effect.runSync(Effect.service(Defaults.Defaults)))
    assert.deepStrictEqual(
      Object.fromEntries(rows.map(([name, value]) => [name, valueOf(value!)])),
      Object.fromEntries(settings.map(([name, value]) => [name, plain(value)]))
    )
  })

  it("tasks.md names those of a definition, and no other", () => {
    const schemas = namesOf("tasks.md", "## Define")
    assert.sameMembers(schemas, ["payload", "success", "error", "progress"])
    const names = namesIn(problemsOf({ name: "job", options: { none: 1 } }, []))
    assert.sameMembers([...schemas, ...namesOf("tasks.md", "## Policies")], names)
  })

  it("workers.md names those of a worker with their values, and no other", () => {
    const rows = tableBehind("workers.md", "## Options")
    const names = namesIn(unreadable({ none: 1 }, "layer"))
    assert.sameMembers(column(rows, 0) as Array<string>, names)
    const ofModule = without(namesIn(unreadable({ none: 1 }, "layerModule")), names)
    const [, section] = textOf("workers.md").split("## Handlers from a module")
    for (const name of ofModule) assert.match(section!, new RegExp(`[\`{ ]${name}[\`:]`), name)
    const { settings } = settingsOf({}, "w", [], "default")
    const { concurrency, drainLimit, grace, lease, maxBytes, prefetch, progressInterval, unknownTaskWindow } = settings
    const values = {
      concurrency,
      prefetch,
      maxBytes,
      visibilityTimeout: lease,
      drainLimit,
      grace,
      unknownTaskWindow,
      progressInterval
    }
    const written = rows.filter(([name]) => Object.hasOwn(values, name!))
    assert.deepStrictEqual(Object.fromEntries(written.map(([name, value]) => [name, valueOf(value!)])), values)
  })
})

const pages = readdirSync(folder).filter((name) => name.endsWith(".md"))

/** As GitHub makes them of headings. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-")

const anchorsOf = (path: string): ReadonlyArray<string> =>
  Array.from(
    readFileSync(path, "utf8")
      .replaceAll(/^```[^]*?^```$/gm, "")
      .matchAll(/^#+ (.*)$/gm),
    ([, heading]) => anchorOf(heading!)
  )

describe("links", () => {
  it.each(pages)("%s", (page) => {
    const here = join(folder, page)
    const links = textOf(page)
      .replaceAll(/^```[^]*?^```$/gm, "")
      .matchAll(/\]\(([^)\s]+)\)/g)
    const dead = Array.from(links, ([, link]) => link!)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path, anchor] = link.split("#") as [string, string | undefined]
        const target = path === "" ? here : join(dirname(here), path)
        if (!existsSync(target)) return true
        return anchor !== undefined && (statSync(target).isDirectory() || !anchorsOf(target).includes(anchor))
      })
    assert.deepStrictEqual(dead, [], `dead links in ${relative(process.cwd(), here)}`)
  })

  it("lead from the index to each page", () => {
    const index = textOf("README.md")
    assert.deepStrictEqual(
      pages.filter((page) => page !== "README.md" && !index.includes(`](${page})`)),
      []
    )
  })
})

describe("architecture.md", () => {
  /** The files of the map with their folders; of a folder that has one line, only that. */
  const mapped = (): ReadonlyArray<string> => {
    const map = /```text\n([^]*?)```/.exec(textOf("architecture.md"))![1]!
    const path: Array<string> = []
    return map.split("\n").flatMap((line) => {
      const [, indent, name] = /^( *)(\S+)/.exec(line) ?? []
      if (indent === undefined || name === undefined) return []
      path.length = indent.length / 2
      if (!name.endsWith("/")) return [[...path, name].join("")]
      path.push(name)
      return line.trim() === name ? [] : [path.join("")]
    })
  }

  it("maps each file of the core", () => {
    const source = fileURLToPath(new URL("../src", import.meta.url))
    const names = mapped()
    const folders = names.filter((name) => name.endsWith("/"))
    const files = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => path.replaceAll("\\", "/").replace(/\.ts$/, ""))
      .map((path) => folders.find((folder) => path.startsWith(folder)) ?? path)
    assert.deepStrictEqual(
      {
        unmapped: Array.from(new Set(files)).filter((file) => !names.includes(file)),
        gone: names.filter((name) => !files.includes(name))
      },
      { unmapped: [], gone: [] }
    )
  })
})
