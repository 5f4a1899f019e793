/** What is drawn: all that the pipeline found out, and nothing of when, where and in what order it did. */
import { Array as Arr, Order, Schema } from "effect"
import type { Film, MendedFilm } from "./film.ts"
import { GenreReturn, returnOf } from "./returns.ts"

export const Dot = Schema.Struct({
  title: Schema.String,
  year: Schema.Int,
  genre: Schema.String,
  returned: Schema.Number,
  /** Its row in the archive had to be mended. */
  mended: Schema.Boolean
})
export type Dot = typeof Dot.Type

export const Row = Schema.Struct({
  ...GenreReturn.fields,
  /** In how many of ten resamplings the genre was among the three best. */
  podium: Schema.Int
})
export type Row = typeof Row.Type

/** The genre with the best median first. */
export const Picture = Schema.Struct({ rows: Schema.NonEmptyArray(Row), dots: Schema.Array(Dot) })
export type Picture = typeof Picture.Type

/** There is no place for it, or no way to read it back. */
export class PictureNotSaved extends Schema.TaggedError<PictureNotSaved>()("PictureNotSaved", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `cannot save the picture at ${this.path}: ${this.reason}`
  }
}

const bestFirst = Order.mapInput(Order.Number, ({ median }: Row) => -median)
const byReturn = Order.combine(
  Order.mapInput(Order.Number, ({ returned }: Dot) => returned),
  Order.mapInput(Order.String, ({ title }: Dot) => title)
)

/** Puts the results of all parts together. The order in which they came in is not to be seen. */
export const compose = (found: {
  readonly films: ReadonlyArray<Film>
  readonly mended: ReadonlyArray<MendedFilm>
  readonly measured: Arr.NonEmptyReadonlyArray<GenreReturn>
  readonly podium: ReadonlyMap<string, number>
}): Picture => {
  const shown = new Set(found.measured.map(({ genre }) => genre))
  const dots = (film: Film, mended: boolean): ReadonlyArray<Dot> =>
    film.genre !== null && shown.has(film.genre)
      ? [{ title: film.title, year: film.year, genre: film.genre, returned: returnOf(film), mended }]
      : []
  const rows = Arr.map(found.measured, (measured) => ({ ...measured, podium: found.podium.get(measured.genre) ?? 0 }))
  return {
    rows: Arr.sort(rows, bestFirst),
    dots: Arr.sort(
      [...found.films.flatMap((film) => dots(film, false)), ...found.mended.flatMap(({ film }) => dots(film, true))],
      byReturn
    )
  }
}
