/** Scripts with a text replaced. */
import { readdirSync, readFileSync } from "node:fs"
import type { EditScript } from "./Database.ts"

export interface Edit {
  /** A script, without the ending; `lib`: one of the parts that scripts share. */
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
}

const folder = new URL("../../lua/", import.meta.url)

const read = (path: string): string => readFileSync(new URL(path, folder), "utf8")

const parts = readdirSync(new URL("lib/", folder)).map((name) => read(`lib/${name}`))

const textsOf = (file: string): ReadonlyArray<string> => (file === "lib" ? parts : [read(`${file}.lua`)])

/** How often the text stands there: 1 is right. */
export const occurrences = ({ file, find }: Edit): number =>
  textsOf(file).reduce((count, text) => count + text.split(find).length - 1, 0)

/** Edits each script that has the text. */
export const editOf = (edits: ReadonlyArray<Edit>): EditScript => {
  const files = edits.map((edit) => {
    const text = textsOf(edit.file).find((one) => one.includes(edit.find)) ?? ""
    // it is whole in the text of a script, but for the lines at its beginning that include others
    return { ...edit, whole: text.split(/^--@include \w+\n/m).at(-1)! }
  })
  return (_step, text) =>
    files.reduce(
      (edited, { find, replace, whole }) => edited.replace(whole, () => whole.replace(find, () => replace)),
      text
    )
}
