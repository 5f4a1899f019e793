/** A web site that is down at the first request for each page, and slow. */
import { setInterval, setTimeout } from "node:timers/promises"

const pages = new Map([
  ["/home", "Welcome to our little shop"],
  ["/about", "We sell roots"]
])
const asked = new Set<string>()

export const get = async (url: string, { signal }: { readonly signal: AbortSignal }) => {
  await setTimeout(20, undefined, { signal }) // throws when the signal aborts, as `fetch` does
  if (!asked.has(url)) {
    asked.add(url)
    return { status: 503, text: "" }
  }
  const text = pages.get(url)
  return text === undefined ? { status: 404, text: "" } : { status: 200, text }
}

/** Follows links from page to page; this site has no end. */
export async function* walk(url: string, { signal }: { readonly signal: AbortSignal }) {
  let page = 0
  for await (const _ of setInterval(10, undefined, { signal })) yield `${url}/${(page += 1)}`
}
