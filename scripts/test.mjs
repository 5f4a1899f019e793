// The test command: `npm test`, `npm test -- --fast`, `npm test -- --only lint,unit`.
//
// A step is a command that exits with 0 when all is well; the last line that it prints is shown beside its name, and
// all of its output when it fails. Steps run side by side as far as their weights allow, so `weight: 2` means alone.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters, styleText } from "node:util"
import { run } from "./process.mjs"

const scratch = mkdtempSync(join(tmpdir(), "celeriac-test-"))
const unitResults = join(scratch, "unit.json")
const fast = process.argv.includes("--fast")
// files that share their modules are loaded in half the time; the whole test keeps them apart
const vitest = ["vitest", "run", "--config", "vitest.workspace.ts", ...(fast ? ["--no-isolate"] : [])]
const script = (name) => ["node", `scripts/${name}.mjs`]

const steps = [
  { name: "format", command: ["oxfmt", "--check"], hint: "npm run format" },
  { name: "types", command: script("build") },
  { name: "lint", command: ["oxlint", "--deny-warnings"] },
  { name: "diagnostics", command: script("diagnostics") },
  {
    name: "unit",
    command: [...vitest, "--reporter=default", "--reporter=json", `--outputFile.json=${unitResults}`],
    weight: 2,
    timeout: 600_000
  },
  { name: "examples", command: script("examples"), weight: 2 },
  { name: "snippets", command: script("snippets"), weight: 2, after: "types" },
  {
    name: "bench",
    command: [
      ...["node", "--conditions=@celeriac/source", "packages/bench/src/main.ts"],
      ...["--smoke", "--only", "throughput,singles,idle,steady"]
    ],
    weight: 2
  },
  { name: "typeperf", command: script("typeperf"), after: "types" },
  { name: "size", command: script("size"), after: "types", slow: true },
  { name: "package", command: script("package"), after: "types", slow: true }
]

const args = process.argv.slice(2)
const only = args.includes("--only") ? args[args.indexOf("--only") + 1]?.split(",") : undefined
const unknown = [
  ...(only ?? []).filter((name) => !steps.some((step) => step.name === name)),
  ...args.filter((arg) => arg.startsWith("-") && !["--fast", "--only"].includes(arg))
]
if (unknown.length > 0) {
  console.error(
    `unknown: ${unknown.join(", ")}. Usage: npm test -- [--fast] [--only ${steps.map((step) => step.name).join(",")}]`
  )
  process.exit(2)
}
const selected = steps.filter((step) => (only ? only.includes(step.name) : !(step.slow && fast)))

const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (style, text) => (color ? styleText(style, text) : text)
const { FORCE_COLOR: _, ...inherited } = process.env
const env = {
  ...inherited,
  [color ? "FORCE_COLOR" : "NO_COLOR"]: "1",
  // fewer seeds, no mutants
  ...(fast && { CELERIAC_FAST: "1" })
}
const longestLine = 110
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`
const lastLine = (text) => {
  const line = stripVTControlCharacters(text).trimEnd().split("\n").at(-1).trim()
  return line.length > longestLine ? `${line.slice(0, longestLine)}…` : line
}

/** Tests are counted one by one; any other step counts as one. */
const count = (step, ok) => {
  if (step.name === "unit" && existsSync(unitResults)) {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(unitResults, "utf8"))
    return { passed: numPassedTests, failed: ok ? 0 : Math.max(1, numFailedTests) } // a file that cannot be loaded has no tests
  }
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** The test runner's own closing lines: "Test Files  43 passed (43)", "Tests  3072 passed (3072)". */
const summaryOf = (output) =>
  stripVTControlCharacters(output)
    .split("\n")
    .filter((text) => /^\s*(Test Files|Tests)\s+\d/.test(text))

const line = (mark, name, time, text) => console.log(`${mark} ${name.padEnd(12)}${time.padStart(8)}  ${text}`)

const perform = async (step) => {
  const started = performance.now()
  const waiting = setInterval(() => line(" ", step.name, seconds(started), "still running"), 30_000)
  const result = await run(step.command, { env, timeout: step.timeout })
  clearInterval(waiting)
  const ok = result.code === 0
  const counted = { ...count(step, ok), summary: step.name === "unit" ? summaryOf(result.output) : [] }
  if (ok) {
    const text = step.name === "unit" ? `${counted.passed} tests` : lastLine(result.stdout)
    line(paint("green", "✓"), step.name, seconds(started), paint("dim", text))
  } else {
    line(paint("red", "✗"), step.name, seconds(started), paint("red", "failed") + (step.hint ? `: ${step.hint}` : ""))
    // some tools colour their output wherever CI is set
    const output = color ? result.output : stripVTControlCharacters(result.output)
    console.log(output.trimEnd().replace(/^/gm, "    "))
  }
  return { ok, ...counted }
}

const schedule = async () => {
  const waiting = new Set(selected)
  const results = new Map()
  const running = new Set()
  let load = 0
  while (waiting.size > 0 || running.size > 0) {
    for (const step of waiting) {
      const { after, name, weight = 1 } = step
      const blocked = selected.some((other) => other.name === after) && !results.has(after)
      if (blocked || load + weight > 2) continue
      waiting.delete(step)
      if (results.get(after)?.ok === false) {
        line(paint("yellow", "-"), name, "", `skipped, because ${after} failed`)
        results.set(name, { ok: false, passed: 0, failed: 0, summary: [] })
        continue
      }
      load += weight
      const done = perform(step).then((result) => {
        results.set(name, result)
        running.delete(done)
        load -= weight
      })
      running.add(done)
    }
    if (running.size > 0) await Promise.race(running)
  }
  return [...results.values()]
}

const started = performance.now()
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))
const results = await schedule()
const sum = (key) => results.reduce((total, result) => total + result[key], 0)
console.log(`\n${selected.length} steps in ${seconds(started)}: ${sum("passed")} passed, ${sum("failed")} failed`)
for (const text of results.flatMap(({ summary }) => summary)) console.log(text)
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
