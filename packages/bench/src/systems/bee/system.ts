import { can, onNode, type System, versionOf } from "../System.ts"

export const bee: System = {
  name: "bee",
  title: "bee-queue",
  version: versionOf("bee-queue"),
  program: onNode("bee"),
  ended: (redis, session) => redis.scard(`bq:${session}:succeeded`),
  concurrencies: [1, 10, 50, 200],
  pace: 6000,
  can: can()
}
