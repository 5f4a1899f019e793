/** What is left of messages when all of them have ended. */
import type { Redis } from "ioredis"

/** What goes by itself: keys with a time to live. */
const passing = /^(publisher:|records:|watchers:\d$)/

/** What may be there, as far as the sums below are right. */
const summed = /^(fence|gone|suspects|ready:\d|dead|letters)$/

/** In sentences; nothing, if all is well. `records`: what has ended, by id. */
export const leftovers = async (
  redis: Redis,
  prefix: string,
  records: ReadonlyMap<string, string>
): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  const queues = new Set<string>()
  for (const key of (await redis.keys("*")).toSorted()) {
    if (key === `${prefix}:layout` || key === `${prefix}:queues`) continue
    const [, tag = "", part = ""] = /^(\{.*\}:)(.*)$/.exec(key) ?? []
    if (passing.test(part)) {
      if ((await redis.pttl(key)) < 0) found.push(`${key} stays for ever`)
      if (part.startsWith("watchers:")) {
        for (const id of await redis.hkeys(key)) if (records.has(id)) found.push(`${key}: ${id} has ended`)
      }
    } else if (!summed.test(part)) found.push(key)
    queues.add(tag)
  }
  for (const tag of queues) {
    found.push(...(await holes(redis, tag)), ...(await letters(redis, tag)))
  }
  return found
}

/** Lists have holes only, and all holes that there are said to be, once each. */
const holes = async (redis: Redis, tag: string): Promise<ReadonlyArray<string>> => {
  const lists = ["suspects", ...Array.from({ length: 10 }, (_, priority) => `ready:${priority}`)]
  const listed = (await Promise.all(lists.map((list) => redis.lrange(tag + list, 0, -1)))).flat().toSorted()
  const gone = (await redis.smembers(`${tag}gone`)).toSorted()
  return listed.join() === gone.join() ? [] : [`${tag} lists ${listed.join()}, holes are said to be ${gone.join()}`]
}

/** Each dead letter has a time, and their bytes are counted rightly. */
const letters = async (redis: Redis, tag: string): Promise<ReadonlyArray<string>> => {
  const { " bytes": bytes = "0", " dropped": _, ...kept } = await redis.hgetall(`${tag}letters`)
  const ids = (await redis.zrange(`${tag}dead`, "0", "-1")).toSorted()
  const sum = Object.values(kept)
    // as `settle.lua` wrote it
    .map((text) => Buffer.byteLength((JSON.parse(text) as { readonly wire: string }).wire))
    .reduce((all, one) => all + one, 0)
  return [
    ...(ids.join() === Object.keys(kept).toSorted().join() ? [] : [`${tag}letters are not those of ${tag}dead`]),
    ...(Number(bytes) === sum ? [] : [`${tag}letters have ${sum} bytes, not ${bytes}`])
  ]
}
