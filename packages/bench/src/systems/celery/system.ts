import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { can, type System } from "../System.ts"

/** Debian's packages are for this one; another Python can be named. */
const python = process.env["CELERY_PYTHON"] ?? "/usr/bin/python3"

const version = (): string | undefined => {
  // its processes are measured through /proc
  if (process.platform !== "linux") return undefined
  const script = "import celery, redis; print(celery.__version__)"
  const { status, stdout } = spawnSync(python, ["-c", script], { encoding: "utf8" })
  return status === 0 ? stdout.trim() : undefined
}

/** Keys that are no results. */
const others = [
  "staged",
  "celery",
  "unacked",
  "unacked_index",
  "unacked_mutex",
  ...["staged", "celery", "celery.pidbox", "reply.celery.pidbox", "celeryev"].map((name) => `_kombu.binding.${name}`)
]

export const celery: System = {
  name: "celery",
  title: "Celery",
  version: version(),
  program: (role) => ({
    command: python,
    // without -u a reply would wait in a buffer; without -B it leaves files beside the sources
    args: ["-u", "-B", fileURLToPath(new URL("agent.py", import.meta.url)), role]
  }),
  ended: async (redis) => (await redis.dbsize()) - (await redis.exists(...others)),
  concurrencies: [],
  pace: 600,
  // prefork has the processes that it has; messages with an ETA wait in the worker's memory
  can: can({ callers: 50, delay: false, concurrency: false, workers: false })
}
