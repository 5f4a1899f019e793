/** The tasks of the pipeline: names, schemas, policies. Producers and workers share this file and nothing more. */
import { Task } from "celeriac"
import { Schema } from "effect"
import { Film, liberties, MalformedRow, MendedFilm, NumberedRow, Part } from "./film.ts"
import { Picture, PictureNotSaved } from "./picture.ts"
import { Reported } from "./reports.ts"
import { GenreFilms, GenreReturn, Podium } from "./returns.ts"

export const Progress = Schema.Struct({ done: Schema.Int, of: Schema.Int })
export type Progress = typeof Progress.Type

export class SplitArchive extends Task.make("archive.split", {
  queue: "desk",
  payload: { partSize: Schema.Int },
  success: Schema.Array(Part)
}).middleware(Reported) {}

/** Reads the rows of a part. Those that are no films are left to `MendRow`. */
export class CleanPart extends Task.make("part.clean", {
  queue: "cleaning",
  payload: Part,
  success: Schema.Struct({ films: Schema.Array(Film), malformed: Schema.Array(NumberedRow) })
}).middleware(Reported) {}

/**
 * Makes a film of a malformed row. Each attempt may take one liberty more with the row than the attempt before, so that no
 * row suffers more of them than it needs. Some rows no liberty can help: they are not tried again.
 */
export class MendRow extends Task.make("row.mend", {
  queue: "cleaning",
  payload: NumberedRow,
  success: MendedFilm,
  error: MalformedRow,
  retry: { times: liberties.length, delay: "100 millis", while: (error) => error.mendable }
}).middleware(Reported) {}

export class MeasureGenre extends Task.make("genre.measure", {
  queue: "analysis",
  payload: GenreFilms,
  success: GenreReturn,
  progress: Progress
}).middleware(Reported) {}

/** Would take minutes, for more digits than anybody reads. Its soft limit ends it, and what it has by then is enough. */
export class RankGenres extends Task.make("genres.rank", {
  queue: "analysis",
  payload: { genres: Schema.Array(GenreFilms) },
  success: Podium,
  progress: Progress,
  softTimeLimit: "1500 millis",
  timeLimit: "5 seconds"
}).middleware(Reported) {}

export class DrawPicture extends Task.make("picture.draw", {
  queue: "desk",
  payload: Picture,
  success: Schema.Struct({ path: Schema.String }),
  error: PictureNotSaved
}).middleware(Reported) {}

/** All of them, in the order in which a film meets them. */
export const Tasks = [SplitArchive, CleanPart, MendRow, MeasureGenre, RankGenres, DrawPicture] as const
