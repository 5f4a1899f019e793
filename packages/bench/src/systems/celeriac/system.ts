import { can, onNode, type System, versionOf } from "../System.ts"

/** With its default settings: all guarantees are on. */
export const celeriac: System = {
  name: "celeriac",
  title: "Celeriac",
  version: versionOf("celeriac"),
  program: onNode("celeriac"),
  // what has not ended is in this hash: packages/docs/redis-protocol.md
  ended: async (redis, session, enqueued) => enqueued - (await redis.hlen(`{${session}:default}:messages`)),
  concurrencies: [],
  pace: 30_000,
  can: can()
}
