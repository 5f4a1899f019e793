/** The result backend: records and notes. */
import * as Effect from "effect/Effect"
import type { Address } from "../../Broker.ts"
import { type Commit, maxAttemptNotes, type Note } from "../../ResultBackend.ts"
import { equal } from "../internal/expect.ts"
import { ttl } from "./Bench.ts"
import { type Case, type ResultServices, rule, rules } from "./Case.ts"
import { desk, type Held, nothing } from "./Desk.ts"
import * as Texts from "./texts.ts"

const kinds: Readonly<Record<string, Note["kind"]>> = { progress: "progress", "an attempt": "attempt" }

export const results: ReadonlyArray<Case<ResultServices>> = [
  rule("commit: a record is read as it was committed", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* equal(yield* at.commit(id!, "value"), "committed", "the reply")
      yield* equal(yield* at.read(id!), { ...nothing, record: "value" }, "what is stored")
    })
  ),

  rule("commit: the first one wins, and a later one is told", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* at.commit(id!, "first")
      yield* equal(yield* at.commit(id!, "second"), "lost", "the reply to the second")
      yield* equal(yield* at.commit(id!, "first"), "lost", "the reply to the first, sent again")
      yield* equal(yield* at.record(id!), "first", "the record")
    })
  ),

  rule("commit: of two for one message in a call, the first wins", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      const commit = (value: string): Commit => ({ ...at.address(id!), value, ttl })
      yield* equal(yield* at.results.commit([commit("first"), commit("second")]), ["committed", "lost"], "the replies")
      yield* equal(yield* at.record(id!), "first", "the record")
    })
  ),

  rule("commit: of many at the same time, one wins", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      const values = Array.from({ length: 20 }, (_, index) => `value ${index}`)
      const replies = yield* Effect.forEach(values, (value) => at.commit(id!, value), { concurrency: "unbounded" })
      yield* equal(replies.filter((reply) => reply === "committed").length, 1, "how many were committed")
      yield* equal(yield* at.record(id!), values[replies.indexOf("committed")], "the record")
    })
  ),

  rule("commit: one reply each, in their order, also of many queues; read likewise", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const queues = [at.queue, yield* at.fresh("x"), yield* at.fresh("y")]
      const [first, second] = yield* at.ids(2)
      yield* at.commit(first!, "before")
      const addresses = [first!, second!].flatMap((id) => queues.map((queue): Address => ({ id, queue })))
      const replies = yield* at.results.commit(
        addresses.map((address, index) => ({ ...address, value: `value ${index}`, ttl }))
      )
      yield* equal(replies, ["lost", "committed", "committed", "committed", "committed", "committed"], "the replies")
      const stored = yield* at.results.read(addresses)
      yield* equal(
        stored.map(({ record }) => record),
        ["before", "value 1", "value 2", "value 3", "value 4", "value 5"],
        "the records"
      )
      yield* equal(yield* at.results.commit([]), [], "replies to nothing")
      yield* equal(yield* at.results.read([]), [], "what is stored of nothing")
    })
  ),

  rule("commit: a record lives as long as it should, then there can be another", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* at.commit(id!, "first", 5000)
      yield* at.advance(4999)
      yield* equal(yield* at.record(id!), "first", "the record, a moment before its end")
      yield* equal(yield* at.commit(id!, "early", 5000), "lost", "the reply to a commit then")
      yield* at.advance(1)
      yield* equal(yield* at.record(id!), undefined, "the record, after it")
      yield* equal(yield* at.commit(id!, "second", 5000), "committed", "the reply to a commit after it")
      yield* at.advance(4999)
      yield* equal(yield* at.record(id!), "second", "the second record, as long as that lives")
    })
  ),

  rule("commit: a tombstone takes the place of a record whose time is over, and goes in its turn", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id, forgotten] = yield* at.ids(2)
      const record = { value: "value", ttl: 5000, tombstone: { value: "tombstone", ttl: 60_000 } }
      yield* at.results.commit([
        { ...at.address(id!), ...record },
        { ...at.address(forgotten!), ...record }
      ])
      yield* at.results.forget([at.address(forgotten!)], undefined)
      yield* at.advance(4999)
      yield* equal(yield* at.record(id!), "value", "the record, a moment before its end")
      yield* at.advance(1)
      yield* equal(yield* at.record(id!), "tombstone", "the record, after it")
      yield* equal(yield* at.record(forgotten!), undefined, "the record of one that was forgotten")
      yield* equal(yield* at.commit(id!, "another"), "lost", "the reply to a commit while the tombstone lives")
      yield* at.advance(54_999)
      yield* equal(yield* at.record(id!), "tombstone", "the record, a moment before the tombstone's end")
      yield* at.advance(1)
      yield* equal(yield* at.record(id!), undefined, "the record, after that")
      yield* equal(yield* at.commit(id!, "another"), "committed", "the reply to a commit then")
    })
  ),

  rule("commit: a tombstone that is to live no longer than its record is none", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      const tombstone = { value: "tombstone", ttl: 5000 }
      yield* at.results.commit([{ ...at.address(id!), value: "value", ttl: 5000, tombstone }])
      yield* at.advance(4999)
      yield* equal(yield* at.record(id!), "value", "the record, a moment before its end")
      yield* at.advance(1)
      yield* equal(yield* at.record(id!), undefined, "the record, after it")
    })
  ),

  rule("read: nothing of a message that nobody knows", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const [id] = yield* at.ids(1)
      yield* equal(yield* at.read(id!), nothing, "what is stored")
    })
  ),

  ...rules<ResultServices, string>(
    (title) => `encoding: records and notes are carried as they are: ${title}`,
    Texts.texts,
    (text) =>
      Effect.gen(function* () {
        const at = yield* desk
        const held = yield* at.hold
        yield* at.note(held, { value: text })
        yield* at.note(held, { kind: "attempt", value: text })
        const { attempts, progress } = yield* at.read(held.id)
        yield* equal(
          [progress === text, attempts.length, attempts[0] === text],
          [true, 1, true],
          "whether the notes are the same texts"
        )
        const [id] = yield* at.ids(1)
        yield* at.commit(id!, text)
        yield* equal((yield* at.record(id!)) === text, true, "whether the record is the same text")
      })
  ),

  rule("note: the latest progress replaces the one before", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const held = yield* at.hold
      for (const value of ["1", "2", "3"]) yield* equal(yield* at.note(held, { value }), "noted", "the reply")
      yield* equal(yield* at.read(held.id), { ...nothing, progress: "3" }, "what is stored")
    })
  ),

  rule("note: the latest attempts are kept, the oldest first", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const held = yield* at.hold
      const values = Array.from({ length: maxAttemptNotes + 3 }, (_, index) => `attempt ${index}`)
      yield* at.note(held, { kind: "attempt", value: values[0]! })
      yield* at.note(held, { kind: "attempt", value: values[1]! })
      yield* equal((yield* at.read(held.id)).attempts, values.slice(0, 2), "two of them")
      for (const value of values.slice(2)) yield* at.note(held, { kind: "attempt", value })
      yield* equal((yield* at.read(held.id)).attempts, values.slice(3), "all that are kept")
    })
  ),

  rule("note: one reply each, in their order, of many messages and both kinds", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const first = yield* at.hold
      const second = yield* at.hold
      const later = yield* first.again
      yield* at.note(later, { value: "later" })
      const noteOf = ({ consumer, delivery, id }: Held, kind: Note["kind"]): Note => ({
        ...at.address(id),
        kind,
        consumer,
        fence: delivery.fence,
        value: kind,
        ttl
      })
      const replies = yield* at.results.note([
        noteOf(second, "attempt"),
        noteOf(first, "progress"),
        noteOf(later, "attempt")
      ])
      yield* equal(replies, ["noted", "refused", "noted"], "the replies")
      yield* equal(yield* at.read(first.id), { ...nothing, progress: "later", attempts: ["attempt"] }, "of the first")
      yield* equal(yield* at.read(second.id), { ...nothing, attempts: ["attempt"] }, "of the second")
      yield* equal(yield* at.results.note([]), [], "replies to nothing")
    })
  ),

  ...rules<ResultServices, Note["kind"]>(
    (title) => `note: ${title} of an earlier delivery is refused`,
    kinds,
    (kind) =>
      Effect.gen(function* () {
        const at = yield* desk
        const early = yield* at.hold
        yield* at.note(early, { value: "early" })
        const late = yield* early.again
        yield* equal(yield* at.note(late, { value: "late" }), "noted", "the reply to the later delivery")
        yield* equal(yield* at.note(early, { kind, value: "too late" }), "refused", "the reply to the earlier one")
        yield* equal(yield* at.read(early.id), { ...nothing, progress: "late" }, "what is stored")
      })
  ),

  ...rules<ResultServices, Note["kind"]>(
    (title) => `note: ${title} of a message that is over is refused`,
    kinds,
    (kind) =>
      Effect.gen(function* () {
        const at = yield* desk
        const held = yield* at.hold
        yield* at.commit(held.id, "over")
        yield* equal(yield* at.note(held, { kind }), "refused", "the reply")
        yield* equal(yield* at.read(held.id), { ...nothing, record: "over" }, "what is stored")
      })
  ),

  rule("note: notes go when the record comes", () =>
    Effect.gen(function* () {
      const at = yield* desk
      const held = yield* at.hold
      yield* at.note(held, {})
      yield* at.note(held, { kind: "attempt" })
      yield* at.commit(held.id, "over")
      yield* equal(yield* at.read(held.id), { ...nothing, record: "over" }, "what is stored")
    })
  ),

  ...rules<ResultServices, Note["kind"]>(
    (title) => `note: ${title} lives as long as it should`,
    kinds,
    (kind) =>
      Effect.gen(function* () {
        const at = yield* desk
        const held = yield* at.hold
        const stored = Effect.map(at.read(held.id), ({ attempts, progress }) =>
          kind === "progress" ? progress : attempts[0]
        )
        yield* at.note(held, { kind, ttl: 5000 })
        yield* at.advance(4999)
        yield* equal(yield* stored, "note", "a moment before its end")
        yield* at.advance(1)
        yield* equal(yield* stored, undefined, "after it")
      })
  )
]
