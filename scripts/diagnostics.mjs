// Effect's own diagnostics (floating effects, lost errors …) over every project.
import { globSync } from "node:fs"
import { join, relative } from "node:path"
import { report, root, run } from "./process.mjs"

const { output, stdout } = await run([
  "effect-tsgo",
  "diagnostics",
  "--project",
  join(root, "tsconfig.json"),
  "--format",
  "json",
  "--list-files",
  "--strict"
])
let result
try {
  result = JSON.parse(stdout)
} catch {
  console.error(output)
  process.exit(1)
}

const problems = result.diagnostics
  .filter(({ severity }) => severity !== "message")
  .map(
    (found) =>
      `${relative(root, found.file)}(${found.line},${found.column}): ${found.severity} ${found.name}: ${found.message}`
  )

// Where the language service is not configured the tool checks nothing, and says that all is well.
const checked = new Set((result.files ?? []).map(({ file }) => relative(root, file)))
for (const file of globSync("packages/*/{src,test}/**/*.ts", { cwd: root })) {
  if (!checked.has(file))
    problems.push(`${file} was not checked: is it included in a tsconfig, and in tsconfig.json's references?`)
}
report(problems, `${checked.size} files`)
