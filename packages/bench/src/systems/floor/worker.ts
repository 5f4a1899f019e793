/** Two loops. Each takes 200 messages, and writes the records of the 200 before in the same round trip. */
import { setTimeout as sleep } from "node:timers/promises"
import { Redis } from "ioredis"
import type { Payload } from "../payload.ts"
import type { MakeWorker } from "../roles.ts"

const loops = 2
const batch = 200
/** Seconds. */
const kept = 86_400
/** Milliseconds between two looks at an empty list. */
const pause = 2

/** 200 commands in one: less work for the client and the server than 200 commands in a pipeline. */
const store = `for index = 1, #KEYS do redis.call("SET", KEYS[index], ARGV[index], "EX", ${kept}) end`

interface WithStore extends Redis {
  readonly store: (keys: number, ...keysAndRecords: ReadonlyArray<string>) => Promise<unknown>
}

export const make: MakeWorker = async ({ name, url }, { run, work }) => {
  // the client adds a method for each script
  const redis = new Redis(url, { scripts: { store: { lua: store } } }) as WithStore
  await redis.ping()
  const handle = (message: string) => {
    // written by the producer
    const payload = JSON.parse(message) as Payload
    return { key: `record:${payload.n}`, record: JSON.stringify({ value: run(payload) }) }
  }
  let going: Promise<unknown> = Promise.resolve()
  const state = { stopped: false }
  const loop = async () => {
    let ended: ReadonlyArray<{ readonly key: string; readonly record: string }> = []
    while (!state.stopped || ended.length > 0) {
      const writing =
        ended.length > 0 &&
        redis.store(ended.length, ...ended.map(({ key }) => key), ...ended.map(({ record }) => record))
      const messages = state.stopped ? [] : ((await redis.lpop(name, batch)) ?? [])
      if (work > 0 && messages.length > 0) await sleep(work)
      ended = messages.map(handle)
      await writing
      if (ended.length === 0 && !state.stopped) await sleep(pause)
    }
  }
  const stop = () => {
    state.stopped = true
    return going
  }
  return {
    start: async () => {
      going = Promise.all(Array.from({ length: loops }, loop))
    },
    stop,
    close: async () => {
      await stop()
      redis.disconnect()
    }
  }
}
