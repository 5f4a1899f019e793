/** The result backend: who is told of what, and forgetting. */
import * as Effect from "effect/Effect"
import { type Interest, replyChannel } from "../../ResultBackend.ts"
import { equal } from "../internal/expect.ts"
import { ttl } from "./Bench.ts"
import { type Case, type ResultServices, rule, rules } from "./Case.ts"
import { desk, nothing, pushOf } from "./Desk.ts"
import { listen } from "./listening.ts"
import * as Texts from "./texts.ts"

const interests: Readonly<Record<string, Interest>> = { "the end": "end", "every change": "changes" }

export const watching: ReadonlyArray<Case<ResultServices>> = [
  ...rules<ResultServices, string>(
    (title) => `encoding: an id of a caller ${title}`,
    Texts.ids,
    (id) =>
      Effect.gen(function* () {
        const at = yield* desk
        const client = yield* at.fresh("client")
        const ear = yield* listen(replyChannel(client))
        yield* at.results.watch(client, [at.address(id)], "end")
        yield* at.commit(id, "value")
        yield* ear.hears([pushOf(at, id)], "what is told")
        yield* equal(yield* at.record(id), "value", "the record")
      })
  ),

  rule("watch: tells what is stored, in the order of the addresses, also of many queues", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const other = yield* at.fresh("other")
      const [first, second] = yield* at.ids(2)
      yield* at.commit(second!, "over")
      const held = yield* at.hold
      yield* at.note(held, { value: "half" })
      const stored = yield* at.results.watch(
        yield* at.fresh("client"),
        [at.address(first!), { id: second!, queue: other }, at.address(second!), at.address(held.id)],
        "end"
      )
      yield* equal(
        stored.map(({ attempts, progress, record }) => ({ attempts, progress, record })),
        [nothing, nothing, { ...nothing, record: "over" }, { ...nothing, progress: "half" }],
        "what is told"
      )
    })
  ),

  ...rules<ResultServices, Interest>(
    (title) => `watch: who wants ${title} is told of the record, once`,
    interests,
    (interest) =>
      Effect.gen(function* () {
        const at = yield* desk
        const clients = [yield* at.fresh("client"), yield* at.fresh("client")]
        const ears = yield* Effect.forEach(clients, (client) => listen(replyChannel(client)))
        const [id, other] = yield* at.ids(2)
        yield* Effect.forEach(clients, (client) => at.results.watch(client, [at.address(id!)], interest))
        yield* at.commit(other!, "not watched")
        for (const ear of ears) yield* ear.hears([], "what is told of another message")
        yield* at.commit(id!, "over")
        for (const ear of ears) yield* ear.hears([pushOf(at, id!)], "what is told of the record")
        yield* at.commit(id!, "again")
        for (const ear of ears) yield* ear.hears([], "what is told of a commit that lost")
      })
  ),

  rule("watch: a message that is over is told in the answer, and not again", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const client = yield* at.fresh("client")
      const ear = yield* listen(replyChannel(client))
      const [id] = yield* at.ids(1)
      yield* at.commit(id!, "over", 1000)
      const [stored] = yield* at.results.watch(client, [at.address(id!)], "end")
      yield* equal(stored?.record, "over", "the record in the answer")
      yield* at.advance(1000)
      yield* at.commit(id!, "another")
      yield* ear.hears([], "what is told")
    })
  ),

  rule("watch: a record is in the answer or is told afterwards, however close the two come", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const client = yield* at.fresh("client")
      const ear = yield* listen(replyChannel(client))
      const ids = yield* at.ids(100)
      const answers = yield* Effect.forEach(
        ids,
        (id, index) => {
          const watch = Effect.map(at.results.watch(client, [at.address(id)], "end"), ([stored]) => stored?.record)
          const commit = at.commit(id, "over")
          return Effect.all(index % 2 === 0 ? { watch, commit } : { commit, watch }, { concurrency: "unbounded" })
        },
        { concurrency: "unbounded" }
      )
      const told = new Set(yield* ear.heard)
      const gaps = ids.filter((id, index) => answers[index]!.watch === undefined && !told.has(pushOf(at, id)))
      yield* equal(gaps, [], "messages whose end was neither answered nor told")
    })
  ),

  rule("watch: of notes, who wants every change is told, who wants the end is not", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [follower, waiter] = [yield* at.fresh("client"), yield* at.fresh("client")]
      const ears = { follower: yield* listen(replyChannel(follower)), waiter: yield* listen(replyChannel(waiter)) }
      const held = yield* at.hold
      yield* at.results.watch(follower, [at.address(held.id)], "changes")
      yield* at.results.watch(waiter, [at.address(held.id)], "end")
      yield* at.note(held, {})
      yield* at.note(held, { kind: "attempt" })
      const push = pushOf(at, held.id)
      yield* ears.follower.hears([push, push], "what the one is told of two notes")
      yield* ears.waiter.hears([], "what the other is told of them")
      yield* at.commit(held.id, "over")
      yield* ears.follower.hears([push], "what the one is told of the end")
      yield* ears.waiter.hears([push], "what the other is told of the end")
    })
  ),

  rule("unwatch: nothing is told any more, and others are told as before", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const clients = [yield* at.fresh("client"), yield* at.fresh("client")]
      const ears = yield* Effect.forEach(clients, (client) => listen(replyChannel(client)))
      const [first, second] = yield* at.ids(2)
      const addresses = [at.address(first!), at.address(second!)]
      yield* Effect.forEach(clients, (client) => at.results.watch(client, addresses, "end"))
      yield* at.results.unwatch(clients[0]!, addresses.slice(0, 1))
      yield* at.commit(first!, "over")
      yield* at.commit(second!, "over")
      yield* ears[0]!.hears([pushOf(at, second!)], "what the one is told")
      yield* ears[1]!.hears([pushOf(at, first!), pushOf(at, second!)], "what the other is told")
    })
  ),

  rule("forget: with a tombstone, that takes the record's place, for a time of its own", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* at.commit(id!, "value", 60_000)
      yield* at.results.forget([at.address(id!)], { value: "tombstone", ttl: 5000 })
      yield* equal(yield* at.record(id!), "tombstone", "what is stored")
      yield* equal(yield* at.commit(id!, "another"), "lost", "the reply to a commit")
      yield* at.advance(5000)
      yield* equal(yield* at.record(id!), undefined, "what is stored after its time")
    })
  ),

  rule("forget: again, in place of an earlier tombstone", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* at.commit(id!, "value")
      for (const value of ["first", "second", "second"]) {
        yield* at.results.forget([at.address(id!)], { value, ttl })
        yield* equal(yield* at.record(id!), value, "what is stored")
      }
    })
  ),

  rule("watch: who watches every change goes on doing so when the end is asked for too", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const client = yield* at.fresh("client")
      const ear = yield* listen(replyChannel(client))
      const held = yield* at.hold
      yield* at.results.watch(client, [at.address(held.id)], "changes")
      yield* at.results.watch(client, [at.address(held.id)], "end")
      yield* at.note(held, {})
      yield* ear.hears([pushOf(at, held.id)], "what is told of a note")
    })
  ),

  rule("forget: without a tombstone, nothing is left, and there can be another record", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const other = yield* at.fresh("other")
      const [id] = yield* at.ids(1)
      const addresses = [at.address(id!), { id: id!, queue: other }]
      yield* at.results.commit(addresses.map((address) => ({ ...address, value: "value", ttl })))
      yield* at.results.forget(addresses, undefined)
      const stored = yield* at.results.read(addresses)
      yield* equal(
        stored.map(({ record }) => record),
        [undefined, undefined],
        "what is stored"
      )
      yield* equal(yield* at.commit(id!, "another"), "committed", "the reply to a commit")
    })
  ),

  rule("forget: a message that has not ended gets no tombstone, and loses its notes", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const held = yield* at.hold
      yield* at.note(held, {})
      yield* at.results.forget([at.address(held.id)], { value: "tombstone", ttl })
      yield* equal(yield* at.read(held.id), nothing, "what is stored")
    })
  )
]
