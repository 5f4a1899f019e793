/** The same work without a queue: one function after the other. What the pipeline draws has to be what this draws. */
import { Array as Arr, Effect, Random, Ref, Result } from "effect"
import { Archive } from "./archive.ts"
import { drawPicture } from "./chart.ts"
import { liberties, mendFilm } from "./film.ts"
import { compose } from "./picture.ts"
import { byGenre, emptyPodium, enoughRounds, measureGenre, podiumSeed, samplePodium, tenths } from "./returns.ts"

const silent = () => Effect.void

export const drawAlone = Effect.gen(function* () {
  const archive = yield* Archive
  const readable = archive
    .part({ from: 1, to: archive.size })
    .flatMap((row) => Arr.fromOption(Result.getSuccess(mendFilm(row, liberties.length))))
  const genres = yield* Effect.fromResult(byGenre(readable.map(({ film }) => film)))
  const measured = yield* Effect.forEach(genres, (genre) => measureGenre(genre, silent))
  const podium = yield* Ref.make(emptyPodium)
  yield* samplePodium(genres, podium, enoughRounds, silent).pipe(Random.withSeed(podiumSeed))
  return yield* drawPicture(
    compose({
      films: readable.flatMap(({ film, taken }) => (taken.length === 0 ? [film] : [])),
      mended: readable.filter(({ taken }) => taken.length > 0),
      measured,
      podium: tenths(yield* Ref.get(podium))
    })
  )
})
