// Type-checks everything and writes every published package's dist.
import { existsSync, globSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { published, sources } from "./packages.mjs"
import { root, run } from "./process.mjs"

// tsc never deletes the output of a module that is gone, and it would be published
for (const { folder } of published) {
  const kept = new Set(sources(folder).map((file) => file.replace(/\.ts$/, "")))
  const dist = join(folder, "dist")
  for (const file of globSync("**/*.{js,d.ts,map}", { cwd: dist })) {
    if (!kept.has(file.replace(/(\.d\.ts|\.js)(\.map)?$/, ""))) rmSync(join(dist, file))
  }
  // nor does it notice that its output was deleted by somebody else
  if (!existsSync(dist)) rmSync(join(folder, ".tsbuild"), { recursive: true, force: true })
}

// tsc 7.0 keeps the results of a project although an option that it inherits was changed
const base = statSync(join(root, "tsconfig.base.json")).mtimeMs
for (const file of globSync("packages/*/.tsbuild/*tsbuildinfo", { cwd: root })) {
  if (statSync(join(root, file)).mtimeMs < base) rmSync(join(root, file))
}

const { code, output } = await run(["tsc", "-b", ...process.argv.slice(2)])
process.stdout.write(output)
process.exitCode = code
