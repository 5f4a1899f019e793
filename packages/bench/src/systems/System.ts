/** A system under measurement, as the harness sees it: how to start its processes, and how far it is. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Redis } from "ioredis"
import type { Role } from "./protocol.ts"

export type SystemName = "celeriac" | "bullmq" | "bee" | "celery" | "floor"

export interface Program {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

export interface System {
  readonly name: SystemName
  readonly title: string
  /** `undefined`: it is not installed here. */
  readonly version: string | undefined
  readonly program: (role: Role) => Program
  /** How many of the `enqueued` messages of a session have ended, by one cheap question to the server. */
  readonly ended: (redis: Redis, session: string, enqueued: number) => Promise<number>
  /** Settings of its workers to choose the best of. Empty: it runs with its default. */
  readonly concurrencies: ReadonlyArray<number>
  /** A guess of its tasks a second, for the first round. */
  readonly pace: number
  /** What it can be asked. */
  readonly can: {
    /** Callers at the same time: more of them than this are not tried. */
    readonly callers: number
    /** Tell when a task started without looking again and again. */
    readonly wake: boolean
    /** Tell callers of results. */
    readonly call: boolean
    /** Hold messages back until they are due, on the server. */
    readonly delay: boolean
    /** A concurrency that is chosen. */
    readonly concurrency: boolean
    /** Several worker processes. */
    readonly workers: boolean
  }
}

/** As installed for this package. */
export const versionOf = (packageName: string): string => {
  const path = new URL(`../../node_modules/${packageName}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(path, "utf8")) as { readonly version: string }).version
}

/** The processes of a system that runs on Node: `<name>/producer.ts` and `<name>/worker.ts`. */
export const onNode =
  (name: string) =>
  (role: Role): Program => ({
    command: process.execPath,
    args: [...process.execArgv, fileURLToPath(new URL("agent.ts", import.meta.url)), name, role]
  })

const everything = { callers: Infinity, wake: true, call: true, delay: true, concurrency: true, workers: true }

export const can = (but: Partial<System["can"]> = {}): System["can"] => ({ ...everything, ...but })
