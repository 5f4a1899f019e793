// How the scripts of this folder start other programs.
import { spawn } from "node:child_process"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** How Node runs a file of this repository: workspace packages resolve to their TypeScript sources. */
export const fromSource = ["node", "--conditions=@celeriac/source"]

// Children lead process groups of their own, so that a time limit or Ctrl-C ends what they started, too.
const groups = new Set()
const killGroup = (child, signal) => {
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, signal)
  } catch {
    // it is gone already
  }
}

// A script that one of these scripts started has less time, so that it ends what it started before it is ended itself.
const grace = process.env.CELERIAC_STEP ? 300 : 1000
let ending
const end = (code) => {
  if (groups.size === 0 || ending !== undefined) process.exit(code)
  ending = code
  for (const child of groups) killGroup(child, "SIGTERM")
  setTimeout(() => {
    for (const child of groups) killGroup(child, "SIGKILL")
    process.exit(code)
  }, grace)
}
process.on("SIGINT", () => end(130))
process.on("SIGTERM", () => end(143))
process.on("SIGHUP", () => end(129))

/**
 * Runs a program to its end and collects what it printed. Never throws: a program that cannot start, fails, or takes
 * too long is a result with another code than 0.
 */
export const run = ([program, ...args], { cwd = root, env = process.env, timeout = 300_000 } = {}) =>
  new Promise((resolve) => {
    const windows = process.platform === "win32"
    const child = spawn(program, args, {
      cwd,
      env: { ...env, CELERIAC_STEP: "1" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: !windows,
      shell: windows
    })
    let stdout = ""
    let output = ""
    const collect = (chunk) => {
      output += chunk
    }
    groups.add(child)
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      stdout += chunk
      collect(chunk)
    })
    child.stderr.setEncoding("utf8").on("data", collect)
    let force
    const timer = setTimeout(() => {
      collect(`\nended by force: it took longer than ${timeout / 1000} s\n`)
      killGroup(child, "SIGTERM")
      force = setTimeout(killGroup, grace, child, "SIGKILL")
    }, timeout)
    const finish = (code) => {
      clearTimeout(timer)
      clearTimeout(force)
      groups.delete(child)
      if (ending !== undefined && groups.size === 0) process.exit(ending)
      resolve({ code, stdout, output })
    }
    child.on("error", (error) => {
      collect(`could not start ${program}: ${error.message}\n`)
      finish(1)
    })
    child.on("close", (code, signal) => {
      if (signal) collect(`\nended by ${signal}\n`)
      finish(code ?? 1)
    })
  })

/** Applies an asynchronous function to every item, a few at a time, and keeps their order. */
export const mapParallel = async (items, concurrency, f) => {
  const results = Array.from({ length: items.length })
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await f(items[index])
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return results
}

/** Ends a script with its problems, or with the one line that the test command shows for it. */
export const report = (problems, summary) => {
  for (const problem of problems) console.error(`${problem.trimEnd()}\n`)
  if (problems.length === 0) console.log(summary)
  process.exitCode = problems.length === 0 ? 0 : 1
}
