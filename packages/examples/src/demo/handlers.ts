/** What the workers do with the tasks. Whatever a handler needs is a service; `workers.ts` provides it. */
import { Array as Arr, Effect, Random, Ref, Result } from "effect"
import { Archive, split } from "./archive.ts"
import { drawPicture } from "./chart.ts"
import { mendFilm, readFilm } from "./film.ts"
import { Gallery } from "./gallery.ts"
import {
  allRounds,
  emptyPodium,
  enoughRounds,
  measureGenre,
  measureRounds,
  podiumSeed,
  samplePodium
} from "./returns.ts"
import { CleanPart, DrawPicture, MeasureGenre, MendRow, RankGenres, SplitArchive } from "./tasks.ts"

export const SplitArchiveLive = SplitArchive.toLayer(
  Effect.fnUntraced(function* ({ partSize }) {
    const archive = yield* Archive
    return split(archive.size, partSize)
  })
)

export const CleanPartLive = CleanPart.toLayer(
  Effect.fnUntraced(function* (part) {
    const archive = yield* Archive
    const [films, malformed] = Arr.partition(archive.part(part), (row) => Result.mapError(readFilm(row), () => row))
    return { films, malformed }
  })
)

export const MendRowLive = MendRow.toLayer((row, task) => Effect.fromResult(mendFilm(row, task.attempt - 1)))

export const MeasureGenreLive = MeasureGenre.toLayer((films, task) =>
  measureGenre(films, (done) => task.progress({ done, of: measureRounds }))
)

export const RankGenresLive = RankGenres.toLayer(
  Effect.fnUntraced(
    function* ({ genres }, task) {
      const podium = yield* Ref.make(emptyPodium)
      const sampleUpTo = (rounds: number) =>
        samplePodium(genres, podium, rounds, (done) => task.progress({ done, of: allRounds }))
      yield* task.withSoftTimeLimit(sampleUpTo(allRounds)).pipe(
        // a busy machine may not have come so far
        Effect.catchTag("SoftTimeLimitExceeded", () => sampleUpTo(enoughRounds))
      )
      return yield* Ref.get(podium)
    },
    (effect) => Random.withSeed(effect, podiumSeed)
  )
)

export const DrawPictureLive = DrawPicture.toLayer(
  Effect.fnUntraced(function* (picture) {
    const gallery = yield* Gallery
    return { path: yield* gallery.save("films.svg", yield* drawPicture(picture)) }
  })
)
