/**
 * A film, a row of the archive that ought to be one, and the liberties that may be taken with a row that is not.
 *
 * The archive is known for its mistakes: titles that a spreadsheet took for numbers, accents read in another code page,
 * Ben-Hur released in 2025, films that took in nothing at all.
 */
import { Result, Schema, SchemaIssue } from "effect"

/** A row as it stands in the archive: nobody has checked it. */
export const ArchiveRow = Schema.Record(Schema.String, Schema.NullOr(Schema.Union([Schema.String, Schema.Number])))
export type ArchiveRow = typeof ArchiveRow.Type

/** Rows are counted from 1. */
export const NumberedRow = Schema.Struct({ number: Schema.Int, row: ArchiveRow })
export type NumberedRow = typeof NumberedRow.Type

/** Rows `from` to `to`, both inclusive. */
export const Part = Schema.Struct({ from: Schema.Int, to: Schema.Int })
export type Part = typeof Part.Type

export const Film = Schema.Struct({
  title: Schema.String,
  year: Schema.Int,
  genre: Schema.NullOr(Schema.String),
  /** Dollars of its day, both. */
  budget: Schema.Int,
  gross: Schema.Int
})
export type Film = typeof Film.Type

const moneyColumns = ["Production Budget", "Worldwide Gross"]

/** A row that is no film. `problems` are by column. */
export class MalformedRow extends Schema.TaggedError<MalformedRow>()("MalformedRow", {
  row: Schema.Int,
  title: Schema.String,
  problems: Schema.Record(Schema.String, Schema.String)
}) {
  override get message(): string {
    return Object.values(this.problems).join(", ")
  }

  /** Titles and dates can be mended. No attempt, however bold, may invent a sum of money. */
  get mendable(): boolean {
    return moneyColumns.every((column) => !(column in this.problems)) && this.title !== ""
  }
}

/** The archive was closed in 2010: what it calls younger had not happened yet. */
const archived = 2010

/** Of `Jun 12 1998`. */
const yearOf = (released: string): number => Number(released.slice(-4))

const macRoman = new TextDecoder("macintosh")
const windows1252 = new TextDecoder("windows-1252")
const byteInMacRoman = new Map(
  Array.from({ length: 256 }, (_, byte) => [macRoman.decode(Uint8Array.of(byte)), byte] as const)
)

/**
 * ASCII, small accented letters, and the few signs that the archive's titles use. A capital accent in the middle of a word
 * (`AmÈlie`) was a small one until Windows text was read as Mac text.
 */
const legible = /^[ -~¢-¿à-ÿ…]*$/

const rereadAccents = (title: string): string => {
  const bytes = Array.from(title, (character) => byteInMacRoman.get(character))
  return bytes.every((byte) => byte !== undefined) ? windows1252.decode(Uint8Array.from(bytes)) : title
}

const Money = (missing: string) =>
  Schema.Number.annotate({ message: missing }).check(Schema.isGreaterThan(0, { message: missing }))

const CheckedRow = Schema.Struct({
  Title: Schema.String.annotate({ message: "the title is not a text" }).check(
    Schema.isPattern(legible, { message: "the title is garbled" })
  ),
  "Release Date": Schema.String.check(
    Schema.makeFilter((released) => {
      if (!/^[A-Z][a-z]{2} \d{2} \d{4}$/.test(released)) return "the release date is not a date"
      return yearOf(released) <= archived || "the release date lies in the future"
    })
  ),
  "Major Genre": Schema.NullOr(Schema.String),
  "Production Budget": Money("the budget is missing"),
  "Worldwide Gross": Money("the gross is missing")
})

const decodeRow = Schema.decodeUnknownResult(CheckedRow, { errors: "all" })
const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }) =>
  String(typeof segment === "object" ? segment.key : segment)

/** Reads a row as it stands, and takes nothing for granted. */
export const readFilm = ({ number, row }: NumberedRow): Result.Result<Film, MalformedRow> =>
  decodeRow(row).pipe(
    Result.mapBoth({
      onSuccess: (checked) => ({
        title: checked.Title,
        year: yearOf(checked["Release Date"]),
        genre: checked["Major Genre"],
        budget: checked["Production Budget"],
        gross: checked["Worldwide Gross"]
      }),
      onFailure: ({ issue }) =>
        new MalformedRow({
          row: number,
          title: String(row["Title"] ?? ""),
          problems: Object.fromEntries(
            formatIssue(issue).issues.map(({ message, path }) => [path?.map(keyOf).join(".") ?? "", message] as const)
          )
        })
    })
  )

/** A change that a row may need before it is a film. It returns rows that do not need it as they are. */
export interface Liberty {
  readonly name: string
  readonly take: (row: ArchiveRow) => ArchiveRow
}

/** From the harmless to the bold. */
export const liberties: ReadonlyArray<Liberty> = [
  {
    name: "read a number as the title",
    take: (row) => (typeof row["Title"] === "number" ? { ...row, Title: String(row["Title"]) } : row)
  },
  {
    name: "restored the accents",
    take: (row) => {
      const title = row["Title"]
      return typeof title === "string" && !legible.test(title) ? { ...row, Title: rereadAccents(title) } : row
    }
  },
  {
    name: "moved the release a century back",
    take: (row) => {
      const released = row["Release Date"]
      return typeof released === "string" && yearOf(released) > archived
        ? { ...row, "Release Date": `${released.slice(0, -4)}${yearOf(released) - 100}` }
        : row
    }
  }
]

/** A film, and what was done to its row so that it became one. */
export const MendedFilm = Schema.Struct({ film: Film, taken: Schema.Array(Schema.String) })
export type MendedFilm = typeof MendedFilm.Type

/** Reads a row after the first `allowed` liberties were taken with it. */
export const mendFilm = ({ number, row }: NumberedRow, allowed: number): Result.Result<MendedFilm, MalformedRow> => {
  let mended = row
  const taken: Array<string> = []
  for (const { name, take } of liberties.slice(0, allowed)) {
    const next = take(mended)
    if (next !== mended) taken.push(name)
    mended = next
  }
  return Result.map(readFilm({ number, row: mended }), (film) => ({ film, taken }))
}
