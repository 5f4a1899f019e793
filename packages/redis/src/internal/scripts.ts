/**
 * The scripts: one file in `lua/` for each atomic step, put together with the parts that they share.
 *
 * Their time is the server's. Only tests have another: scripts that take it as their last argument.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

/** One atomic step. */
export interface Script {
  readonly name: string
  readonly text: string
  /** By which the server knows it once it was loaded. */
  readonly sha: string
}

const steps = [
  "claim",
  "close",
  "commit",
  "counts",
  "end",
  "forget",
  "locate",
  "note",
  "overdue",
  "publish",
  "read",
  "reconcile",
  "recover",
  "register",
  "renew",
  "reschedule",
  "settle",
  "unwatch"
] as const

/** Names of the scripts. */
export type Step = (typeof steps)[number]

export type Scripts = Readonly<Record<Step, Script>>

const folder = new URL("../../lua/", import.meta.url)

const serverTime = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

const givenTime = `local now = tonumber(table.remove(ARGV))
`

/** Replaces each `--@include name` by that part, the first time. */
const expand = (file: string | URL, seen: Set<string>): string =>
  readFileSync(new URL(file, folder), "utf8").replaceAll(/^--@include (\w+)\n/gm, (_, part: string) => {
    if (seen.has(part)) return ""
    seen.add(part)
    return expand(`lib/${part}.lua`, seen)
  })

/** The text of a script. */
export const compose = (file: string | URL, time: Options["time"]): string =>
  (time === "server" ? serverTime : givenTime) + expand(file, new Set())

/**
 * A full server runs all of them but `publish`: they free memory or keep what is there in order, and with them refused
 * it could never become empty again. Servers before 7.0 do not know such flags: there a script that has written, if only in vain, may
 * go on writing.
 */
const headerOf = (step: Step, flags: boolean): string => {
  if (!flags) return step === "publish" ? "" : "redis.call('DEL', KEYS[1] .. ':none')\n"
  return step === "publish" ? "#!lua\n" : "#!lua flags=allow-oom\n"
}

export interface Options {
  readonly time: "server" | "given"
  /** The server knows flags of scripts. */
  readonly flags: boolean
  /** For tests that take a guard out. */
  readonly edit?: ((step: Step, text: string) => string) | undefined
}

/** Loads all scripts. */
export const load = (options: Options): Scripts => {
  const entries = steps.map((name): [Step, Script] => {
    const body = compose(`${name}.lua`, options.time)
    const text = headerOf(name, options.flags) + (options.edit?.(name, body) ?? body)
    return [name, { name, text, sha: createHash("sha1").update(text).digest("hex") }]
  })
  // `fromEntries` forgets which keys there are
  return Object.fromEntries(entries) as Record<Step, Script>
}
