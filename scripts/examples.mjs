// Runs every example as a reader would: packages/examples/src/<name>/main.ts, which has to end by itself.
import { globSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fromSource, mapParallel, report, root, run } from "./process.mjs"

const scratch = mkdtempSync(join(tmpdir(), "celeriac-examples-"))
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))

const examples = globSync("packages/examples/src/*/main.ts", { cwd: root }).toSorted()
const results = await mapParallel(examples, 2, async (file) => {
  const cwd = mkdtempSync(join(scratch, "run-")) // what it writes is not ours to keep
  const result = await run([...fromSource, join(root, file)], { cwd, timeout: 60_000 })
  return result.code === 0 ? [] : [`${file} ended with code ${result.code}\n${result.output}`]
})
report(results.flat(), `${examples.length} examples`)
