/** The story from the caller's side: what is enqueued, in which order, and what is made of the results. */
import { Array as Arr, Effect, Result } from "effect"
import { Display } from "./display.ts"
import { compose } from "./picture.ts"
import { byGenre, tenths } from "./returns.ts"
import { CleanPart, DrawPicture, MeasureGenre, MendRow, RankGenres, SplitArchive } from "./tasks.ts"

const partSize = 25

export const pipeline = Effect.gen(function* () {
  const { caughtUp, follow } = yield* Display

  const splitting = yield* SplitArchive.enqueue({ partSize })
  yield* follow([splitting])
  const parts = yield* splitting.await

  const cleaning = yield* CleanPart.enqueueAll(parts)
  yield* follow(cleaning)
  const cleaned = yield* Effect.forEach(
    cleaning,
    Effect.fnUntraced(function* (handle) {
      const { films, malformed } = yield* handle.await
      // the rows of one part are mended while other parts are still being cleaned
      const mending = yield* MendRow.enqueueAll(malformed)
      yield* follow(mending)
      const ends = yield* Effect.forEach(mending, (handle) =>
        handle.await.pipe(
          Effect.map(Result.succeed),
          Effect.catchTag("MalformedRow", (error) => Effect.succeed(Result.fail(error)))
        )
      )
      const [mended, rejected] = Arr.separate(ends)
      return { films, mended, rejected }
    }),
    { concurrency: "unbounded" }
  )
  const films = cleaned.flatMap(({ films }) => films)
  const mended = cleaned.flatMap(({ mended }) => mended)
  const rejected = cleaned.flatMap(({ rejected }) => rejected)

  const genres = yield* Effect.fromResult(byGenre([...films, ...mended.map(({ film }) => film)]))
  const measuring = yield* Effect.forEach(genres, (genre) => MeasureGenre.enqueue(genre))
  const ranking = yield* RankGenres.enqueue({ genres }, { priority: 0 })
  yield* follow([...measuring, ranking])
  const measured = yield* Effect.forEach(measuring, (handle) => handle.await)
  const podium = yield* ranking.await

  const picture = compose({ films, mended, measured, podium: tenths(podium) })
  const drawing = yield* DrawPicture.enqueue(picture)
  yield* follow([drawing])
  const { path } = yield* drawing.await

  yield* caughtUp
  return { films, mended, rejected, picture, podium, path }
})
