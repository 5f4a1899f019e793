import { can, onNode, type System } from "../System.ts"

export const floor: System = {
  name: "floor",
  title: "floor",
  version: "without a version",
  program: onNode("floor"),
  // its records are the only keys beside the list
  ended: async (redis, session) => (await redis.dbsize()) - (await redis.exists(session)),
  concurrencies: [],
  pace: 30_000,
  can: can({ wake: false, call: false, delay: false, concurrency: false })
}
