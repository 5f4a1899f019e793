/** The pipeline: an Effect that happens to do its work elsewhere. */
import type { TaskHandle } from "celeriac"
import { Array, Console, Effect, Option, Stream } from "effect"
import { FetchArticle, Illustrate, Print, Summarise } from "./tasks.ts"

/** A page about whatever of these articles there is. */
export const printPage = Effect.fn("printPage")(function* (headline: string, urls: ReadonlyArray<string>) {
  // all of them in one round trip; a worker that is told to wait tries again by the policy of the task
  const fetches = yield* FetchArticle.enqueueAll(urls.map((url) => ({ url })))

  // a handle's `await` is an Effect with the task's own errors: skip what is gone, let the rest end the page
  const fetched = yield* Effect.forEach(
    fetches,
    ({ await: article }) =>
      article.pipe(
        Effect.asSome,
        Effect.catchTag("ArticleGone", ({ url }) => Effect.as(Console.log(`skipping ${url}`), Option.none()))
      ),
    { concurrency: "unbounded" }
  )

  const [summaries, picture] = yield* Effect.all(
    [
      // the results come in the order of the articles
      Effect.forEach(Array.getSomes(fetched), (article) => Effect.flatMap(Summarise.enqueue(article), followed), {
        concurrency: "unbounded"
      }),
      // a page can do without a picture: giving up on `execute` revokes the message
      Illustrate.execute({ theme: headline }, { id: `picture-of-${headline}` }).pipe(Effect.timeoutOption("250 millis"))
    ],
    { concurrency: "unbounded" }
  )

  // this task has no policy of its own: it is for the caller to say whether another sheet is worth it
  return yield* Print.execute({ headline, summaries, picture }).pipe(
    Effect.retry({ times: 2, while: (error) => error._tag === "PaperJam" })
  )
})

/** Waits for the result, and prints the progress meanwhile. The stream ends with the message. */
const followed = <A, E>(handle: TaskHandle.TaskHandle<A, E, { readonly read: number; readonly of: number }>) =>
  Effect.all(
    [
      handle.await,
      Stream.runForEach(handle.changes, (change) =>
        change._tag === "Progress"
          ? Console.log(`${handle.task}: ${change.value.read} of ${change.value.of} paragraphs`)
          : Effect.void
      )
    ],
    { concurrency: "unbounded" }
  ).pipe(Effect.map(([result]) => result))
