/** The film archive: `movies.json` as the npm package vega-datasets ships it, with all its mistakes. */
import { fileURLToPath } from "node:url"
import { Context, Effect, FileSystem, Layer, Schema } from "effect"
import { ArchiveRow, type NumberedRow, type Part } from "./film.ts"

/** The archive is not where it ought to be, or no archive. */
export class ArchiveUnreadable extends Schema.TaggedError<ArchiveUnreadable>()("ArchiveUnreadable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `cannot read the archive at ${this.path}: ${this.cause instanceof Error ? this.cause.message : "for no known reason"}`
  }
}

const decodeRows = Schema.decodeEffect(Schema.fromJsonString(Schema.Array(ArchiveRow)))

const read = Effect.gen(function* () {
  const path = fileURLToPath(new URL("../data/movies.json", import.meta.resolve("vega-datasets")))
  const files = yield* FileSystem.FileSystem
  return yield* files.readFileString(path).pipe(
    Effect.flatMap(decodeRows),
    Effect.mapError((cause) => new ArchiveUnreadable({ path, cause }))
  )
})

export class Archive extends Context.Service<
  Archive,
  {
    readonly size: number
    readonly part: (part: Part) => ReadonlyArray<NumberedRow>
  }
>()("demo/Archive") {
  static readonly layer = Layer.effect(
    Archive,
    Effect.map(read, (rows) => ({
      size: rows.length,
      part: ({ from, to }) => rows.slice(from - 1, to).map((row, index) => ({ number: from + index, row }))
    }))
  )
}

/** Cuts the archive into parts of equal size; the last one takes what remains. */
export const split = (size: number, partSize: number): ReadonlyArray<Part> =>
  Array.from({ length: Math.ceil(size / partSize) }, (_, part) => ({
    from: part * partSize + 1,
    to: Math.min((part + 1) * partSize, size)
  }))
