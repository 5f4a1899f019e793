/** What is asked of a server about one message, and what its replies are like. */
import type { Command } from "../RawTask.ts"
import type { QueueKeys } from "./keys.ts"

/** See `RawTask.searched`. */
export const searched = 1000

/** An error that the server answered to one of several commands: a key may be of another type. */
export class Refusal {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** Some of it is there if the queue knows the id. */
export const firstLook = (keys: QueueKeys, id: string) => ({
  message: ["hget", keys.messages, id],
  stored: ["hget", keys.bucket(id), id],
  diedAt: ["zscore", keys.dead, id],
  letter: ["hget", keys.letters, id],
  gone: ["sismember", keys.gone, id],
  revoked: ["sismember", keys.revoked, id],
  crashes: ["hget", keys.crashes, id],
  expires: ["hget", keys.expires, id],
  expiring: ["zscore", keys.expiring, id],
  scheduled: ["zmscore", keys.scheduled, ...priorities.map((priority) => `${priority}${id}`)]
})

export const watcherCommands = (keys: QueueKeys, id: string): ReadonlyArray<Command> =>
  keys.watchers.map((key) => ["hget", key, id])

export const isThere = (value: unknown): boolean =>
  Array.isArray(value) ? value.some(isThere) : value !== null && value !== 0 && !(value instanceof Refusal)

const priorities = Array.from({ length: 10 }, (_, priority) => priority)

/** All commands of a look, by what they tell. */
export const commandsFor = (keys: QueueKeys, id: string, consumers: ReadonlyArray<string>) => {
  const lists = [keys.suspects, ...priorities.map(keys.ready)]
  return {
    facts: Object.values(firstLook(keys, id)),
    watchers: watcherCommands(keys, id),
    consumers: [["zrange", keys.consumers, "0", "-1", "withscores"]],
    held: consumers.map((consumer) => ["hmget", keys.held(consumer), id, " "]),
    heads: lists.map((list) => ["lpos", list, id, "maxlen", String(searched)]),
    tails: lists.map((list) => ["lpos", list, id, "rank", "-1", "maxlen", String(searched)]),
    lengths: lists.map((list) => ["llen", list]),
    time: [["time"]]
  } satisfies Record<string, ReadonlyArray<Command>>
}

/** A look: what was asked, and what the replies were. */
export interface Look {
  readonly id: string
  readonly queue: string
  readonly keys: QueueKeys
  readonly consumers: ReadonlyArray<string>
  readonly leases: ReadonlyMap<string, number>
  readonly commands: ReturnType<typeof commandsFor>
  readonly valuesOf: (group: keyof ReturnType<typeof commandsFor>) => ReadonlyArray<unknown>
}

/** In the reply of a transaction errors are values. */
export const refusalIn = (value: unknown): unknown => (value instanceof Error ? new Refusal(value.message) : value)

export const texts = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.map(String) : [])

/** A list of names with numbers. */
export const pairs = (value: unknown): ReadonlyArray<[string, number]> => {
  // each pair is a list of its own, or all are one list: so the versions of the protocol differ
  const flat = Array.isArray(value) ? texts(value.flat()) : []
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at]!, Number(flat[2 * at + 1])])
}
