/**
 * For programs that do not use Effect: a client of promises, and handlers that are async functions.
 *
 * Shown: results and typed endings, a typed error that is thrown, a retry, a soft time limit, progress, a revoke. Only the
 * definitions (schemas) and the wiring (layers) are Effect's; where the runtime has `await using`, no `finally` is needed.
 */
import assert from "node:assert/strict"
import { CeleriacMemory, PromiseClient, TaskEnded, Worker } from "celeriac"
import { Layer } from "effect"
import { CountWordsLive, CrawlLive } from "./handlers.ts"
import { CountWords, Crawl, PageMissing } from "./tasks.ts"

const worker = Worker.layer({ tasks: [CountWords, Crawl] }).pipe(Layer.provide([CountWordsLive, CrawlLive]))

// another program would leave out the worker, and use a layer of Redis
const client = PromiseClient.make(Layer.provideMerge(worker, CeleriacMemory.layer))

try {
  // the result; the site was down at first, and the handler asked for a retry
  const counted = await client.enqueue(CountWords, { url: "/home" })
  assert.deepEqual(await counted.result(), { words: 5, attempt: 2 })

  // the end as a value, for a rejected promise has no type
  const missing = await client.enqueue(CountWords, { url: "/nowhere" })
  const ending = await missing.ending()
  assert.ok(ending.status === "failed" && ending.error.url === "/nowhere")
  await assert.rejects(missing.result(), PageMissing)
  assert.equal(await missing.state(), "failed")

  // what a handler got done by its soft limit
  const visits = await client.execute(Crawl, { url: "/about" })
  assert.ok(visits > 1)
  console.log(`${visits} visits in time`)

  // progress, and a message that is revoked while it runs: the handler sees its signal abort
  const crawl = await client.enqueue(Crawl, { url: "/about" }, { softTimeLimit: "1 minute" })
  for await (const change of crawl.changes()) {
    if (change.type === "progress") await crawl.revoke()
  }
  const revoked = await crawl.ending()
  assert.ok(revoked.status === "ended" && revoked.ended.reason instanceof TaskEnded.Revoked)
} finally {
  await client.close()
}
