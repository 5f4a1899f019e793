/** Draws figures as SVG. */
import { Effect } from "effect"
import type { TopLevelSpec } from "vega-lite"
import { short } from "./numbers.ts"
import type { Report, Row } from "./Report.ts"

const colours = ["#2f7d4f", "#b5483a", "#d69a2d", "#5a7a3a", "#8a8f98"]
const text = { ink: "#1f2430", pale: "#4b5563" }

const config: NonNullable<TopLevelSpec["config"]> = {
  aria: false,
  font: "Helvetica, Arial, sans-serif",
  view: { stroke: null },
  axis: { labelColor: text.pale, titleColor: text.pale, titleFontWeight: "normal", domain: false, ticks: false }
}

/** Loaded when it is needed: most runs never draw. */
const library = Effect.promise(() => Promise.all([import("vega"), import("vega-lite")]))

const draw = (specification: TopLevelSpec) =>
  Effect.flatMap(library, ([{ parse, View }, { compile }]) =>
    Effect.promise(() => new View(parse(compile(specification).spec), { renderer: "none" }).toSVG())
  )

/** A bar for each system, with the middle half of its rounds. */
export const bars = ({ metric, values }: Row, systems: Report["systems"]): Effect.Effect<string> => {
  const data = systems.flatMap(({ name, title }) => {
    const value = values[name]
    return value ? [{ system: title, ...value, label: short(value.median) }] : []
  })
  const titles = systems.map(({ title }) => title)
  const y = { field: "system", type: "nominal", sort: titles, title: null } as const
  return draw({
    width: 250,
    height: { step: 22 },
    background: "white",
    title: {
      text: metric.title,
      subtitle: `${metric.unit === "/s" ? "per second" : metric.unit}${metric.better ? `; ${metric.better} is better` : ""}`,
      anchor: "start",
      color: text.ink,
      subtitleColor: text.pale,
      fontSize: 13
    },
    data: { values: data },
    layer: [
      {
        mark: { type: "bar", height: 14 },
        encoding: {
          y,
          x: { field: "median", type: "quantitative", title: null, axis: { tickCount: 4, format: "~s" } },
          color: { field: "system", type: "nominal", scale: { domain: titles, range: colours }, legend: null }
        }
      },
      {
        mark: { type: "rule", color: text.ink },
        encoding: { y, x: { field: "lower", type: "quantitative" }, x2: { field: "upper" } }
      },
      {
        mark: { type: "text", align: "left", dx: 6, fontSize: 11, color: text.ink },
        encoding: { y, x: { field: "upper", type: "quantitative" }, text: { field: "label" } }
      }
    ],
    config
  })
}

/** How many times better the first system is, for all metrics at a glance. */
export const overview = ({ sections, systems }: Report): Effect.Effect<string> => {
  const [first, ...others] = systems
  const data = sections.flatMap(({ rows, workload }) =>
    rows.flatMap(({ better, metric }) =>
      others.flatMap(({ name, title }) => {
        const value = better[name]
        return value ? [{ what: `${workload.title}: ${metric.title}`, system: title, ...value }] : []
      })
    )
  )
  const titles = others.map(({ title }) => title)
  const encoding = {
    y: {
      field: "what",
      type: "nominal",
      sort: null,
      title: null,
      axis: { labelLimit: 420, grid: true, gridColor: "#eef0f3" }
    },
    color: { field: "system", type: "nominal", scale: { domain: titles, range: colours.slice(1) }, title: null }
  } as const
  return draw({
    width: 460,
    height: { step: 18 },
    background: "white",
    layer: [
      {
        data: { values: [{}] },
        mark: { type: "rule", color: text.ink, strokeDash: [4, 3] },
        encoding: { x: { datum: 1 } }
      },
      {
        data: { values: data },
        mark: { type: "rule", strokeWidth: 2, opacity: 0.5 },
        encoding: { ...encoding, x: { field: "lower", type: "quantitative" }, x2: { field: "upper" } }
      },
      {
        data: { values: data },
        mark: { type: "circle", size: 70, opacity: 1 },
        encoding: {
          ...encoding,
          x: {
            field: "median",
            type: "quantitative",
            scale: { type: "log" },
            title: `${first?.title ?? ""} is better by a factor of … (log scale; left of the line it is worse)`
          }
        }
      }
    ],
    config
  })
}
