/** What this driver promises beyond the contracts, or what they show too rarely: each story dies with what it expected. */
import { strict as assert } from "node:assert"
import { type Consumer, type Delivery, revokeChannel, Unavailable, wakeChannel } from "celeriac/Broker"
import { type Interest, replyChannel } from "celeriac/ResultBackend"
import { ackWith, leaving, release, wireOf } from "celeriac/testing/conformance/Bench"
import { type Desk, desk } from "celeriac/testing/conformance/Desk"
import { listen } from "celeriac/testing/conformance/listening"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Inside, type Services } from "./services.ts"

/** An effect that fails dies of it: the message of the assertion is what is shown. */
type Story = Effect.Effect<void, unknown, Services | Scope.Scope>

const story = (steps: () => Effect.fn.Return<void, unknown, Services | Scope.Scope>): Story =>
  Effect.fnUntraced(steps)()

/** A bench, its keys, and the plain commands of the server. */
const insight = Effect.gen(function* () {
  const at = yield* desk
  const { divert, keysOf, redis } = yield* Inside
  const keys = keysOf(at.queue)
  const key = (part: string) => keys.held("").slice(0, -"held:".length) + part
  const look = <A>(question: () => Promise<A>) => Effect.promise(question)
  /** Does something before the nth command of this step. Answers how to ask how many there were. */
  const before = Effect.fnUntraced(function* (
    step: string,
    nth: number,
    act: Effect.Effect<unknown, unknown, Scope.Scope>
  ) {
    const scope = yield* Effect.scope
    let count = 0
    divert((call, execute) =>
      call.step === step && ++count === nth ? Effect.andThen(Effect.orDie(Scope.provide(act, scope)), execute) : execute
    )
    return () => count
  })
  return { at, before, divert, keys, key, look, redis }
})

const dead = (reason: string) => ({ _tag: "Ack", dead: reason }) as const

/** As `consumer.ts` has it. */
const mostDeadBytes = 64 * 1024 * 1024
const mostDead = 10_000

const megabyte = 1024 * 1024

const bytesOf = ({ key, look, redis }: Effect.Success<typeof insight>) =>
  look(async () => {
    const { " bytes": bytes, " dropped": dropped, ...letters } = await redis.hgetall(key("letters"))
    const sum = Object.values(letters)
      // as `settle.lua` wrote it
      .map((text) => (JSON.parse(text) as { readonly wire: string }).wire.length)
      .reduce((all, one) => all + one, 0)
    return { ids: Object.keys(letters).toSorted(), bytes: Number(bytes), sum, dropped: Number(dropped ?? 0) }
  })

/** A record comes. */
const toldOf = (
  end: (
    at: Desk,
    consumer: Consumer,
    held: ReadonlyArray<Delivery>
  ) => Effect.Effect<unknown, unknown, Services | Scope.Scope>,
  owner?: "the owner too"
): Story =>
  story(function* () {
    const { at } = yield* insight
    const consumer = yield* at.consumer()
    const [id] = yield* at.add(1)
    const held = yield* at.take(consumer)
    const client = yield* listen(replyChannel("client"))
    const revokes = yield* listen(revokeChannel(consumer.id))
    yield* at.results.watch("client", [at.address(id!)], "end")
    yield* end(at, consumer, held)
    const push = JSON.stringify([id, at.queue])
    assert.deepEqual(yield* client.heard, [push])
    assert.deepEqual(yield* revokes.heard, owner === undefined ? [] : [push])
  })

/** Messages that have killed two consumers, in the order in which they are claimed. */
const makeSuspects = Effect.fnUntraced(function* (at: Desk, count: number) {
  const ids = yield* at.add(count)
  const peer = yield* at.consumer()
  for (const _ of [1, 2]) {
    const owner = yield* at.consumer()
    yield* at.take(owner, count)
    yield* at.crash(owner, peer)
  }
  return ids
})

