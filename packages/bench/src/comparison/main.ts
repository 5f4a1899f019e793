/** The comparison from the command line: measures, and reports. */
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { CeleriacMemory } from "celeriac"
import { Clock, Console, Effect, Logger, Schema } from "effect"
import type { Request } from "../commandLine.ts"
import * as Throughput from "../layers/throughput.ts"
import { machine } from "../machine.ts"
import { html } from "../report/html.ts"
import { jsonFile, jsonLine } from "../report/json.ts"
import { type Report, sections } from "../report/Report.ts"
import { terminal } from "../report/terminal.ts"
import * as Server from "../server.ts"
import { systems as allSystems } from "../systems/all.ts"
import * as Workloads from "../workloads/all.ts"
import { compare } from "./comparison.ts"
import { type Plan, plans } from "./plan.ts"

type Asked = Extract<Request, { readonly _tag: "Compare" }>

const defaultHtml = fileURLToPath(new URL("../../dist/report.html", import.meta.url))

class NotWritten extends Schema.TaggedError<NotWritten>()("NotWritten", {
  file: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.file} cannot be written: ${String(this.cause)}`
  }
}

const write = (file: string, text: string) =>
  Effect.tryPromise({
    try: async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    },
    catch: (cause) => new NotWritten({ file, cause })
  })

/** Which workloads, and how many rounds of each. */
const chosen = (plan: Plan, only: ReadonlyArray<string>) =>
  Workloads.workloads
    .map((workload) => ({
      workload,
      rounds: Workloads.main.includes(workload) ? plan.rounds : plan.furtherRounds
    }))
    .filter(({ rounds, workload }) => (only.length === 0 ? rounds > 0 : only.includes(workload.name)))
    // what is asked for by name is measured, also where the plan would leave it out
    .map(({ rounds, workload }) => ({ workload, rounds: rounds === 0 ? plan.rounds : rounds }))

const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e9)

const memoryLayers = (plan: Plan) =>
  Throughput.measured(plan.furtherRounds, plan.name === "smoke" ? 500 : 100_000, () => CeleriacMemory.layer)

/** Progress goes to stderr, the report to stdout, with one line of JSON at its end. Whether the figures can be trusted. */
export const main = Effect.fnUntraced(
  function* ({ html: htmlFile = defaultHtml, json, only, plan: planName, systems: named }: Asked) {
    const plan = plans[planName]
    const began = yield* now
    const host = machine()
    const server = yield* Server.start
    const wanted = allSystems.filter(({ name }) => named.length === 0 || named.includes(name))
    const comparison = yield* compare(server, {
      plan,
      systems: wanted.filter(({ version }) => version !== undefined),
      workloads: chosen(plan, only),
      progress: (text) =>
        Effect.flatMap(now, (at) => Console.error(`${(at - began).toFixed(0).padStart(5)} s  ${text}`))
    })
    const report: Report = {
      plan,
      machine: host,
      redis: yield* server.version,
      systems: wanted.map(({ name, title, version }) => ({
        name,
        title,
        version,
        calibration: comparison.calibration.get(name) ?? []
      })),
      sections: sections(comparison, wanted),
      memoryLayers: plan.furtherRounds > 0 && only.length === 0 ? yield* memoryLayers(plan) : undefined,
      failures: comparison.failures,
      seconds: (yield* now) - began
    }
    yield* Console.log(terminal(report))
    if (json !== undefined) yield* write(json, jsonFile(report))
    yield* write(htmlFile, yield* html(report))
    yield* Console.log(`With plots: ${htmlFile}`)
    yield* Console.log(jsonLine(report))
    return report.failures.length === 0
  },
  Effect.scoped,
  Effect.provide(Logger.layer([]))
)
