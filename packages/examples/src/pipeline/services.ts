/** What the handlers work with. In a real program: an HTTP client, a database, a printer. */
import { Context, Effect, Layer, Ref } from "effect"
import { type Article, ArticleGone, SourceBusy } from "./tasks.ts"

export class Source extends Context.Service<
  Source,
  {
    readonly get: (url: string) => Effect.Effect<Article, ArticleGone | SourceBusy>
  }
>()("pipeline/Source") {
  /** Has what it is given, and is busy whenever it is asked for something for the first time. */
  static readonly layerOf = (articles: ReadonlyArray<Article>) =>
    Layer.effect(
      Source,
      Effect.gen(function* () {
        const asked = yield* Ref.make<ReadonlySet<string>>(new Set())
        return {
          get: Effect.fnUntraced(function* (url) {
            const known = yield* Ref.getAndUpdate(asked, (urls) => new Set(urls).add(url))
            if (!known.has(url)) return yield* new SourceBusy({ url })
            const article = articles.find((article) => article.url === url)
            return article ?? (yield* new ArticleGone({ url }))
          })
        }
      })
    )
}

/** Keeps count of what went through the house. Every worker and the program itself share one. */
export class Ledger extends Context.Service<
  Ledger,
  {
    readonly note: (entry: string) => Effect.Effect<number>
    readonly count: (entry: string) => Effect.Effect<number>
  }
>()("pipeline/Ledger") {
  static readonly layer = Layer.effect(
    Ledger,
    Effect.gen(function* () {
      const entries = yield* Ref.make<ReadonlyArray<string>>([])
      const count = (entry: string) => Effect.map(Ref.get(entries), (all) => all.filter((one) => one === entry).length)
      return {
        count,
        note: (entry) =>
          Effect.andThen(
            Ref.update(entries, (all) => [...all, entry]),
            count(entry)
          )
      }
    })
  )
}
