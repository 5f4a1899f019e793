/** What `RawTask` finds, for each place and each kind of garbage. */
import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import * as RawTask from "@celeriac/redis/RawTask"
import { assert, describe, it } from "@effect/vitest"
import { Broker, type Delivery, type Disposition } from "celeriac/Broker"
import * as Message from "celeriac/Message"
import { ResultBackend } from "celeriac/ResultBackend"
import * as TaskRecord from "celeriac/TaskRecord"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { redisCommand } from "../src/rawTaskText.ts"
import { url } from "./context.ts"
import { type Command, commands } from "./server.ts"

let prefixes = 0

const wireOf = (id: string) =>
  Message.encode({ id, queue: "mail", task: "greet", priority: 5, payload: id, enqueuedAt: 1 })

const record = (value: unknown) =>
  TaskRecord.encode({ state: "succeeded", endedAt: 7, attempts: 1, ending: { _tag: "Success", value } })

interface Fixture {
  readonly broker: Broker["Service"]
  readonly results: ResultBackend["Service"]
  readonly command: Command
  readonly prefix: string
  readonly publish: (
    ids: ReadonlyArray<string>,
    more?: { readonly delay?: number; readonly expiresAt?: number }
  ) => Effect.Effect<void>
  readonly claim: Effect.Effect<ReadonlyArray<Delivery>>
  readonly settle: (delivery: Delivery, disposition: Disposition) => Effect.Effect<unknown>
  readonly find: (id: string) => Effect.Effect<RawTask.Answer>
  /** The one finding, whose commands show what it says. */
  readonly one: (id: string) => Effect.Effect<RawTask.Found>
}

const withServer = <A>(body: (fixture: Fixture) => Effect.Effect<A, unknown, never>) =>
  Effect.suspend(() => {
    const prefix = `raw-${++prefixes}`
    return Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* Broker
        const results = yield* ResultBackend
        const command = yield* commands(url)
        const consumer = yield* broker.consume({ worker: "worker-7", queues: ["mail"], lease: Duration.seconds(30) })
        let sequence = 0
        const find = (id: string) => Effect.orDie(RawTask.find({ id, server: { url, prefix } }))
        return yield* body({
          broker,
          results,
          command,
          prefix,
          publish: (ids, more) =>
            Effect.orDie(
              Effect.asVoid(
                broker.publish({
                  publisher: "tests",
                  sequence: (sequence += 1),
                  resend: false,
                  messages: ids.map((id) => ({ id, queue: "mail", wire: wireOf(id), checked: true, ...more }))
                })
              )
            ),
          claim: Effect.orDie(
            Effect.map(consumer.claim({ queue: "mail", count: 1, bytes: 1e6 }), ({ deliveries }) => deliveries)
          ),
          settle: (delivery, disposition) => Effect.orDie(consumer.settle([{ delivery, disposition }])),
          find,
          one: (id) =>
            Effect.gen(function* () {
              const { found } = yield* find(id)
              assert.lengthOf(found, 1)
              for (const { read } of [...found[0]!.places, ...found[0]!.traces]) {
                assert.notStrictEqual(yield* command(...(read as [string])), null, redisCommand(read))
              }
              return found[0]!
            })
        })
      })
    ).pipe(Effect.provide(CeleriacRedis.layerServer({ url, prefix })))
  })

