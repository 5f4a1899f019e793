/** What the command line asks for. */
import { parseArgs } from "node:util"
import { Data, Result } from "effect"
import type { Plan } from "./comparison/plan.ts"
import { systems } from "./systems/all.ts"
import { workloads } from "./workloads/all.ts"

export const usage = `usage:
  npm run bench                            Celeriac and others side by side, everything: about half an hour
  npm run bench -- --quick                 the main figures: less than 4 minutes
  npm run bench -- --smoke                 a tiny round of everything: does the benchmark itself work?
    --only <names>                         workloads: ${workloads.map(({ name }) => name).join(",")}
    --systems <names>                      ${systems.map(({ name }) => name).join(",")}
    --json <file>                          all figures for programs
    --html <file>                          the report with plots (packages/bench/dist/report.html)
  npm run bench -- memory [tasks] [rounds] Celeriac's memory layers, in one process
  npm run bench -- redis [tasks] [rounds]  further figures of Celeriac's Redis layers
  npm run bench -- micro [rounds]          the steps of the hot path, without a server
  npm run bench -- --help`

export type Request = Data.TaggedEnum<{
  Help: {}
  Compare: {
    readonly plan: Plan["name"]
    readonly only: ReadonlyArray<string>
    readonly systems: ReadonlyArray<string>
    readonly json: string | undefined
    readonly html: string | undefined
  }
  Single: { readonly benchmark: "memory" | "redis" | "micro"; readonly numbers: ReadonlyArray<number> }
}>
export const Request = Data.taggedEnum<Request>()

const options = {
  quick: { type: "boolean" },
  smoke: { type: "boolean" },
  only: { type: "string" },
  systems: { type: "string" },
  json: { type: "string" },
  html: { type: "string" },
  help: { type: "boolean", short: "h" }
} as const

/** How many numbers each takes. */
const singles = { memory: 2, redis: 2, micro: 1 } as const

const isSingle = (name: string): name is keyof typeof singles => Object.hasOwn(singles, name)

/** Names out of a list; none means all. */
const namesIn = (
  text: string | undefined,
  known: ReadonlyArray<{ readonly name: string }>,
  what: string
): ReadonlyArray<string> => {
  const names = text?.split(",").map((name) => name.trim()) ?? []
  const unknown = names.find((name) => !known.some((one) => one.name === name))
  if (unknown !== undefined) throw new Error(`there is no ${what} "${unknown}"`)
  return names
}

/** Fails with a sentence that says what is wrong. */
export const read = (args: ReadonlyArray<string>): Result.Result<Request, string> =>
  Result.try({
    try: () => requestIn(args),
    catch: (error) => (error instanceof Error ? error.message : String(error))
  })

const requestIn = (args: ReadonlyArray<string>): Request => {
  const { positionals, values } = parseArgs({ args: [...args], options, allowPositionals: true })
  if (values.help === true) return Request.Help()
  const [benchmark, ...rest] = positionals
  if (benchmark === undefined) {
    if (values.quick === true && values.smoke === true) throw new Error("--quick and --smoke are two plans: choose one")
    return Request.Compare({
      plan: values.quick === true ? "quick" : values.smoke === true ? "smoke" : "full",
      only: namesIn(values.only, workloads, "workload"),
      systems: namesIn(values.systems, systems, "system"),
      json: values.json,
      html: values.html
    })
  }
  if (!isSingle(benchmark)) throw new Error(`there is no benchmark "${benchmark}"`)
  const [flag] = Object.keys(values)
  if (flag !== undefined) throw new Error(`--${flag} says nothing to "${benchmark}"`)
  if (rest.length > singles[benchmark]) throw new Error(`"${benchmark}" takes ${singles[benchmark]} numbers at most`)
  const numbers = rest.map(Number)
  const wrong = numbers.findIndex((number) => !Number.isSafeInteger(number) || number < 1)
  if (wrong >= 0) throw new Error(`"${rest[wrong]}" is no whole number above 0`)
  return Request.Single({ benchmark, numbers })
}
