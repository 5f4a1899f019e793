/** The report as text. */
import { styleText } from "node:util"
import { described } from "../machine.ts"
import { short, spread, times } from "./numbers.ts"
import type { Report, Row, Section } from "./Report.ts"

const color = process.stdout.isTTY && !process.env["NO_COLOR"]
const paint = (style: "bold" | "dim" | "red", text: string): string => (color ? styleText(style, text) : text)

const first = 38
const width = 21

const line = (title: string, cells: ReadonlyArray<string>): string =>
  [title.padEnd(first), ...cells.map((cell) => cell.padStart(width))].join("").trimEnd()

const rowLines = ({ better, metric, values }: Row, systems: Report["systems"]): ReadonlyArray<string> => {
  const unit = metric.unit === "/s" ? "per second" : metric.unit
  const [own, ...others] = systems
  const cells = systems.map(({ name }) => (values[name] ? spread(values[name]) : "–"))
  const compared = others.map(({ name }) => (better[name] ? times(better[name]) : ""))
  return [
    line(`${metric.title}, ${unit}`.replace(", messages", ""), cells),
    ...(compared.every((text) => text === "")
      ? []
      : [paint("dim", line(`  ${own?.title ?? ""} is better by`, ["", ...compared]))])
  ]
}

const sectionLines = ({ rows, workload }: Section, systems: Report["systems"]): ReadonlyArray<string> => [
  "",
  paint("bold", line(workload.title, []).concat("")),
  paint("dim", workload.how),
  line(
    "",
    systems.map(({ title }) => title)
  ),
  ...rows.flatMap((row) => rowLines(row, systems)),
  ...rawLine(rows)
]

/** The floor's way of enqueueing beside the fastest that a client can do. */
const rawLine = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const of = (key: string) => rows.find(({ metric }) => metric.key === key)?.values.floor?.median
  const [bulk, raw] = [of("bulkEnqueue"), of("rawLpush")]
  return bulk === undefined || raw === undefined
    ? []
    : [paint("dim", `The floor enqueues ${(bulk / raw).toFixed(2)} times as fast as LPUSH in pipelines.`)]
}

export const terminal = (report: Report): string => {
  const { failures, machine, memoryLayers, plan, redis, sections, seconds, systems } = report
  return [
    "",
    `${described(machine)}; Redis ${redis}.`,
    ...systems.map(({ calibration: [best], title, version }) =>
      version === undefined
        ? `${title}: not installed`
        : `${title} ${version}${best === undefined ? "" : `, concurrency ${best.concurrency} (its best)`}`
    ),
    `Medians of ${plan.rounds} interleaved rounds${plan.furtherRounds > 0 ? ` (${plan.furtherRounds} where --quick measures nothing)` : ""}, with the middle half in brackets; "better by" is the median of the rounds' quotients.`,
    ...sections.flatMap((section) => sectionLines(section, systems)),
    ...(memoryLayers === undefined
      ? []
      : [
          "",
          paint("bold", "Celeriac's memory layers, in one process"),
          `enqueue ${spread(memoryLayers.enqueue)} per second, run ${spread(memoryLayers.run)} per second`
        ]),
    "",
    ...(failures.length === 0
      ? ["Every message ran exactly once, with the right result."]
      : failures.map((failure) => paint("red", `FAILED ${failure}`))),
    `${short(seconds)} seconds in all.`
  ].join("\n")
}
