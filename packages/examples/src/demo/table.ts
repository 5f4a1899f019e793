/** Texts in aligned columns. */
import { stripVTControlCharacters } from "node:util"

export interface Column<A> {
  readonly title: string
  readonly align: "left" | "right"
  readonly text: (row: A) => string
}

/** The title line, and a line for each row. */
export const table = <A>(columns: ReadonlyArray<Column<A>>, rows: ReadonlyArray<A>): ReadonlyArray<string> => {
  const cells = columns.map(({ align, text, title }) => {
    const texts = [title, ...rows.map(text)]
    const width = Math.max(...texts.map(widthOf))
    return texts.map((text) => {
      const gap = " ".repeat(width - widthOf(text))
      return align === "left" ? text + gap : gap + text
    })
  })
  return Array.from({ length: rows.length + 1 }, (_, line) =>
    cells
      .map((column) => column[line])
      .join("  ")
      .trimEnd()
  )
}

/** Colours take no room. */
const widthOf = (text: string): number => stripVTControlCharacters(text).length
