/** What is wrong is said in words, with what to do, on standard error; and the exit code. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { celeriac, moduleOf } from "./child.ts"
import { url } from "./context.ts"

let folder = ""

/** Modules that no compiler and no linter lets pass. */
const broken: Readonly<Record<string, string>> = {
  "enum.ts": "enum Color { Red }\nexport default Color\n",
  "syntax.ts": "const text: = 3\n",
  "syntax.js": "const text = = 3\n",
  "imports.ts": 'import "./nowhere.ts"\n',
  "package.ts": 'import "no-such-package"\n',
  "view.tsx": "export default 1\n",
  "nothing.ts": "export {}\n",
  "text.ts": 'throw "a text, redis://me:sesame@host"\n'
}

/** Module, and what is said of it. Those that begin with a slash are among the broken ones. */
const modules: ReadonlyArray<readonly [module: string, ...says: ReadonlyArray<RegExp>]> = [
  ["nowhere.ts", /^error: there is no file /],
  [moduleOf("handlers"), /there is no file/, /Did you mean .*handlers\.ts\?/],
  ["packages", /packages \(in .*\) is no file/],
  [
    moduleOf("throws.ts"),
    /fails while it is loaded:\n {2}Error: no setting "smtp" for greet\n +at settings .*throws\.ts:5/
  ],
  [
    moduleOf("definitions.ts"),
    /exports no Layer .*Greet \(the task "greet": its definition, without a handler\), limit/
  ],
  [moduleOf("double.ts"), /task "greet" has two handlers, in the exports "One" and "Two"/],
  [moduleOf("needy.ts"), /need the service "test\/Smtp", and nobody provides it/, /Layer\.provide/],
  ["/enum.ts", /enum is not supported/, /enum Color \{ Red \}/, /compile the module/],
  ["/syntax.ts", /const text: = 3\n +\^/, /Correct the syntax/],
  ["/syntax.js", /const text = = 3\n +\^/],
  ["/imports.ts", /Cannot find module .*nowhere\.ts/, /need their extension/],
  ["/package.ts", /Cannot find package 'no-such-package'/, /installed/],
  ["/view.tsx", /Unknown file extension/, /compile/],
  ["/nothing.ts", /it exports nothing/, /toLayer/],
  ["/text.ts", /thrown: a text, redis:\/\/me:\*\*\*@host/]
]

const commands: ReadonlyArray<readonly [args: string, code: number, says: RegExp]> = [
  ["worker", 2, /Missing required argument: module\nSee: celeriac worker --help/],
  ["worker x -Q a,,b", 2, /the name of a queue is empty/],
  ["worker x -c 0", 2, /--concurrency: "0". Expected: 1 or more/],
  ["worker x --drain-timeout soon", 2, /a span of time, as 500ms/],
  ["worker x --log-level trace", 2, /"debug" \| "info" \| "warning" \| "error"/],
  ["worker x redis://:a/b@c@host/0", 2, /redis:\/\/:\*\*\*@host/],
  ["wroker", 2, /Did you mean this\?\n +worker/],
  ["task raw x --broker redis://me:sesame@127.0.0.1:1", 1, /^error: redis:\/\/127.0.0.1:1\/0: no connection/],
  [`task raw x --broker ${url} --prefix empty`, 1, /there is no queue with the prefix "empty"/],
  [
    `worker ${moduleOf("double.ts")} --export Three`,
    1,
    /has no Layer under its export "Three"; it exports One \(a Layer\), Two \(a Layer\)/
  ]
]

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let ran: ReadonlyMap<string, Ran>

const argsOf = (module: string) => `worker ${module.startsWith("/") ? join(folder, module) : module} --broker ${url}`

// one process for all of them: it takes its time to start
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "celeriac-cli-"))
  for (const [name, text] of Object.entries(broken)) writeFileSync(join(folder, name), text)
  const all = [...modules.map(([module]) => argsOf(module)), ...commands.map(([args]) => args)]
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    ["--conditions=@celeriac/source", fileURLToPath(new URL("runEach.ts", import.meta.url)), ...all],
    { encoding: "utf8", cwd: fileURLToPath(new URL("../../..", import.meta.url)) }
  )
  assert.strictEqual(status, 0, stderr)
  const results = JSON.parse(stdout) as ReadonlyArray<Ran>
  ran = new Map(all.map((args, at) => [args, results[at]!]))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("a module that holds no handlers", () => {
  it.each(modules.map(([module, ...says]) => ({ module, says })))("$module", ({ module, says }) => {
    const { code, stderr, stdout } = ran.get(argsOf(module))!
    for (const what of says) assert.match(stderr, what)
    assert.deepStrictEqual([code, stdout], [1, ""])
    assert.notMatch(stderr, /node:internal|effect\/src|sesame/)
  })
})

describe("a command that makes no sense", () => {
  it.each(commands)("%s", (args, code, says) => {
    const result = ran.get(args)!
    assert.match(result.stderr, says)
    assert.deepStrictEqual([result.code, result.stdout], [code, ""])
    assert.notMatch(result.stderr, /sesame|a\/b@c/)
  })
})

describe("a process", () => {
  it.live("ends with the code of its command", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const child = yield* celeriac(["worker"])
        assert.strictEqual(yield* child.exit, 2)
        assert.match(child.stderr(), /^error: Missing/)
      })
    )
  )
})