export const directed = {
  // --- more than one part ----------------------------------------------------------------------------------------------

  "many are ended in parts, while a consumer comes": story(function* () {
    const { at, before } = yield* insight
    const ids = yield* at.add(2500)
    const first = yield* at.consumer()
    yield* at.take(first, 3)
    const second = Effect.flatMap(at.consumer(), (consumer) => at.take(consumer, 2))
    const parts = yield* before("end", 2, second)
    const asked = [...ids.slice(0, 1500), "nobody's", ...ids.slice(1500)]
    const replies = yield* at.end(asked, { meant: "waiting", record: "over" })
    assert.equal(parts(), 4, "the second part is asked for again")
    // the first three are held from the beginning, and the next two by the one who came when the first part was over
    const held = new Set([...ids.slice(0, 3), ...ids.slice(1000, 1002)])
    assert.deepEqual(
      replies,
      asked.map((id) => (id === "nobody's" ? "absent" : held.has(id) ? "spared" : "ended"))
    )
    yield* at.hasCounts({ active: 5 }, "what is left")
  }),

  "many are found in parts, while a consumer comes": story(function* () {
    const { at, before } = yield* insight
    const ids = yield* at.add(2500)
    const later = yield* at.add([{ delay: 5000 }])
    const first = yield* at.consumer()
    yield* at.take(first, 3)
    const second = Effect.flatMap(at.consumer(), (consumer) => at.take(consumer, 1500))
    const parts = yield* before("locate", 2, second)
    const asked = [...ids, ...later, "nobody's"]
    const found = yield* at.broker.locate(asked.map(at.address))
    assert.equal(parts(), 4, "the second part is asked for again")
    assert.deepEqual(
      found.map((one) => one && [one.id, one.place]),
      asked.map((id, index) => {
        // the first part was answered before the second consumer took any
        if (index < 1000) return [id, index < 3 ? "active" : "queued"]
        if (index < 2500) return [id, index < 1503 ? "active" : "queued"]
        return index === 2500 ? [id, "scheduled"] : undefined
      })
    )
  }),

  "another consumer in place of one that was known": story(function* () {
    const { at, before } = yield* insight
    const [id] = yield* at.add(1)
    const { leave, within } = yield* leaving
    yield* within(at.consumer())
    const other = Effect.flatMap(at.consumer(), (consumer) => at.take(consumer))
    // as many as before, but not the same
    yield* before("end", 1, Effect.andThen(leave, other))
    assert.deepEqual(yield* at.end([id!], { meant: "waiting" }), ["spared"])
  }),

  // --- publishing ------------------------------------------------------------------------------------------------------

  "a late first copy does nothing": story(function* () {
    const { at } = yield* insight
    const { publish } = yield* at.publisher
    const [early, later] = yield* at.ids(2)
    yield* publish([{ id: later! }], { sequence: 2 })
    // whoever has not sent it before may send it again, and then its ids are looked up
    const refused = yield* Effect.flip(publish([{ id: early! }], { sequence: 1 }))
    assert.equal(refused.reason._tag === "Unavailable" && refused.reason.accepted, "no")
    assert.equal(yield* at.place(early!), undefined)
    assert.deepEqual(yield* publish([{ id: early! }], { sequence: 1, resend: true }), ["accepted"])
  }),

  "a batch whose answer is forgotten is looked up": story(function* () {
    const { at, key, look, redis } = yield* insight
    const { publish } = yield* at.publisher
    const [id] = yield* at.ids(1)
    const batch = [{ id: id! }, { id: "own", checked: true }]
    assert.deepEqual(yield* publish(batch, { sequence: 1 }), ["accepted", "accepted"])
    for (let other = 2; other <= 20; other++) yield* publish([{}], { sequence: other })
    // its own first send is no duplicate; whose the other one is nobody knows
    assert.deepEqual(yield* publish(batch, { sequence: 1, resend: true }), ["accepted", "duplicate"])
    const publishers = yield* look(() => redis.keys(key("publisher:*")))
    assert.equal(publishers.length, 1)
    // and the last number
    assert.equal(yield* look(() => redis.hlen(publishers[0]!)), 17, "answers that are remembered")
    yield* at.hasCounts({ queued: 21 }, "each stands there once")
  }),

  "an id twice in a batch is one message": story(function* () {
    const { at } = yield* insight
    const [id] = yield* at.ids(1)
    const { publish } = yield* at.publisher
    assert.deepEqual(yield* publish([{ id: id! }, { id: id! }]), ["accepted", "duplicate"])
    assert.equal((yield* at.take(yield* at.consumer(), 10)).length, 1)
  }),

  "the id of what is held though revoked is taken, however it comes": story(function* () {
    const { at } = yield* insight
    const consumer = yield* at.consumer()
    const { publish } = yield* at.publisher
    const [generated] = yield* at.ids(1)
    yield* at.add([{ id: "own", checked: true }, { id: generated! }])
    const held = yield* at.take(consumer, 2)
    yield* at.end(["own", generated!])
    assert.deepEqual(yield* publish([{ id: generated! }, { id: "own", checked: true }]), ["duplicate", "duplicate"])
    assert.deepEqual(yield* at.settle(consumer, held), ["refused", "refused"])
    assert.deepEqual(yield* publish([{ id: generated! }, { id: "own", checked: true }]), ["accepted", "accepted"])
  }),

  "an id that left a hole stands in one place": story(function* () {
    const { at, key, look, redis } = yield* insight
    yield* at.add([
      { id: "own", checked: true },
      { id: "behind", checked: true }
    ])
    yield* at.end(["own"])
    assert.equal(yield* look(() => redis.scard(key("gone"))), 1)
    assert.equal(yield* at.isFree("own"), true)
    assert.equal(yield* look(() => redis.scard(key("gone"))), 0)
    assert.deepEqual(
      (yield* at.take(yield* at.consumer(), 10)).map(({ id }) => id),
      ["behind", "own"]
    )
  }),

  // --- dead letters ----------------------------------------------------------------------------------------------------

  "an id that dies twice is one letter, and its bytes count once": story(function* () {
    const inside = yield* insight
    const { at, keys, look, redis } = inside
    const consumer = yield* at.consumer()
    // an earlier letter leaves room for one of two megabytes, and not for two
    const earlier = { wire: wireOf(5, "x".repeat(mostDeadBytes - 3 * megabyte)), reason: "poison", at: 1 }
    yield* look(async () => {
      await redis.zadd(keys.dead, "1", "earlier")
      await redis.hset(keys.letters, "earlier", JSON.stringify(earlier), " bytes", String(earlier.wire.length))
    })
    const die = Effect.fnUntraced(function* (id: string) {
      yield* at.add([{ id, checked: true, wire: wireOf(5, "y".repeat(2 * megabyte)) }])
      yield* at.settle(consumer, yield* at.take(consumer), dead("poison"))
      return yield* bytesOf(inside)
    })
    yield* die("own")
    const again = yield* die("own")
    assert.deepEqual(again.ids, ["earlier", "own"], "there is room for both")
    assert.deepEqual([again.bytes, again.dropped], [again.sum, 0])
    const full = yield* die("other")
    assert.deepEqual(full.ids, ["other", "own"], "the oldest one went")
    assert.deepEqual([full.bytes, full.dropped], [full.sum, 1])
    assert.equal((yield* at.broker.counts(at.queue)).deadDropped, 1)
  }),

  "the newest letter stays, however large it is": story(function* () {
    const inside = yield* insight
    const { at, keys, look, redis } = inside
    const consumer = yield* at.consumer()
    const [, newest] = yield* at.add(2)
    yield* at.settle(consumer, yield* at.take(consumer), dead("poison"))
    // as if it were
    yield* look(() => redis.hset(keys.letters, " bytes", String(2 * mostDeadBytes)))
    yield* at.settle(consumer, yield* at.take(consumer), dead("poison"))
    const { dropped, ids } = yield* bytesOf(inside)
    assert.deepEqual([ids, dropped], [[newest], 1])
  }),

  "there are so many letters and no more": story(function* () {
    const inside = yield* insight
    const { at, key, look, redis } = inside
    const earlier = Array.from({ length: mostDead }, (_, index) => [String(index), `earlier ${index}`]).flat()
    yield* look(() => redis.zadd(key("dead"), ...earlier))
    const consumer = yield* at.consumer()
    const ids = yield* at.add(2)
    yield* at.settle(consumer, yield* at.take(consumer, 2), dead("poison"))
    assert.equal(yield* look(() => redis.zcard(key("dead"))), mostDead)
    assert.equal(yield* look(() => redis.zscore(key("dead"), "earlier 1")), null, "the oldest ones went")
    assert.deepEqual((yield* bytesOf(inside)).ids, ids.toSorted())
    assert.equal((yield* bytesOf(inside)).dropped, 2)
  }),

  "letters and messages that have vanished hold nobody up": story(function* () {
    const inside = yield* insight
    const { at, key, keys, look, redis } = inside
    const consumer = yield* at.consumer()
    const [whole, gone, garbled, last] = yield* at.add(4)
    const held = yield* at.take(consumer, 4)
    yield* look(() => redis.hdel(key("messages"), gone!))
    const settled = yield* at.settle(consumer, held.slice(0, 3), dead("poison"))
    assert.deepEqual(settled, ["settled", "settled", "settled"])
    assert.equal((yield* bytesOf(inside)).bytes, (yield* bytesOf(inside)).sum)
    yield* look(() => redis.hset(keys.letters, garbled!, "{"))
    const shown = yield* at.broker.deadLetters(at.queue, { limit: 10 })
    assert.deepEqual(
      shown.filter(({ id }) => id === garbled).map(({ reason, wire }) => [reason, wire]),
      [["its letter cannot be read", "{"]]
    )
    // an id without a letter is the oldest when there are too many bytes
    yield* look(async () => {
      await redis.hdel(keys.letters, whole!)
      await redis.hset(keys.letters, " bytes", String(2 * mostDeadBytes))
    })
    assert.deepEqual(yield* at.settle(consumer, held.slice(3), dead("poison")), ["settled"])
    assert.deepEqual((yield* bytesOf(inside)).ids, [last], "all others went, as far as there was anything")
    assert.deepEqual(
      (yield* at.broker.deadLetters(at.queue, { limit: 10 })).map(({ id }) => id),
      [last]
    )
  }),

  // --- who watches -----------------------------------------------------------------------------------------------------

  "registrations end one by one": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const shelves = keys.queue.slice(13, 16)
    const ends = new Map<string, number>()
    /** The server's own clock does not follow that of the test: what it would remove is removed by hand. */
    const pass = Effect.fnUntraced(function* (millis: number) {
      yield* at.advance(millis)
      const now = yield* at.now
      for (const [shelf, end] of ends) {
        if (end > now) continue
        ends.delete(shelf)
        yield* look(() => redis.del(shelf))
      }
    })
    const [id] = yield* at.add(1)
    const watch = Effect.fnUntraced(function* (client: string) {
      yield* at.results.watch(client, [at.address(id!)], "end")
      const now = yield* at.now
      for (const shelf of shelves) {
        const left = yield* look(() => redis.pttl(shelf))
        if (left === -2) continue
        assert(left > 0 && left <= 120_000, `a registration goes after two minutes at the latest, not in ${left} ms`)
        // new: its whole time is left, but for what the test itself took
        if (!ends.has(shelf)) assert(left > 110_000, `a registration lasts for more than ${left} ms`)
        if (!ends.has(shelf)) ends.set(shelf, now + 120_000)
      }
    })
    const ears = {
      early: yield* listen(replyChannel("early")),
      late: yield* listen(replyChannel("late")),
      steady: yield* listen(replyChannel("steady"))
    }
    yield* watch("early")
    yield* watch("steady")
    for (let minute = 1; minute <= 4; minute++) {
      yield* pass(60_000)
      yield* watch("steady")
    }
    yield* pass(30_000)
    yield* watch("late")
    // two hashes know who asked every minute
    yield* pass(29_000)
    yield* at.commit(id!, "over")
    assert.deepEqual(yield* ears.early.heard, [], "who asked five minutes ago")
    assert.deepEqual(yield* ears.late.heard, [JSON.stringify([id, at.queue])], "who asked half a minute ago")
    assert.deepEqual(yield* ears.steady.heard, [JSON.stringify([id, at.queue])], "who asked every minute, told once")
    for (const shelf of shelves) assert.equal(yield* look(() => redis.hexists(shelf, id!)), 0, "nobody waits any more")
  }),

  "who asks again stands there once, and prolongs nothing": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const [shelf] = yield* Effect.map(at.now, (now) => [keys.queue[13 + (Math.floor(now / 60_000) % 3)]!] as const)
    const [id] = yield* at.add(1)
    const watch = at.results.watch("client", [at.address(id!)], "end")
    yield* watch
    yield* look(() => redis.pexpire(shelf, 30_000))
    yield* watch
    assert.equal(yield* look(() => redis.hget(shelf, id!)), "client")
    const left = yield* look(() => redis.pttl(shelf))
    assert(left > 0 && left <= 30_000, `left are ${left} ms`)
  }),

  "a registration lasts for a minute, also in a hash that others began": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const [id] = yield* at.add(1)
    const [early, late] = [yield* listen(replyChannel("early")), yield* listen(replyChannel("late"))]
    const watch = (client: string) => at.results.watch(client, [at.address(id!)], "end")
    const standing = look(async () => {
      const found = await Promise.all(keys.queue.slice(13, 16).map(async (shelf) => [shelf, await redis.exists(shelf)]))
      return found.flatMap(([shelf, is]) => (is === 1 ? [String(shelf)] : []))
    })
    // the beginning of a minute
    yield* at.advance(60_000 - ((yield* at.now) % 60_000))
    yield* watch("early")
    const begun = yield* standing
    yield* at.advance(90_000)
    yield* watch("late")
    // two minutes after the first hash began its time is over
    yield* at.advance(40_000)
    yield* look(() => redis.del(...begun))
    yield* at.commit(id!, "over")
    assert.deepEqual(yield* early.heard, [])
    assert.deepEqual(yield* late.heard, [JSON.stringify([id, at.queue])])
  }),

  "who asks for the end and for every change, in any order, is told of changes": story(function* () {
    const { at } = yield* insight
    const held = yield* at.hold
    const ears = yield* Effect.forEach(["one", "other"], (client) => listen(replyChannel(client)))
    const watch = (client: string, interest: Interest) => at.results.watch(client, [at.address(held.id)], interest)
    yield* watch("one", "end")
    yield* watch("one", "changes")
    yield* watch("other", "changes")
    yield* watch("other", "end")
    const push = JSON.stringify([held.id, at.queue])
    // twice: nobody is forgotten at the first
    for (const value of ["half", "more"]) {
      yield* at.note(held, { value })
      for (const ear of ears) assert.deepEqual(yield* ear.heard, [push])
    }
    yield* at.results.unwatch("one", [at.address(held.id)])
    yield* at.note(held, { value: "nearly all" })
    assert.deepEqual(yield* Effect.forEach(ears, (ear) => ear.heard), [[], [push]])
  }),

  "who watches is told of a settle": toldOf((at, consumer, held) => at.settle(consumer, held, ackWith("over"))),

  "who watches is told of a commit": toldOf((at, _consumer, [delivery]) => at.commit(delivery!.id, "over")),

  "who watches is told of a revoke, and so is the owner": toldOf(
    (at, _consumer, [delivery]) => at.end([delivery!.id], { record: "over" }),
    "the owner too"
  ),

  // --- who is told of work ---------------------------------------------------------------------------------------------

  "who waits longest is told first, unless nobody hears it": story(function* () {
    const { at } = yield* insight
    // without a subscription
    yield* at.claim(yield* at.consumer())
    const second = yield* at.idle()
    const third = yield* at.idle()
    yield* at.add(1)
    assert.equal((yield* second.wakes.heard).length, 1, "the first that hears it")
    assert.equal((yield* third.wakes.heard).length, 0, "the next")
  }),

  "who comes for what is due by itself and is full then is told of nothing": story(function* () {
    const { at } = yield* insight
    yield* at.add([{ delay: 1000 }])
    const one = yield* at.idle()
    yield* at.advance(1000)
    assert.equal((yield* at.take(one.consumer)).length, 1)
    yield* at.add(1)
    assert.deepEqual(yield* one.wakes.heard, [])
  }),

  "an alarm that nobody comes for passes to who asks": story(function* () {
    const { at } = yield* insight
    const [first, second] = [yield* at.consumer(), yield* at.consumer()]
    yield* at.add([{ delay: 1000 }, { delay: 100_000 }])
    assert.equal((yield* at.claim(first)).dueIn, 1000)
    yield* at.advance(1501)
    yield* at.take(second)
    assert.equal((yield* at.claim(second)).dueIn, 98_499)
  }),

  "an alarm ends with the last due message": story(function* () {
    const { at } = yield* insight
    const one = yield* at.idle()
    yield* at.add([{ delay: 1000 }])
    yield* one.wakes.heard
    assert.equal((yield* at.claim(one.consumer, 2)).dueIn, 1000)
    yield* at.advance(1000)
    assert.equal((yield* at.claim(one.consumer, 2)).deliveries.length, 1)
    yield* at.add([{ delay: 100 }])
    assert.equal((yield* one.wakes.heard).length, 1, "nobody watches this one")
  }),

  "who leaves takes no alarm but its own": story(function* () {
    const { at } = yield* insight
    yield* at.add([{ delay: 50_000 }])
    const watcher = yield* at.consumer()
    assert.equal((yield* at.claim(watcher)).dueIn, 50_000)
    const { leave, within } = yield* leaving
    yield* at.claim(yield* within(at.consumer()))
    const other = yield* at.idle()
    yield* leave
    assert.deepEqual(yield* other.wakes.heard, [])
    assert.equal((yield* at.claim(other.consumer)).dueIn, undefined)
  }),

  "who is told of a suspect leaves the next due time to another": story(function* () {
    const { at } = yield* insight
    yield* makeSuspects(at, 1)
    const { leave, within } = yield* leaving
    assert.equal((yield* at.claim(yield* within(at.consumer()))).suspect, true)
    const watcher = yield* at.consumer()
    yield* at.add([{ delay: 1000 }, { delay: 100_000 }])
    assert.equal((yield* at.claim(watcher)).dueIn, 1000)
    const [first, second] = [yield* at.idle(), yield* at.idle()]
    yield* leave
    assert.deepEqual([(yield* first.wakes.heard).length, (yield* second.wakes.heard).length], [1, 0], "of the suspect")
    // nobody came for the due message
    yield* at.advance(1501)
    assert.equal((yield* at.claim(yield* at.consumer(), 5)).suspect, true)
    assert.equal((yield* second.wakes.heard).length, 1, "of the next due time")
  }),

  "who is busy watches no due time": story(function* () {
    const { at } = yield* insight
    yield* at.add([{}, {}, { delay: 1000 }])
    assert.equal((yield* at.claim(yield* at.consumer())).dueIn, undefined)
  }),

  // --- what is given back ----------------------------------------------------------------------------------------------

  "recovery goes in parts": story(function* () {
    const { at } = yield* insight
    const ids = yield* at.add(1100)
    const [owner, peer] = [yield* at.consumer(), yield* at.consumer()]
    yield* at.take(owner, 1100)
    yield* at.advance(20_000)
    const suspect = yield* at.suspectOf(owner, peer)
    yield* at.advance(suspect.endsIn)
    const parts = [yield* peer.recover(suspect), yield* peer.recover(suspect), yield* peer.recover(suspect)]
    assert.deepEqual(
      parts.map(({ more, moved }) => [moved, more]),
      [
        [500, true],
        [500, true],
        [100, false]
      ]
    )
    assert.deepEqual(
      (yield* at.take(peer, 1100)).map(({ id }) => id),
      ids
    )
  }),

  "what a dead consumer held can expire again": story(function* () {
    const { at } = yield* insight
    const now = yield* at.now
    const [id] = yield* at.add([{ expiresAt: now + 60_000 }])
    const [owner, peer] = [yield* at.consumer(), yield* at.consumer()]
    yield* at.take(owner)
    yield* at.crash(owner, peer)
    yield* at.advance(60_000)
    const { messages } = yield* at.broker.overdue({ count: 10, bytes: 1000 })
    assert.deepEqual(
      messages.map((one) => one.id),
      [id]
    )
  }),

  "what is left behind comes in the order of the claims, not of the ids": story(function* () {
    const { at } = yield* insight
    const { leave, within } = yield* leaving
    const owner = yield* within(at.consumer())
    for (const id of ["c", "a", "b"]) {
      yield* at.add([{ id, checked: true }])
      yield* at.take(owner)
    }
    yield* leave
    assert.deepEqual(yield* at.takeAll(yield* at.consumer()), ["c", "a", "b"])
  }),

  "who leaves has not run what it was given without knowing, though it knew of it before": story(function* () {
    const { at, divert } = yield* insight
    const { leave, within } = yield* leaving
    const owner = yield* within(at.consumer())
    yield* at.add(1)
    const held = yield* at.take(owner)
    // neither reply comes back: that of the release, and that of the claim which brings it again
    divert((call, execute) =>
      call.step === "settle" || call.step === "claim"
        ? Effect.andThen(execute, Effect.fail(new Unavailable({ accepted: "maybe", detail: "lost" })))
        : execute
    )
    yield* Effect.flip(at.settle(owner, held, release))
    yield* Effect.flip(at.take(owner))
    divert(undefined)
    yield* leave
    assert.deepEqual(
      (yield* at.take(yield* at.consumer())).map(({ crashes }) => crashes),
      [0]
    )
  }),

  // --- suspects --------------------------------------------------------------------------------------------------------

  "an idle one is told of a suspect, and no second one": story(function* () {
    const { at } = yield* insight
    yield* makeSuspects(at, 1)
    const peer = yield* at.consumer()
    const reserved = yield* at.claim(peer)
    assert.equal(reserved.suspect, true)
    const idle = [yield* at.idle(), yield* at.idle(), yield* at.idle()]
    const told = Effect.map(
      Effect.forEach(idle, ({ wakes }) => wakes.heard),
      (heard) => heard.flat().length
    )
    yield* at.add(1)
    assert.equal(yield* told, 1, "of the message, and of nothing else")
    assert.equal((yield* at.claim(peer)).suspect, true, "it is told again as long as it does not come")
    // it cannot: somebody else is told
    yield* at.claim(peer, 0, { alone: true })
    assert.equal(yield* told, 1, "of the suspect")
  }),

  "a reservation ends with the lease of who was told, and with nothing sooner": story(function* () {
    const { at } = yield* insight
    yield* makeSuspects(at, 1)
    const [first, second] = [yield* at.consumer(), yield* at.consumer()]
    assert.equal((yield* at.claim(first)).suspect, true)
    yield* at.claim(second, 0, { alone: true })
    assert.equal((yield* at.claim(second)).suspect, false, "a stranger gives nothing back")
    yield* at.advance(29_999)
    assert.equal((yield* at.claim(second)).suspect, false)
    yield* at.advance(1)
    assert.equal((yield* at.claim(second)).suspect, true)
  }),

  "a reservation ends when who was told has come": story(function* () {
    const { at } = yield* insight
    yield* makeSuspects(at, 2)
    const [first, second] = [yield* at.consumer(), yield* at.consumer()]
    assert.equal((yield* at.claim(first)).suspect, true)
    assert.equal((yield* at.claim(second)).suspect, false)
    assert.equal((yield* at.claim(first, 1, { alone: true })).deliveries.length, 1)
    assert.equal((yield* at.claim(second)).suspect, true, "the other one is free")
  }),

  "a recovery that was begun is brought to its end by another one": story(function* () {
    const { at } = yield* insight
    const ids = yield* at.add(700)
    const [dead, first, second] = [yield* at.consumer(), yield* at.consumer(), yield* at.consumer()]
    yield* at.take(dead, ids.length)
    yield* at.advance(30_000)
    const suspect = yield* at.suspectOf(dead, first)
    const { more, moved } = yield* first.recover(suspect)
    assert(more && moved < ids.length, `${moved} at once`)
    // the first one is no more
    const again = yield* at.suspectOf(dead, second)
    assert.equal((yield* second.recover(again)).moved, ids.length - moved)
    assert.equal((yield* at.take(second, 1000)).length, ids.length)
  }),

  "what was taken out before a list of another type is in the consumer's hands": story(function* () {
    const { at, key, look, redis } = yield* insight
    const [id] = yield* at.add([{ wire: wireOf(5) }])
    yield* look(() => redis.set(key("ready:3"), "a text"))
    const consumer = yield* at.consumer()
    yield* Effect.flip(at.claim(consumer, 10))
    const { found } = yield* consumer.reconcile([])
    assert.deepEqual(
      found.map((delivery) => delivery.id),
      [id]
    )
  }),

  "nothing is accepted while a key that it needs is of another type": story(function* () {
    const { at, key, look, redis } = yield* insight
    const { publish } = yield* at.publisher
    const own = { id: "own", checked: true, wire: wireOf(5) }
    for (const [name, message] of [
      ["ready:5", own],
      ["scheduled", { ...own, delay: 1000 }],
      ["expires", { ...own, expiresAt: 9e12 }],
      ["expiring", { ...own, expiresAt: 9e12 }]
    ] as const) {
      yield* look(() => redis.set(key(name), "a text"))
      yield* Effect.flip(publish([message]))
      assert.equal(yield* look(() => redis.hlen(key("messages"))), 0, name)
      yield* look(() => redis.del(key(name)))
    }
    assert.deepEqual(yield* publish([own]), ["accepted"])
  }),

  "a result whose place is taken by something else holds no other up": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const consumer = yield* at.consumer()
    yield* at.add([{ id: "bad", checked: true }])
    const held = yield* at.take(consumer, 1)
    yield* look(() => redis.set(keys.bucket("bad"), "a text"))
    const exit = yield* Effect.exit(at.settle(consumer, held, { _tag: "Ack", record: { value: "over", ttl: 1000 } }))
    assert(Exit.hasDies(exit), "a defect of the driver: a worker tries each alone then")
  }),

  "suspects come one at a time": story(function* () {
    const { at, key, look, redis } = yield* insight
    const [first, second] = yield* makeSuspects(at, 2)
    yield* look(() => redis.lpush(key("suspects"), "ghost"))
    const consumer = yield* at.consumer()
    const alone = Effect.map(at.claim(consumer, 1, { alone: true }), ({ deliveries }) => deliveries.map(({ id }) => id))
    assert.deepEqual(
      [...(yield* alone), "then", ...(yield* alone), "then", ...(yield* alone)],
      [first, "then", second, "then"]
    )
  }),

  "who was told of work and claims a suspect passes the work on": story(function* () {
    const { at } = yield* insight
    const [told, other] = [yield* at.idle(), yield* at.idle()]
    yield* at.add(1)
    assert.deepEqual([(yield* told.wakes.heard).length, (yield* other.wakes.heard).length], [1, 0])
    yield* at.claim(told.consumer, 1, { alone: true })
    assert.equal((yield* other.wakes.heard).length, 1)
  }),

  // --- how long records stand ------------------------------------------------------------------------------------------

  "a bucket lives as long as its longest record": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const consumer = yield* at.consumer()
    // of one bucket
    const ids = yield* at.ids(8)
    const bucket = keys.bucket(ids[0]!)
    assert(ids.every((id) => keys.bucket(id) === bucket))
    const left = look(() => redis.pttl(bucket))
    const lasts = (millis: number, what: string) =>
      Effect.map(left, (found) => assert(found > millis - 20_000 && found <= millis, `${what}: ${found} ms are left`))
    const record = (time: number, tombstone?: number) => ({
      value: "over",
      ttl: time,
      ...(tombstone !== undefined && { tombstone: { value: "was", ttl: tombstone } })
    })
    yield* at.add(ids.map((id) => ({ id })))
    const held = yield* at.take(consumer, ids.length)
    const settle = (first: number, records: ReadonlyArray<ReturnType<typeof record>>) =>
      consumer.settle(
        records.map((one, index) => ({ delivery: held[first + index]!, disposition: { _tag: "Ack", record: one } }))
      )
    yield* settle(0, [record(100_000), record(60_000)])
    yield* lasts(100_000, "the longer of two in one settle")
    yield* at.results.commit([{ ...at.address(ids[2]!), ...record(30_000) }])
    yield* lasts(100_000, "a shorter one shortens nothing")
    yield* at.results.commit([{ ...at.address(ids[3]!), ...record(200_000) }])
    yield* lasts(200_000, "a longer one prolongs it")
    yield* at.results.commit([{ ...at.address(ids[4]!), ...record(1000, 300_000) }])
    yield* lasts(300_000, "a tombstone outlasts its record")
    yield* at.results.forget([at.address(ids[4]!)], record(400_000))
    yield* lasts(400_000, "the tombstone of what is forgotten")
    const note = { kind: "progress", consumer: consumer.id, fence: held[5]!.fence, value: "half" } as const
    yield* at.results.note([{ ...at.address(ids[5]!), ...note, ttl: 500_000 }])
    yield* lasts(500_000, "a note")
    yield* at.broker.end([{ ...at.address(ids[6]!), record: record(600_000) }], "any")
    yield* lasts(600_000, "an end from outside")
  }),

  "a later note with a shorter life does not shorten that of the first": story(function* () {
    const { at } = yield* insight
    const held = yield* at.hold
    yield* at.note(held, { kind: "attempt", value: "first", ttl: 60_000 })
    yield* at.note(held, { kind: "progress", value: "half", ttl: 1000 })
    yield* at.advance(2000)
    assert.deepEqual(yield* at.read(held.id), { record: undefined, progress: undefined, attempts: ["first"] })
  }),

  "each attempt has a life of its own": story(function* () {
    const { at } = yield* insight
    const held = yield* at.hold
    yield* at.note(held, { kind: "attempt", value: "short", ttl: 1000 })
    yield* at.note(held, { kind: "attempt", value: "long", ttl: 60_000 })
    yield* at.advance(1000)
    assert.deepEqual((yield* at.read(held.id)).attempts, ["long"])
  }),

  "who follows a message is told when it is given back": story(function* () {
    const { at } = yield* insight
    yield* at.add(1)
    const consumer = yield* at.consumer()
    const held = yield* at.take(consumer)
    const ear = yield* listen(replyChannel("client"))
    yield* at.results.watch("client", [at.address(held[0]!.id)], "changes")
    yield* at.settle(consumer, held, release)
    assert.deepEqual(yield* ear.heard, [JSON.stringify([held[0]!.id, at.queue])])
  }),

  // --- leases ----------------------------------------------------------------------------------------------------------

  "the clock goes back: leases are cut to their lengths, each to its own, and none is extended": story(function* () {
    const { at, keys, look, redis } = yield* insight
    const owner = yield* at.consumer({ lease: Duration.seconds(60) })
    const peer = yield* at.consumer({ lease: Duration.seconds(10) })
    const end = look(async () => Number(await redis.zscore(keys.consumers, owner.id)))
    const seen = yield* end
    yield* at.advance(5000)
    yield* peer.renew
    assert.equal(yield* end, seen, "all is well")
    yield* at.advance(-3_600_000)
    yield* peer.renew
    assert.equal(yield* end, (yield* at.now) + 60_000)
  }),

  "a second registration extends the lease": story(function* () {
    const { at, divert, keys, look, redis } = yield* insight
    divert((call, execute) =>
      call.step === "register" ? Effect.andThen(Effect.andThen(execute, at.advance(10_000)), execute) : execute
    )
    const { id } = yield* at.consumer()
    assert.equal(Number(yield* look(() => redis.zscore(keys.consumers, id))), (yield* at.now) + 30_000)
  }),

  "a recovery that has begun cannot be undone": story(function* () {
    const { at, divert } = yield* insight
    let late: Effect.Effect<unknown, unknown> = Effect.void
    divert((call, execute) => {
      if (call.step === "register") late = execute
      return execute
    })
    const owner = yield* at.consumer()
    divert(undefined)
    const registerAgain = late
    const ids = yield* at.add(501)
    const ear = yield* listen(wakeChannel(owner.id))
    const held = yield* at.take(owner, 600)
    const peer = yield* at.consumer()
    yield* at.advance(20_000)
    const suspect = yield* at.suspectOf(owner, peer)
    yield* at.advance(suspect.endsIn)
    const waiting = yield* at.idle()
    assert.deepEqual(yield* peer.recover(suspect), { moved: 500, more: true })
    assert.deepEqual(yield* ear.heard, [], "it is told of nothing, although it was idle")
    assert.equal((yield* waiting.wakes.heard).length, 1)
    yield* registerAgain
    // the lowest is left
    const last = held.filter(({ id }) => id === ids[0])
    yield* at.refuses(owner, last, release)
    yield* at.refuses(owner, last)
    assert.equal((yield* at.take(peer, 600)).length, 500)
    const idle = yield* at.idle()
    const { found, lost } = yield* owner.reconcile(held)
    assert.deepEqual([found.length, lost.length], [0, 501])
    assert.equal((yield* idle.wakes.heard).length, 1, "of the one that came back by it")
    assert.deepEqual(
      (yield* at.take(peer)).map(({ crashes, id }) => [id, crashes]),
      [[ids[0], 1]]
    )
  }),

  "what is found has crashed as often as before": story(function* () {
    const { at, divert } = yield* insight
    yield* at.add(1)
    const [first, peer] = [yield* at.consumer(), yield* at.consumer()]
    yield* at.take(first)
    yield* at.crash(first, peer)
    divert((call, execute) =>
      call.step === "claim"
        ? Effect.andThen(execute, Effect.fail(new Unavailable({ accepted: "maybe", detail: "lost" })))
        : execute
    )
    yield* Effect.flip(at.take(peer))
    divert(undefined)
    assert.deepEqual(
      (yield* peer.reconcile([])).found.map(({ crashes }) => crashes),
      [1]
    )
  }),

  // --- around the scripts ----------------------------------------------------------------------------------------------

  "answers of a batch are in its order": story(function* () {
    const { at } = yield* insight
    yield* at.add([{ id: "own", checked: true }])
    const { publish } = yield* at.publisher
    // those with a delay, or with an id of their own, are sent behind the others
    assert.deepEqual(
      yield* publish([{ id: "own", checked: true }, {}, { delay: 1000 }, { id: "own", checked: true }, {}]),
      ["duplicate", "accepted", "accepted", "duplicate", "accepted"]
    )
  }),

  "a queue that never had a message is known to live here": story(function* () {
    const { at } = yield* insight
    const found = yield* at.results.read([at.address("nobody's")])
    assert.deepEqual(
      found.map(({ live }) => live),
      [false]
    )
  }),

  "what is overdue is limited over all queues": story(function* () {
    const { at } = yield* insight
    const there = yield* desk
    const now = yield* at.now
    for (const one of [at, there]) yield* one.add([{ expiresAt: now + 1000 }, { expiresAt: now + 1000 }])
    yield* at.advance(1000)
    const found = (count: number, bytes: number) =>
      Effect.map(at.broker.overdue({ count, bytes }), ({ messages }) => messages.length)
    // each has two characters
    assert.deepEqual([yield* found(10, 1), yield* found(10, 4), yield* found(3, 100)], [1, 2, 3])
  }),

  "a settle is all or nothing when the consumer is lost": story(function* () {
    const { at, keys, look, redis } = yield* insight
    yield* at.add(1500)
    const consumer = yield* at.consumer()
    const held = yield* at.take(consumer, 1500)
    yield* look(() => redis.zrem(keys.consumers, consumer.id))
    for (const some of [held.slice(0, 2), held]) {
      const { reason } = yield* Effect.flip(
        consumer.settle(
          some.map((delivery, index) => ({ delivery, disposition: index % 2 === 0 ? release : { _tag: "Ack" } }))
        )
      )
      assert.equal(reason._tag, "ConsumerLost")
    }
  }),

  // --- large ones ------------------------------------------------------------------------------------------------------

  "large messages come whole, and a claim has enough of them": story(function* () {
    const { at } = yield* insight
    const wires = [1, 1, 1, 10, 1].map((size, index) => wireOf(5, String(index).repeat(size * megabyte)))
    const ids = yield* at.add(wires.map((wire) => ({ wire })))
    const consumer = yield* at.consumer()
    const got: Array<readonly [string, boolean]> = []
    const sizes: Array<number> = []
    for (;;) {
      const { deliveries } = yield* at.claim(consumer, 10, { bytes: 2 * megabyte })
      if (deliveries.length === 0) break
      sizes.push(deliveries.length)
      for (const { id, wire } of deliveries) got.push([id, wire === wires[ids.indexOf(id)]])
    }
    assert.deepEqual(
      got,
      ids.map((id) => [id, true])
    )
    // no further one once the limit is reached
    assert.deepEqual(sizes, [2, 2, 1])
  }),

  // --- holes and garbage -----------------------------------------------------------------------------------------------

  "a mass revoke blocks nobody, and what stands behind it is found": story(function* () {
    const { at } = yield* insight
    const holes = yield* at.add(12_000)
    const [behind] = yield* at.add(1)
    yield* at.end(holes)
    const consumer = yield* at.consumer()
    let claims = 0
    for (;;) {
      const { deliveries, dueIn } = yield* at.claim(consumer, 1)
      claims++
      if (deliveries.length > 0) {
        assert.deepEqual(
          deliveries.map(({ id }) => id),
          [behind]
        )
        break
      }
      assert.equal(dueIn, 0, "nobody knows yet what is behind the holes")
    }
    assert(claims > 1 && claims <= 4, `${claims} claims`)
    yield* at.hasCounts({ active: 1 }, "no hole is left")
  }),

  "an id that left a hole among the suspects stands in one place": story(function* () {
    const { at, key, look, redis } = yield* insight
    const id = "own"
    const peer = yield* at.consumer()
    yield* at.add([{ id, checked: true }])
    for (const _ of [1, 2]) {
      const owner = yield* at.consumer()
      yield* at.take(owner)
      yield* at.crash(owner, peer)
    }
    assert.deepEqual(yield* look(() => redis.lrange(key("suspects"), 0, -1)), [id])
    assert.deepEqual(yield* at.end([id]), ["ended"])
    assert.equal(yield* at.isFree(id), true)
    const held = yield* at.take(peer)
    assert.deepEqual(
      held.map((one) => [one.id, one.crashes]),
      [[id, 0]]
    )
    assert.deepEqual((yield* at.claim(peer, 1, { alone: true })).deliveries, [])
  }),

  "what nobody wrote is passed over": story(function* () {
    const { at, key, look, redis } = yield* insight
    const consumer = yield* at.consumer()
    yield* look(() => redis.rpush(key("ready:5"), "ghost", "shadow"))
    yield* look(() => redis.lpush(key("suspects"), "ghost"))
    const [first] = yield* at.add(1)
    yield* look(() => redis.rpush(key("ready:5"), "phantom"))
    const [last] = yield* at.add(1)
    const held = yield* at.take(consumer, 10)
    assert.deepEqual(
      held.map(({ id }) => id),
      [first, last]
    )
    assert.deepEqual(yield* at.settle(consumer, held, ackWith("over")), ["settled", "settled"])
    assert.deepEqual((yield* at.claim(consumer, 1, { alone: true })).deliveries, [])
  }),

  "a text that is no message is given, and can die": story(function* () {
    const { at, key, look, redis } = yield* insight
    const consumer = yield* at.consumer()
    const texts = ["", "x", "é\u0000", "{}", '9{"t":1}', "1!"]
    for (const [index, text] of texts.entries()) {
      yield* look(() => redis.hset(key("messages"), `garbage ${index}`, text))
      yield* look(() => redis.rpush(key("ready:3"), `garbage ${index}`))
    }
    const [good] = yield* at.add(1)
    const held = yield* at.take(consumer, 10)
    assert.deepEqual(
      held.map(({ id, wire }) => [id, wire]),
      [[good, wireOf(5)], ...texts.map((text, index) => [`garbage ${index}`, text])]
    )
    const [, ...garbage] = held
    assert.deepEqual(
      yield* at.settle(consumer, garbage, release),
      garbage.map(() => "settled")
    )
    const again = yield* at.take(consumer, 10)
    assert.equal(again.length, texts.length)
    assert.deepEqual(
      yield* at.settle(consumer, again, dead("undecodable")),
      again.map(() => "settled")
    )
    assert.equal((yield* at.broker.deadLetters(at.queue, { limit: 10 })).length, texts.length)
  })
} satisfies Record<string, Story>

/** What stands in the place of a record and is none. */
export const garbage = [
  ...["", "?", "r", "rest", "r17000000", "t", "t1700000000000", `t${"1".repeat(40)}`],
  ...["n", "n9999999999999{", "n9999999999999[]", 'n9999999999999{"fence":"1","attempts":[]}']
]
