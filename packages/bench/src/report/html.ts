/** The report as one HTML file that needs no network. */
import { Effect } from "effect"
import { described } from "../machine.ts"
import * as Charts from "./charts.ts"
import { spread, times } from "./numbers.ts"
import type { Report, Row, Section } from "./Report.ts"

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const style = `
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1f2430; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 26px } h2 { font-size: 19px; margin: 2.2em 0 0.2em }
p, li { color: #4b5563; margin: 0.3em 0 } .failed { color: #b3261e; font-weight: bold }
.charts { display: flex; flex-wrap: wrap; gap: 18px; margin: 0.8em 0 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
td, th { padding: 3px 12px; text-align: right; border-bottom: 1px solid #e5e7eb; white-space: nowrap }
td:first-child, th:first-child { text-align: left } td small { color: #6b7280 }
`

const cell = ({ better, values }: Row, { name }: Report["systems"][number]): string => {
  const value = values[name]
  if (!value) return "<td>–</td>"
  const factor = better[name]
  return `<td>${spread(value)}${factor ? `<br><small>${times(factor)}</small>` : ""}</td>`
}

const table = ({ rows }: Section, systems: Report["systems"]): string => `<table>
<tr><th></th>${systems.map(({ title }) => `<th>${escape(title)}</th>`).join("")}</tr>
${rows
  .map(
    (row) =>
      `<tr><td>${escape(row.metric.title)}, ${row.metric.unit}</td>${systems.map((system) => cell(row, system)).join("")}</tr>`
  )
  .join("\n")}
</table>`

const section = Effect.fnUntraced(function* (part: Section, systems: Report["systems"]) {
  const charts = yield* Effect.forEach(part.rows, (row) => Charts.bars(row, systems))
  return `<h2>${escape(part.workload.title)}</h2>
<p>${escape(part.workload.how)}</p>
<div class="charts">${charts.map((svg) => `<div>${svg}</div>`).join("\n")}</div>
${table(part, systems)}`
})

export const html = Effect.fnUntraced(function* (report: Report) {
  const { failures, machine, memoryLayers, plan, redis, seconds, systems } = report
  const sections = yield* Effect.forEach(report.sections, (part) => section(part, systems))
  const overview = yield* Charts.overview(report)
  const versions = systems.map(({ calibration: [best], title, version }) =>
    version === undefined
      ? `${title}: not installed`
      : `${title} ${version}${best === undefined ? "" : `, with its best concurrency, ${best.concurrency}`}`
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Celeriac: benchmark</title><style>${style}</style></head><body>
<h1>Celeriac and others, side by side</h1>
<p>${escape(described(machine))}; Redis ${escape(redis)}. ${Math.round(seconds)} seconds in all.</p>
<ul>${versions.map((text) => `<li>${escape(text)}</li>`).join("")}</ul>
<p>Medians of up to ${plan.rounds} interleaved rounds, with the middle half of the rounds in brackets. The small figures are the
medians of the rounds' quotients: how many times better Celeriac is. Absolute figures are this machine's; the quotients are what
can be compared. How it is measured: packages/bench/README.md.</p>
${
  failures.length === 0
    ? "<p>After each run every result was read: every message ran exactly once, with the right result.</p>"
    : failures.map((failure) => `<p class="failed">FAILED ${escape(failure)}</p>`).join("")
}
<div>${overview}</div>
${sections.join("\n")}
${
  memoryLayers === undefined
    ? ""
    : `<h2>Celeriac's memory layers</h2><p>In one process: enqueue ${spread(memoryLayers.enqueue)} per second, run ${spread(memoryLayers.run)} per second.</p>`
}
</body></html>
`
})
