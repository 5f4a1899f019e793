// Starts a Redis server for tests, examples and benchmarks: on a free port of this machine, with its files in a folder of
// its own. Stopping it is up to whoever started it.
//
// The program is the one that REDIS_SERVER names, or redis-server or valkey-server on PATH; where there is none, root on a
// Debian machine gets it from its packages.
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const runs = (program) => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0

const locate = () =>
  [process.env.REDIS_SERVER, "redis-server", "valkey-server"].find((program) => program !== undefined && runs(program))

const install = () => {
  if (process.getuid?.() !== 0 || !runs("apt-get")) return
  console.error("installing redis-server from Debian's packages")
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "redis-server"]]) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
    const result = spawnSync("apt-get", ["-qq", ...args], { env, encoding: "utf8" })
    if (result.status !== 0) console.error(result.stderr)
  }
}

/** The program that is started. Installs it if need be. */
export const redisProgram = () => {
  const found = locate() ?? (install(), locate())
  if (found !== undefined) return found
  throw new Error(
    "there is no redis-server: install one (apt-get install redis-server, brew install redis), or name it in REDIS_SERVER"
  )
}

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/**
 * Ends the server when this process is gone, however it went: whoever is killed runs no code of its own, but its end of the
 * pipe is closed. Then it removes the server's files. Returns what tells it that the server has ended by itself.
 */
const guard = (pid, folder) => {
  const script = 'read -r line || kill -9 "$1"; rm -rf "$2"'
  const child = spawn("sh", ["-c", script, "sh", String(pid), folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  // where there is no sh there is no guard, and a guard that is gone needs no word
  child.on("error", () => {})
  child.stdin.on("error", () => {})
  child.unref()
  child.stdin.unref()
  return () => child.stdin.end("ended\n")
}

/**
 * Starts a server that keeps nothing on disk, with further arguments if there are any. It ends with this process at the
 * latest. A Ctrl-C in the terminal does not reach it: this process may still need it to tidy up. `gone` is a promise that is
 * resolved when it has ended, for whatever reason.
 */
export const startRedis = async (...args) => {
  const program = redisProgram()
  const folder = mkdtempSync(join(tmpdir(), "celeriac-redis-"))
  const port = await freePort()
  const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
  const child = spawn(program, [...own, ...args], { detached: true, stdio: ["ignore", "pipe", "inherit"] })
  const callOff = child.pid === undefined ? () => {} : guard(child.pid, folder)
  const gone = new Promise((resolve) => child.once("exit", resolve))
  // a program that ends at once must not leave its server behind
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const tidyUp = () => {
    process.removeListener("exit", kill)
    callOff()
    rmSync(folder, { recursive: true, force: true })
  }
  // the number may be another process's from now on
  child.once("exit", callOff)
  let output = ""
  try {
    await new Promise((resolve, reject) => {
      child.once("error", reject)
      child.once("exit", (code) => reject(new Error(`${program} exited with ${code}:\n${output}`)))
      child.stdout.on("data", (chunk) => {
        output = (output + chunk).slice(-4000)
        if (output.includes("eady to accept connections")) resolve()
      })
    })
  } catch (error) {
    tidyUp()
    throw error
  }
  const stop = async () => {
    child.kill()
    await gone
    tidyUp()
  }
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid, stop, gone }
}
