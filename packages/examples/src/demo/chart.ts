/** Draws the picture: every film a dot, every genre a row, and what the row says beside it. */
import { Array as Arr, Effect } from "effect"
import type { TopLevelSpec } from "vega-lite"
import type { Dot, Picture, Row } from "./picture.ts"
import { measureRounds } from "./returns.ts"

type Layer = Extract<TopLevelSpec, { readonly layer: unknown }>["layer"][number]
type Style = { readonly [option: string]: string | number }

const colour = { ink: "#1f2430", text: "#4b5563", line: "#9ca3af", grid: "#e5e7eb", gain: "#3b7a9e", loss: "#cf6a3d" }
const margin = { left: 168, right: 244, top: 138, bottom: 118 }
const plot = { width: 1000 - margin.left - margin.right, row: 46 }
const edge = { left: 24 - margin.left, right: plot.width + margin.right - 24 }
const axis = { from: 0.01, to: 1000, ticks: [0.01, 0.1, 1, 10, 100, 1000] }

// with the locale named, the machine's own has no say
const count = (value: number) => Math.round(value).toLocaleString("en-US")

const inside = ({ returned }: Dot) => returned >= axis.from && returned <= axis.to
const place = (returned: number) => Math.log10(returned / axis.from) / Math.log10(axis.to / axis.from)

/** Spreads a genre's films over the height of its row: far where many return the same, and never beyond ±1. */
const spread = (dots: ReadonlyArray<Dot>) => {
  const places = dots.map(({ returned }) => place(returned))
  const crowds = places.map((here) =>
    places.reduce((crowd, there) => crowd + Math.exp(-(((there - here) / 0.026) ** 2)), 0)
  )
  const densest = Math.max(...crowds)
  return dots.map((dot, index) => {
    // the multiples of the golden ratio fill an interval evenly and look like chance
    const position = ((index * 0.618_033_988_75) % 1) * 2 - 1
    return { ...dot, offset: position * ((crowds[index] ?? 0) / densest) }
  })
}

const films = (dots: ReadonlyArray<Dot>): Layer => ({
  data: { values: Object.values(Arr.groupBy(dots.filter(inside), ({ genre }) => genre)).flatMap(spread) },
  mark: { type: "circle", size: 15, strokeWidth: 1.2 },
  encoding: {
    x: {
      field: "returned",
      type: "quantitative",
      scale: { type: "log", domain: [axis.from, axis.to] },
      axis: {
        values: axis.ticks,
        labelExpr: "format(datum.value, ',~r') + '×'",
        title: "worldwide gross ÷ budget, log scale"
      }
    },
    yOffset: { field: "offset", type: "quantitative", scale: { domain: [-1.1, 1.1] } },
    color: { condition: { test: "datum.returned < 1", value: colour.loss }, value: colour.gain },
    stroke: { condition: { test: "datum.mended", value: colour.ink }, value: null },
    opacity: { condition: { test: "datum.mended", value: 1 }, value: 0.5 }
  }
})

const breakEven: Layer = {
  data: { values: [{}] },
  mark: { type: "rule", color: colour.line },
  encoding: { x: { datum: 1 }, y: { value: -8 }, y2: { value: "height" } }
}

const interval = { x: { field: "low", type: "quantitative" }, x2: { field: "high" } } as const

/** White beneath dark keeps them apart from the dots around them. */
const medians: ReadonlyArray<Layer> = [
  { mark: { type: "rule", strokeWidth: 8, color: "white" }, encoding: interval },
  { mark: { type: "rule", strokeWidth: 4, color: colour.ink }, encoding: interval },
  {
    mark: { type: "circle", size: 75, color: "white", stroke: colour.ink, strokeWidth: 3, opacity: 1 },
    encoding: { x: { field: "median", type: "quantitative" } }
  }
]

/** A text in each row, right-aligned at `x`. */
const column = (x: number, text: (row: Row) => string, rows: ReadonlyArray<Row>, style: Style = {}): Layer => ({
  data: { values: rows.map((row) => ({ genre: row.genre, text: text(row) })) },
  mark: { type: "text", align: "right", fontSize: 13, color: colour.ink, ...style },
  encoding: { x: { value: x }, text: { field: "text" } }
})

/** A text at a place of its own; `y` counts down from the top of the first row. */
const note = (x: number, y: number, text: string | ReadonlyArray<string>, style: Style = {}): Layer => ({
  data: { values: [{}] },
  mark: {
    type: "text",
    align: "left",
    baseline: "top",
    fontSize: 12,
    color: colour.text,
    text: typeof text === "string" ? text : [...text],
    ...style
  },
  encoding: { x: { value: x }, y: { value: y } }
})

