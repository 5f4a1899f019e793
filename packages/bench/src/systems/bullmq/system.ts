import { can, onNode, type System, versionOf } from "../System.ts"

export const bullmq: System = {
  name: "bullmq",
  title: "BullMQ",
  version: versionOf("bullmq"),
  program: onNode("bullmq"),
  ended: (redis, session) => redis.zcard(`bull:${session}:completed`),
  concurrencies: [1, 10, 50, 100, 200],
  pace: 6000,
  can: can()
}