describe("RawTask", () => {
  it.live("finds a message that waits, and how many are before it", () =>
    withServer(({ one, prefix, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a", "b", "c"])
        const found = yield* one("c")
        assert.strictEqual(found.queue, "mail")
        assert.strictEqual(found.message?.content?.payload, "c")
        assert.deepStrictEqual(found.message?.read, ["hget", `{${prefix}:mail}:messages`, "c"])
        assert.deepStrictEqual(found.places, [
          {
            _tag: "ready",
            priority: 5,
            ahead: 2,
            length: 3,
            read: ["lpos", `{${prefix}:mail}:ready:5`, "c", "maxlen", "1000"]
          }
        ])
        assert.isUndefined(found.stored)
      })
    )
  )

  it.live("says that it waits in the middle of a long list, without going through it", () =>
    withServer(({ one, publish }) =>
      Effect.gen(function* () {
        yield* publish(Array.from({ length: 2200 }, (_, at) => `m${at}`))
        const ahead = (id: string) =>
          Effect.map(one(id), ({ places: [place] }) => (place?._tag === "ready" ? [place.ahead, place.length] : place))
        assert.deepStrictEqual(yield* ahead("m999"), [999, 2200])
        assert.deepStrictEqual(yield* ahead("m1100"), [undefined, 2200])
        assert.deepStrictEqual(yield* ahead("m2199"), [2199, 2200])
      })
    )
  )

  it.live("finds a scheduled message, and when it expires", () =>
    withServer(({ one, publish }) =>
      Effect.gen(function* () {
        const expiresAt = 4_000_000_000_000
        yield* publish(["a"], { delay: 60_000, expiresAt })
        const { expires, now, places } = yield* one("a")
        assert.strictEqual(places[0]?._tag, "scheduled")
        assert.isTrue(places[0]?._tag === "scheduled" && places[0].dueAt > now && places[0].dueAt <= now + 60_000)
        assert.deepStrictEqual([expires?.at, expires?.waiting], [expiresAt, true])
      })
    )
  )

  it.live("finds who holds it, and that its holder has not heard of its end", () =>
    withServer(({ broker, claim, one, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        const [delivery] = yield* claim
        const held = yield* one("a")
        assert.lengthOf(held.places, 1)
        const [place] = held.places
        assert(place?._tag === "held")
        assert.deepStrictEqual([place.worker, place.fence, place.revoked], ["worker-7", delivery?.fence, false])
        assert.isTrue(place.leaseEnd !== undefined && place.leaseEnd > held.now)

        yield* broker.end([{ id: "a", queue: "mail", record: { value: record(1), ttl: 1000 } }], "any")
        const revoked = yield* one("a")
        assert.isUndefined(revoked.message)
        assert.isTrue(revoked.places[0]?._tag === "held" && revoked.places[0].revoked)
        assert.deepStrictEqual(
          revoked.traces.map(({ name }) => name),
          ["revoked"]
        )
      })
    )
  )

  it.live("finds the hole that a waiting message left", () =>
    withServer(({ broker, one, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        yield* broker.end([{ id: "a", queue: "mail", record: { value: record(1), ttl: 1000 } }], "any")
        const { message, places, traces } = yield* one("a")
        assert.deepStrictEqual([message, places, traces.map(({ name }) => name)], [undefined, [], ["gone"]])
      })
    )
  )

  it.live("finds one that crashed its workers", () =>
    withServer(({ command, one, prefix, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        const key = (name: string) => `{${prefix}:mail}:${name}`
        yield* command("hset", key("crashes"), "a", 2)
        yield* command("lmove", key("ready:5"), key("suspects"), "left", "right")
        const { crashes, places } = yield* one("a")
        assert.strictEqual(crashes?.count, 2)
        assert.deepStrictEqual(
          places.map(({ _tag }) => _tag),
          ["suspect"]
        )
      })
    )
  )

  it.live("finds the record of its end, and what stays of it", () =>
    withServer(({ claim, one, publish, settle }) =>
      Effect.gen(function* () {
        yield* publish(["a", "b"])
        const [first] = yield* claim
        yield* settle(first!, { _tag: "Ack", record: { value: record("ä€"), ttl: 60_000 } })
        const a = yield* one("a")
        assert(a.stored?._tag === "record")
        assert.deepStrictEqual(a.stored.record.content?.ending, { _tag: "Success", value: "ä€" })
        assert.isTrue(a.stored.expiresAt > a.now && a.stored.expiresAt <= a.now + 60_000)
        assert.deepStrictEqual(a.places, [])

        const [second] = yield* claim
        yield* settle(second!, { _tag: "Ack", record: TaskRecord.lasting(record("ä€"), 1000, 90_000) })
        const b = yield* one("b")
        assert(b.stored?._tag === "record with tombstone")
        assert.deepStrictEqual(b.stored.record.content?.ending, { _tag: "Success", value: "ä€" })
        assert.deepStrictEqual(b.stored.tombstone.content?.ending, { _tag: "Gone" })
        assert.isAbove(b.stored.tombstoneExpiresAt, b.stored.expiresAt)
      })
    )
  )

  it.live("finds the notes of a message that is tried again", () =>
    withServer(({ claim, one, publish, results, settle }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        const [delivery] = yield* claim
        const { fence } = delivery!
        const held = yield* one("a")
        assert(held.places[0]?._tag === "held")
        const { consumer } = held.places[0]
        yield* results.note([{ id: "a", queue: "mail", kind: "progress", consumer, fence, value: "50", ttl: 60_000 }])
        const note = { attempt: 1, at: 1, nextAt: 2, worker: "worker-7", ending: { _tag: "Error", error: 4 } } as const
        yield* settle(delivery!, {
          _tag: "Reschedule",
          delay: 60_000,
          to: "tail",
          ran: true,
          note: { value: TaskRecord.encodeAttempt(note), ttl: 60_000 }
        })
        const { places, stored } = yield* one("a")
        assert.strictEqual(places[0]?._tag, "scheduled")
        assert(stored?._tag === "notes")
        assert.deepStrictEqual([stored.fence, stored.progress?.value], [fence, "50"])
        assert.deepStrictEqual(
          stored.attempts.map(({ content }) => content),
          [note]
        )
      })
    )
  )

  it.live("finds a dead letter", () =>
    withServer(({ claim, one, publish, settle }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        const [delivery] = yield* claim
        yield* settle(delivery!, { _tag: "Ack", dead: "it had to end so" })
        const { deadLetter, now } = yield* one("a")
        assert.strictEqual(deadLetter?.reason, "it had to end so")
        assert.strictEqual(deadLetter?.message?.content?.payload, "a")
        assert.isAtMost(deadLetter?.diedAt ?? Infinity, now)
      })
    )
  )

  it.live("finds who watches it", () =>
    withServer(({ one, publish, results }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        yield* results.watch("client-1", [{ id: "a", queue: "mail" }], "end")
        yield* results.watch("client-2", [{ id: "a", queue: "mail" }], "changes")
        const { watchers } = yield* one("a")
        assert.sameMembers(
          watchers.map(({ changes, client }) => `${client} ${changes}`),
          ["client-1 false", "client-2 true"]
        )
      })
    )
  )

  it.live("finds a message that moves all the time in one place", () =>
    withServer(({ broker, find, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        // from hand to hand: each of the consumers comes, takes it, gives it back and goes
        const handOn = Effect.scoped(
          Effect.gen(function* () {
            const consumer = yield* broker.consume({ worker: "w", queues: ["mail"], lease: Duration.seconds(30) })
            const { deliveries } = yield* consumer.claim({ queue: "mail", count: 1, bytes: 1e6 })
            const disposition = { _tag: "Reschedule", delay: 0, to: "tail", ran: false } as const
            yield* consumer.settle(deliveries.map((delivery) => ({ delivery, disposition })))
          })
        )
        const seen = new Set<unknown>()
        const look = Effect.gen(function* () {
          for (let times = 0; times < 80 || (seen.size < 2 && times < 3000); times += 1) {
            const { found } = yield* find("a")
            assert.lengthOf(found[0]?.places ?? [], 1)
            seen.add(found[0]?.places[0]?._tag)
          }
        })
        yield* Effect.raceFirst(look, Effect.forever(handOn))
        assert.deepStrictEqual(seen, new Set(["ready", "held"]))
      })
    )
  )

  it.live("shows garbage as it is", () =>
    withServer(({ command, one, prefix, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        const key = (name: string) => `{${prefix}:mail}:${name}`
        yield* command("hset", key("messages"), "a", "garbage\u001b[31m")
        yield* command("hset", key("letters"), "a", "no JSON")
        const texts = ["x", "r123", "r0000000000007no record", "t0000000000007", "n0000000000007{", "n0000000000007[]"]
        const tags: Array<unknown> = []
        for (const text of texts) {
          yield* command("hset", key("records:=a"), "a", text)
          const { stored } = yield* one("a")
          assert.strictEqual(stored?.text, text)
          tags.push(stored?._tag === "record" ? stored.record.problem : stored?._tag)
        }
        assert.deepStrictEqual(tags, [
          "unreadable",
          "unreadable",
          'the record of the message is not readable: "no record"',
          "unreadable",
          "unreadable",
          "unreadable"
        ])
        const { deadLetter, message, places } = yield* one("a")
        assert.strictEqual(message?.text, "garbage\u001b[31m")
        assert.isUndefined(message?.content)
        assert.match(message?.problem ?? "", /does not begin with the version/)
        assert.match(deadLetter?.problem ?? "", /no JSON object/)
        assert.strictEqual(places[0]?._tag, "ready")

        // a key of another type is as good as none
        yield* command("del", key("records:=a"))
        yield* command("set", key("records:=a"), "a text")
        yield* command("set", key("suspects"), "a text")
        yield* command("del", key("ready:5"))
        const lost = yield* one("a")
        assert.deepStrictEqual([lost.stored, lost.places], [undefined, []])
      })
    )
  )

  it.live("finds nothing where nothing is, in all queues and in those that are named", () =>
    withServer(({ find, prefix, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        assert.deepStrictEqual(yield* find("b"), { queues: ["mail"], found: [] })
        const other = yield* RawTask.find({ id: "a", queues: ["reports"], server: { url, prefix } })
        assert.deepStrictEqual(other, { queues: ["reports"], found: [] })
        const wrong = yield* Effect.flip(RawTask.find({ id: "a", queues: ["{}"], server: { url, prefix } }))
        assert.strictEqual(wrong.reason, "InvalidOption")
      })
    )
  )

  it.live("only reads, and searches no keys", () =>
    withServer(({ command, prefix, publish }) =>
      Effect.gen(function* () {
        yield* publish(["a"])
        // a user that may do nothing else
        yield* command(
          "acl",
          "setuser",
          "reader",
          "reset",
          "on",
          ">pw",
          "~*",
          "+@read",
          "-keys",
          "-scan",
          "-@dangerous"
        )
        yield* command("acl", "setuser", "reader", "+@connection", "+multi", "+exec", "+time", "+info")
        const server = { url, prefix, username: "reader", password: "pw" }
        const { found } = yield* RawTask.find({ id: "a", server })
        assert.strictEqual(found[0]?.places[0]?._tag, "ready")

        yield* command("acl", "setuser", "reader", "-hget")
        const refused = yield* Effect.flip(RawTask.find({ id: "a", server }))
        assert.strictEqual(refused.reason, "NotAllowed")
        yield* command("acl", "deluser", "reader")
      })
    )
  )
})
