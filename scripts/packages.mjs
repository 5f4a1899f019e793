// What is in this workspace.
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./process.mjs"

/** Every package of the workspace: its folder and its manifest. */
export const packages = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) }))

/** The packages that go to npm. */
export const published = packages.filter(({ manifest }) => !manifest.private)

/** A package's source files, relative to its src. */
export const sources = (folder) => globSync("**/*.ts", { cwd: join(folder, "src") }).toSorted()
