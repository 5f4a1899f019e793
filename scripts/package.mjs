// Packs what would be published, checks it, and uses it from a project outside of this repository.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brokenPromise, programs } from "./markdown.mjs"
import { published, sources } from "./packages.mjs"
import { mapParallel, report, root, run } from "./process.mjs"

/** The ways in which a package can be imported, in the order of its modules. */
const entryPoints = ({ folder, manifest }) =>
  (Object.hasOwn(manifest.exports, "./*") ? sources(folder) : ["index.ts"])
    .filter((file) => !file.split("/").includes("internal"))
    .map((file) => `/${file.replace(/\.ts$/, "")}`)
    .map((path) => manifest.name + path.replace(/\/index$/, ""))

/** The workspace's versions, by package. The catalog is a flat list, so no YAML parser is needed. */
const catalog = Object.fromEntries(
  [...readFileSync(join(root, "pnpm-workspace.yaml"), "utf8").matchAll(/^ {2}"?([^":\s]+)"?: (\S+)$/gm)].map((match) =>
    match.slice(1)
  )
)

const problems = []
const attempt = async (name, command, options, wrong = () => undefined) => {
  const result = await run(command, options)
  const problem = result.code === 0 ? wrong(result) : `${name} failed`
  if (problem !== undefined) problems.push(`${problem}\n${result.output}`)
  return problem === undefined
}

const checkTarball = async ({ folder, manifest, tarball }) => {
  if (!(await attempt(`packing ${manifest.name}`, ["pnpm", "pack", "--out", tarball], { cwd: folder }))) return
  await attempt(`publint of ${manifest.name}`, ["publint", "run", tarball, "--strict"])
  const modules = entryPoints({ folder, manifest }).map((name) => name.replace(manifest.name, "."))
  await attempt(`attw of ${manifest.name}`, ["attw", tarball, "--profile", "esm-only", "--entrypoints", ...modules])
}

/** The README's first program. */
const readme = programs("README.md", readFileSync(join(root, "README.md"), "utf8")).found.find(
  ({ norun, standalone }) => standalone && !norun
)

/** A project of somebody who installed all our packages: it imports every module, and runs the README's first program. */
const writeProject = (folder, tarballs) => {
  const write = (file, text) => writeFileSync(join(folder, file), text)
  const local = Object.fromEntries(tarballs.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]))
  const json = (value) => JSON.stringify(value, null, 2)
  write(
    "package.json",
    json({
      private: true,
      type: "module",
      dependencies: { ...local, effect: catalog.effect },
      devDependencies: { "@types/node": catalog["@types/node"] }
    })
  )
  // our packages need one another in a version that no registry has yet
  write(
    "pnpm-workspace.yaml",
    `overrides:\n${Object.entries(local)
      .map(([name, spec]) => `  "${name}": "${spec}"\n`)
      .join("")}`
  )
  write(
    "tsconfig.json",
    json({
      compilerOptions: {
        target: "es2023",
        lib: ["es2023", "esnext.disposable", "dom"], // effect itself needs "dom" where libraries are checked
        module: "nodenext",
        types: ["node"],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        allowImportingTsExtensions: true
      }
    })
  )
  const modules = tarballs.flatMap(entryPoints)
  write(
    "modules.ts",
    [
      ...modules.map((name, index) => `import * as module${index} from "${name}"`),
      `const modules = [${modules.map((_, index) => `module${index}`).join(", ")}]`,
      `console.log(modules.length)`
    ].join("\n")
  )
  if (readme) write("readme.ts", readme.lines.join("\n"))
}

const folder = mkdtempSync(join(tmpdir(), "celeriac-package-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
const tarballs = published.map(({ folder: source, manifest }) => ({
  folder: source,
  manifest,
  tarball: join(folder, `${manifest.name.replace(/\W+/g, "-")}.tgz`)
}))
await mapParallel(tarballs, 2, checkTarball)

const project = join(folder, "project")
mkdirSync(project)
writeProject(project, tarballs)
const outside = { cwd: project, env: { ...process.env, CI: "true" } }
if (problems.length === 0 && (await attempt("installing", ["pnpm", "install", "--prefer-offline"], outside))) {
  await attempt("type-checking a project outside", ["tsc", "-p", project], outside)
  for (const file of globSync("*.ts", { cwd: project })) {
    const wrong = ({ stdout }) => (file === "readme.ts" ? brokenPromise(readme, stdout) : undefined)
    await attempt(`running ${file} outside`, ["node", file], outside, wrong)
  }
  for (const { manifest } of tarballs) {
    for (const name of Object.keys(manifest.bin ?? {})) {
      const unversioned = ({ stdout }) =>
        stdout.includes(manifest.version) ? undefined : `${name} does not tell its version`
      await attempt(`running ${name} outside`, ["pnpm", "exec", name, "--version"], outside, unversioned)
    }
  }
}
report(problems, tarballs.map(({ manifest }) => manifest.name).join(", "))