/** Names a film above its dot. */
const nameOf = (dot: Dot): Layer => ({
  data: { values: [{ genre: dot.genre, returned: Math.min(dot.returned, axis.to) }] },
  mark: {
    type: "text",
    align: inside(dot) ? "center" : "right",
    dy: -11,
    fontSize: 11,
    color: colour.text,
    text: inside(dot) ? dot.title : `${dot.title} ${count(dot.returned)}× →`
  },
  encoding: { x: { field: "returned", type: "quantitative" } }
})

const specification = ({ dots, rows }: Picture): TopLevelSpec => {
  const [best] = rows
  const worst = rows.at(-1) ?? best
  const years = dots.map(({ year }) => year)
  const height = rows.length * plot.row
  const mended = dots.filter((dot) => dot.mended)
  const bestOfBest = dots.findLast(({ genre }) => genre === best.genre)
  const genre = (row: Row) => row.genre.toLowerCase()

  return {
    width: plot.width,
    height,
    padding: margin,
    autosize: "none",
    background: "white",
    data: { values: [...rows] },
    encoding: { y: { field: "genre", type: "nominal", sort: rows.map(({ genre }) => genre), axis: null } },
    layer: [
      breakEven,
      films(dots),
      ...medians,
      ...[...(bestOfBest ? [bestOfBest] : []), ...mended.slice(-2)].map(nameOf),
      column(-16, (row) => row.genre, rows, { fontWeight: "bold", dy: -7 }),
      column(-16, (row) => `${row.films} films`, rows, { fontSize: 11, color: colour.text, dy: 9 }),
      column(edge.right - 166, (row) => `${row.median.toFixed(1)}×`, rows, { fontWeight: "bold" }),
      column(edge.right - 76, (row) => `${(row.lost * 100).toFixed(0)} %`, rows),
      column(edge.right, (row) => `${row.podium} of 10`, rows),
      note(edge.right - 166, -26, "median", { align: "right" }),
      note(edge.right - 76, -26, "lost money", { align: "right" }),
      note(edge.right, -26, "in top 3", { align: "right" }),
      note(place(1) * plot.width - 8, -26, "took in less than it cost", { align: "right", color: colour.loss }),
      note(place(1) * plot.width + 8, -26, "took in more", { color: colour.gain }),
      note(
        edge.left,
        24 - margin.top,
        `${best.genre} pays: the middle ${genre(best)} film took in ${best.median.toFixed(1)} times its budget`,
        { fontSize: 23, fontWeight: "bold", color: colour.ink }
      ),
      note(
        edge.left,
        59 - margin.top,
        `At the other end the middle ${genre(worst)} took in ${worst.median.toFixed(1)} times its budget. ` +
          `Each dot is one of ${count(dots.length)} films released ${Math.min(...years)}–${Math.max(...years)}.`,
        { fontSize: 14 }
      ),
      note(
        edge.left,
        height + 58,
        [
          `Circle: median of the genre; bar: 90 % of ${count(measureRounds)} resampled medians. ` +
            "In top 3: where the median was in ten resamplings of all films. Ringed:",
          `${mended.length} films whose rows could be mended. Beyond the axis: ${count(dots.length - dots.filter(inside).length)} films. ` +
            "Dollars of the day; cinemas keep about half of the gross. Data: movies.json of vega-datasets."
        ],
        { fontSize: 11, lineHeight: 16 }
      )
    ],
    config: {
      aria: false,
      font: "Helvetica, Arial, sans-serif",
      view: { stroke: null },
      axisX: {
        grid: true,
        gridColor: colour.grid,
        domain: false,
        ticks: false,
        labelFlush: false,
        labelColor: colour.text,
        labelFontSize: 12,
        titleColor: colour.text,
        titleFontWeight: "normal",
        titleFontSize: 12,
        titlePadding: 10
      }
    }
  }
}

/** Loaded when it is needed: most workers never draw. */
const library = Effect.promise(() => Promise.all([import("vega"), import("vega-lite")]))

/** The picture as SVG. */
export const drawPicture = (picture: Picture): Effect.Effect<string> =>
  Effect.flatMap(library, ([{ parse, View }, { compile }]) =>
    Effect.promise(() => new View(parse(compile(specification(picture)).spec), { renderer: "none" }).toSVG())
  )
