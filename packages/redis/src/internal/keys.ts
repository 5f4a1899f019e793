/** Names of the keys. All keys of one queue have the same tag in braces, by which a cluster keeps them together. */

import { isGenerated } from "celeriac/TaskId"

/** The keys of one queue. */
export interface QueueKeys {
  /** In the order in which all scripts get them: see `lua/lib/queue.lua`. */
  readonly queue: ReadonlyArray<string>
  /** Those of them that are also read one by one. */
  readonly messages: string
  readonly ready: (priority: number) => string
  readonly suspects: string
  readonly scheduled: string
  readonly crashes: string
  readonly gone: string
  readonly revoked: string
  readonly expires: string
  readonly expiring: string
  /** One for each span of time. */
  readonly watchers: ReadonlyArray<string>
  /** Consumers and the ends of their leases: one of those. */
  readonly consumers: string
  readonly held: (consumer: string) => string
  readonly publisher: (publisher: string) => string
  /** Dead letters: when they died by id, and what they were. */
  readonly dead: string
  readonly letters: string
  /** Where the record of a message is, or its notes. */
  readonly bucket: (id: string) => string
}

const common = [
  "messages",
  "scheduled",
  "consumers",
  "idle",
  "alarm",
  "reservation",
  "suspects",
  "crashes",
  "gone",
  "revoked",
  "expires",
  "expiring",
  "fence",
  "watchers:0",
  "watchers:1",
  "watchers:2",
  ...Array.from({ length: 10 }, (_, priority) => `ready:${priority}`)
]

/** Characters of a generated id that tell its time to 64 ms. */
const bucketWidth = 7

export const queueKeys = (prefix: string, queue: string): QueueKeys => {
  const key = (name: string) => `{${prefix}:${queue}}:${name}`
  const records = key("records:")
  return {
    queue: common.map(key),
    messages: key("messages"),
    ready: (priority) => key(`ready:${priority}`),
    suspects: key("suspects"),
    scheduled: key("scheduled"),
    crashes: key("crashes"),
    gone: key("gone"),
    revoked: key("revoked"),
    expires: key("expires"),
    expiring: key("expiring"),
    watchers: common.filter((name) => name.startsWith("watchers:")).map(key),
    consumers: key("consumers"),
    held: (consumer) => key(`held:${consumer}`),
    publisher: (publisher) => key(`publisher:${publisher}`),
    dead: key("dead"),
    letters: key("letters"),
    // an id that a caller chose says nothing about its time
    bucket: (id) => records + (isGenerated(id) ? id.slice(0, bucketWidth) : `=${id}`)
  }
}

/** The set of all queues. */
export const queuesKey = (prefix: string): string => `${prefix}:queues`

/** What is at this prefix: see `layout.ts`. */
export const layoutKey = (prefix: string): string => `${prefix}:layout`

/** Pub/sub knows no databases: the names of channels do. */
export const channelsOf = (prefix: string, database: number): string => `${prefix}/${database}:`
