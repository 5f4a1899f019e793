import { fileURLToPath } from "node:url"
import { Effect, Result } from "effect"
import { describe, expect, it } from "vitest"
import * as Bench from "../src/comparison/bench.ts"
import * as Server from "../src/server.ts"
import { can, type System } from "../src/systems/System.ts"

const fake = (fault: string): System => ({
  name: "floor",
  title: "fake",
  version: "1",
  program: (role) => ({
    command: process.execPath,
    args: [fileURLToPath(new URL("fakeAgent.ts", import.meta.url)), role, fault]
  }),
  // nothing before the start, everything at once then
  ended: async (redis, _session, enqueued) => ((await redis.incr("looks")) === 1 ? 0 : enqueued),
  concurrencies: [],
  pace: 1,
  can: can()
})

/** One session that enqueues ten messages, runs them and checks them. */
const session = (fault: string) =>
  Effect.gen(function* () {
    const bench = yield* Bench.make(yield* Server.start)
    return yield* bench.session(fake(fault), {}, ({ check, fill, run }) =>
      Effect.tap(Effect.andThen(fill({ count: 10, bytes: 200 }), run()), check())
    )
  }).pipe(Effect.scoped, Effect.result, Effect.runPromise)

describe("a session", () => {
  it("gives figures when each message ran once with the right result", async () => {
    const result = await session("none")
    expect(Result.isSuccess(result) && result.success.workerCpu).toBe(5)
  })

  it.each([
    ["lost", "10 enqueued, 9 runs, 1 without a result, 0 with a wrong one"],
    ["ran twice", "10 enqueued, 11 runs, 0 without a result, 0 with a wrong one"],
    ["wrong", "10 enqueued, 10 runs, 0 without a result, 1 with a wrong one"],
    ["refuses", "fake worker: Start failed: it will not"],
    ["dies", "fake producer: ended (3). out of order"]
  ])("is spoilt: %s", async (fault, problem) => {
    const result = await session(fault)
    expect(Result.isFailure(result) && result.failure.message).toContain(problem)
  })
})
