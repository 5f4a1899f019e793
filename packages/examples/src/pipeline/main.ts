/**
 * A typed pipeline of tasks in an Effect application.
 *
 * Shown: several messages in one round trip, results awaited with `Effect.all` and `Effect.forEach`, typed errors that are
 * caught like any other, a retry policy of a task and a retry of the caller, a timeout that revokes, progress as a Stream,
 * three workers that share services by Layers.
 */
import assert from "node:assert/strict"
import { NodeRuntime } from "@effect/platform-node"
import { CeleriacMemory, Worker } from "celeriac"
import { Console, DateTime, Effect, Layer } from "effect"
import { HandlersLive } from "./handlers.ts"
import { printPage } from "./pipeline.ts"
import { Ledger, Source } from "./services.ts"
import { Article, FetchArticle, Illustrate, Print, Summarise } from "./tasks.ts"

const articles = [
  new Article({
    url: "https://press.example/celeriac",
    title: "The root of the year",
    paragraphs: ["It is ugly, and it keeps for months.", "Peel it thickly.", "Roast it whole, or mash it with butter."]
  }),
  new Article({
    url: "https://press.example/frost",
    title: "First frost",
    paragraphs: ["The valley woke up white.", "Gardeners had been warned."]
  })
]

const Workers = Layer.mergeAll(
  Worker.layer({ name: "network", tasks: [FetchArticle], concurrency: 10 }),
  Worker.layer({ name: "analysis", tasks: [Summarise, Illustrate], progressInterval: "10 millis" }),
  Worker.layer({ name: "press", tasks: [Print], concurrency: 1 })
)

// the ledger is merged in, because the program reads it, too: it is built once for all
const Main = Workers.pipe(
  Layer.provide(HandlersLive),
  Layer.provide(Source.layerOf(articles)),
  Layer.provideMerge(Ledger.layer),
  Layer.provideMerge(CeleriacMemory.layer)
)

const program = Effect.gen(function* () {
  const urls = [...articles.map(({ url }) => url), "https://press.example/gone"]
  const { page, printedAt } = yield* printPage("Winter", urls)
  yield* Console.log(`\n${page}\n`)

  assert.equal(
    page,
    [
      "Winter",
      "The root of the year (19 words)\n  It is ugly, and it keeps for months.",
      "First frost (9 words)\n  The valley woke up white."
    ].join("\n\n")
  )
  assert.ok(DateTime.isDateTime(printedAt), "results are decoded")

  const ledger = yield* Ledger
  for (const url of urls) assert.equal(yield* ledger.count(`fetch ${url}`), 2, "each source was busy once")
  assert.equal(yield* ledger.count("print"), 2, "the first sheet jammed")

  const picture = yield* Illustrate.handle("picture-of-Winter")
  const ended = yield* Effect.flip(picture.await)
  assert.equal(ended.reason._tag, "Revoked")
})

NodeRuntime.runMain(Effect.provide(program, Main))
