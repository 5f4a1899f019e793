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

/** Starts a server that keeps nothing on disk, with further arguments if there are any. */
export const startRedis = async (...args) => {
  const program = redisProgram()
  const folder = mkdtempSync(join(tmpdir(), "celeriac-redis-"))
  const port = await freePort()
  const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
  const child = spawn(program, [...own, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  const gone = new Promise((resolve) => child.once("exit", resolve))
  // a program that ends at once must not leave its server behind
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const stop = async () => {
    process.removeListener("exit", kill)
    child.kill()
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  let output = ""
  await new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`${program} exited with ${code}:\n${output}`)))
    child.stdout.on("data", (chunk) => {
      output = (output + chunk).slice(-4000)
      if (output.includes("eady to accept connections")) resolve()
    })
  })
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid, stop }
}
