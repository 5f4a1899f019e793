/** The tasks of the pipeline: names, schemas, policies. Whoever enqueues needs this file and nothing of the handlers. */
import { Task } from "celeriac"
import { Schema } from "effect"

export class Article extends Schema.Class<Article>("Article")({
  url: Schema.String,
  title: Schema.String,
  paragraphs: Schema.Array(Schema.String)
}) {}

/** There is no such article: trying again would not help. */
export class ArticleGone extends Schema.TaggedError<ArticleGone>()("ArticleGone", { url: Schema.String }) {}

/** The source has too much to do at the moment. */
export class SourceBusy extends Schema.TaggedError<SourceBusy>()("SourceBusy", { url: Schema.String }) {}

export class FetchArticle extends Task.make("article.fetch", {
  queue: "network",
  payload: { url: Schema.String },
  success: Article,
  error: Schema.Union([ArticleGone, SourceBusy]),
  retry: { times: 5, delay: "10 millis", while: (error) => error._tag === "SourceBusy" }
}) {}

export class Summary extends Schema.Class<Summary>("Summary")({
  title: Schema.String,
  words: Schema.Int,
  gist: Schema.String
}) {}

/** A class is a payload, too. It reports how many paragraphs it has read. */
export class Summarise extends Task.make("article.summarise", {
  queue: "analysis",
  payload: Article,
  success: Summary,
  progress: Schema.Struct({ read: Schema.Int, of: Schema.Int })
}) {}

export class Illustrate extends Task.make("page.illustrate", {
  queue: "analysis",
  payload: { theme: Schema.String },
  success: Schema.String
}) {}

export class PaperJam extends Schema.TaggedError<PaperJam>()("PaperJam", { sheet: Schema.Int }) {}

export class Print extends Task.make("page.print", {
  queue: "press",
  payload: {
    headline: Schema.String,
    summaries: Schema.Array(Summary),
    picture: Schema.OptionFromNullOr(Schema.String)
  },
  success: Schema.Struct({ page: Schema.String, printedAt: Schema.DateTimeUtc }),
  error: PaperJam
}) {}
