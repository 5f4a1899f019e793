/** Handlers as async functions. */
import { PromiseHandler, TaskContext } from "celeriac"
import * as site from "./site.ts"
import { CountWords, Crawl, PageMissing } from "./tasks.ts"

export const CountWordsLive = PromiseHandler.toLayer(CountWords, async ({ url }, context) => {
  const { status, text } = await site.get(url, { signal: context.signal })
  if (status === 404) throw new PageMissing({ url }) // the typed error of the task
  if (status === 503) return context.retry({ after: "10 millis" })
  if (status !== 200) throw new Error(`status ${status}`) // anything else is a defect
  return { words: text.split(" ").length, attempt: context.attempt }
})

/** Visits pages until its soft limit comes, and says how many it were. */
export const CrawlLive = PromiseHandler.toLayer(Crawl, async ({ url }, context) => {
  const visited: Array<string> = []
  try {
    await context.withSoftTimeLimit(async (signal) => {
      for await (const page of site.walk(url, { signal })) {
        visited.push(page)
        await context.progress(visited.length)
      }
    })
  } catch (error) {
    if (!(error instanceof TaskContext.SoftTimeLimitExceeded)) throw error
  }
  return visited.length
})
