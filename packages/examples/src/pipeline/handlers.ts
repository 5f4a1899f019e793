/** What workers do with the tasks. A service that a handler asks for becomes a requirement of its Layer. */
import { DateTime, Effect, Layer, Option } from "effect"
import { Ledger, Source } from "./services.ts"
import { FetchArticle, Illustrate, PaperJam, Print, Summarise, Summary } from "./tasks.ts"

const FetchArticleLive = FetchArticle.toLayer(
  Effect.fnUntraced(function* ({ url }) {
    const source = yield* Source
    const ledger = yield* Ledger
    yield* ledger.note(`fetch ${url}`)
    return yield* source.get(url)
  })
)

const SummariseLive = Summarise.toLayer(
  Effect.fnUntraced(function* ({ paragraphs, title }, task) {
    let words = 0
    for (const [index, paragraph] of paragraphs.entries()) {
      yield* Effect.sleep("15 millis") // it reads slowly
      words += paragraph.split(/\s+/).length
      yield* task.progress({ read: index + 1, of: paragraphs.length })
    }
    return new Summary({ title, words, gist: paragraphs[0] ?? "" })
  })
)

/** An artist who never gets done. */
const IllustrateLive = Illustrate.toLayer(() => Effect.never)

const PrintLive = Print.toLayer(
  Effect.fnUntraced(function* ({ headline, picture, summaries }) {
    const ledger = yield* Ledger
    const sheet = yield* ledger.note("print")
    if (sheet === 1) return yield* new PaperJam({ sheet })
    const columns = summaries.map(({ gist, title, words }) => `${title} (${words} words)\n  ${gist}`)
    const page = [headline, ...Option.toArray(picture), ...columns].join("\n\n")
    return { page, printedAt: yield* DateTime.now }
  })
)

export const HandlersLive = Layer.mergeAll(FetchArticleLive, SummariseLive, IllustrateLive, PrintLive)
