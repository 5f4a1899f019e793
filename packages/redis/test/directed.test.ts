/** Stories of this driver, step by step, on a real server whose time is given. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { wireOf } from "celeriac/testing/conformance/Bench"
import { desk } from "celeriac/testing/conformance/Desk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Database from "./simulation/Database.ts"
import { directed, garbage } from "./simulation/directed.ts"
import { redisServer } from "./simulation/server.ts"
import { Inside, type Services, servicesOf } from "./simulation/services.ts"

const scope = Scope.makeUnsafe()
let url = ""

beforeAll(async () => {
  url = await Effect.runPromise(Scope.provide(redisServer, scope))
})

afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** The server of this file is emptied first. */
const onServer = <A, E>(story: Effect.Effect<A, E, Services | Scope.Scope>) =>
  Effect.gen(function* () {
    const services = yield* servicesOf(Database, yield* Database.open(url, 0))
    return yield* Effect.provide(Effect.scoped(story), services)
  }).pipe(Effect.scoped)

/** Reads, notes, settles and commits go on. */
const passesOver = (text: string) =>
  onServer(
    Effect.gen(function* () {
      const at = yield* desk
      const { keysOf, redis } = yield* Inside
      const id = "own"
      const write = Effect.promise(() => redis.hset(keysOf(at.queue).bucket(id), id, text))
      yield* write
      assert.deepStrictEqual(yield* at.read(id), { record: undefined, progress: undefined, attempts: [] })
      assert.isUndefined(yield* at.locate(id))
      yield* at.add([{ id, checked: true, wire: wireOf(5) }])
      const consumer = yield* at.consumer()
      const held = yield* at.take(consumer)
      yield* write
      const note = { ...at.address(id), kind: "progress", consumer: consumer.id, fence: held[0]!.fence } as const
      assert.deepStrictEqual(yield* at.results.note([{ ...note, value: "half", ttl: 1000 }]), ["noted"])
      yield* write
      const replies = yield* at.settle(consumer, held, { _tag: "Ack", record: { value: "over", ttl: 1000 } })
      assert.deepStrictEqual(replies, ["settled"])
      assert.strictEqual(yield* at.record(id), "over")
      yield* write
      assert.strictEqual(yield* at.commit(id, "again"), "committed")
    })
  )

describe("on Redis", () => {
  it.live.each(Object.entries(directed))("%s", ([, story]) => onServer(story), 30_000)

  it.live.each(garbage)("%j in the place of a record holds nobody up", passesOver)
})
