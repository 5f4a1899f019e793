/** The definitions: names, schemas, policies. */
import { Task } from "celeriac"
import { Schema } from "effect"

export class PageMissing extends Schema.TaggedError<PageMissing>()("PageMissing", { url: Schema.String }) {}

export class CountWords extends Task.make("page.count", {
  payload: { url: Schema.String },
  success: Schema.Struct({ words: Schema.Int, attempt: Schema.Int }),
  error: PageMissing
}) {}

export class Crawl extends Task.make("site.crawl", {
  payload: { url: Schema.String },
  success: Schema.Int,
  progress: Schema.Int,
  softTimeLimit: "150 millis"
}) {}
