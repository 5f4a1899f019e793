// Type-checks and runs the programs in README.md and packages/docs. What may follow ```ts says scripts/markdown.mjs.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { brokenPromise, programs } from "./markdown.mjs"
import { fromSource, mapParallel, report, root, run } from "./process.mjs"

const folder = join(root, "packages/docs/.snippets")

const write = (path, text) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

const check = async (all) => {
  write(
    "tsconfig.json",
    JSON.stringify({
      extends: "../../../tsconfig.base.json",
      compilerOptions: { composite: false, incremental: false, noEmit: true, noUnusedLocals: false, types: ["node"] },
      include: ["**/*.ts"],
      references: [{ path: "../../celeriac/tsconfig.src.json" }]
    })
  )
  const { code, output } = await run(["tsc", "-b", folder])
  if (code === 0) return []
  return [
    all.reduce((text, { document, path }) => text.replaceAll(join(relative(root, folder), path), document), output)
  ]
}

const execute = async ({ document, line, lines, path }) => {
  const file = join(folder, path)
  const command = path.endsWith(".test.ts") ? ["vitest", "run", "--root", folder, file] : [...fromSource, file]
  const env = { ...process.env, NO_COLOR: "1" }
  delete env.FORCE_COLOR
  const { code, output, stdout } = await run(command, { cwd: dirname(file), env, timeout: 20_000 })
  if (code !== 0) return [`${document}:${line} ended with code ${code}\n${output}`]
  const broken = brokenPromise({ document, lines }, stdout)
  return broken === undefined ? [] : [`${broken}\n${output}`]
}

rmSync(folder, { recursive: true, force: true })
const documents = ["README.md", ...globSync("packages/docs/**/*.md", { cwd: root, exclude: ["**/node_modules/**"] })]
const read = documents.map((name) => programs(name, readFileSync(join(root, name), "utf8")))
const all = read.flatMap(({ found }) => found)
const skipped = read.reduce((total, document) => total + document.skipped, 0)
for (const { lines, path } of all) write(path, `${lines.join("\n")}\n`)
const conditions = ["@celeriac/source"]
const vitest = { resolve: { conditions }, ssr: { resolve: { conditions, externalConditions: conditions } } }
write("vitest.config.js", `export default ${JSON.stringify(vitest)}\n`)

const runnable = all.filter(({ norun }) => !norun)
const paths = all.map(({ path }) => path)
const problems = [
  ...paths.filter((path, index) => paths.indexOf(path) < index).map((path) => `two programs are called ${path}`),
  ...(await check(all)),
  ...(await mapParallel(runnable, 2, execute)).flat()
]
report(problems, `${all.length} programs, ${runnable.length} run, ${skipped} left alone`)
