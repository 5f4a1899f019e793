/** The table of `Outcome.settle`, row by row, without a worker. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { Disposition } from "../src/Broker.ts"
import * as Message from "../src/Message.ts"
import * as Outcome from "../src/Outcome.ts"
import type { Decision } from "../src/Retry.ts"
import * as TaskRecord from "../src/TaskRecord.ts"

const startedAt = 1_700_000_000_000
const endedAt = startedAt + 250
const minute = 60_000

const message: Message.Message = {
  id: "a",
  queue: "q",
  task: "t",
  priority: 7,
  payload: { n: 1 },
  expiresAt: startedAt + 1,
  headers: { h: "1" }
}

const run: Outcome.Run = {
  message,
  wire: Message.encode(message),
  deliveries: 1,
  maxDeliveries: 5,
  worker: "w",
  startedAt,
  endedAt,
  resultTtl: 60 * minute,
  dedupeWindow: 10 * minute,
  ignoreResult: false,
  unknownTaskWindow: 10 * minute,
  maxResultSize: 1_048_576
}

const giveUp: Decision = { _tag: "GiveUp", why: "times" }
const again: Decision = { _tag: "RetryAfter", delay: 4000 }
const atOnce: Decision = { _tag: "RetryAfter", delay: 0 }

/** What a disposition says, decoded. */
const readAck = (disposition: Disposition) => {
  assert(disposition._tag === "Ack")
  assert(disposition.record !== undefined, "every end has a record: nobody waits for ever")
  return {
    record: Result.getOrThrow(TaskRecord.decode(disposition.record.value)),
    ttl: disposition.record.ttl,
    dead: disposition.dead
  }
}

const readBack = (disposition: Disposition) => {
  assert(disposition._tag === "Reschedule")
  const { delay, note, ran, to, wire } = disposition
  return {
    delay,
    to,
    ran,
    note: note === undefined ? undefined : { ...note, value: TaskRecord.decodeAttempt(note.value) },
    message: wire === undefined ? undefined : Result.getOrThrow(Message.decode(message, wire))
  }
}

describe("the end", () => {
  const reason = (tag: string, fields?: object): TaskRecord.Ending => ({
    _tag: "Reason",
    reason: { _tag: tag, ...fields }
  })
  const ends: ReadonlyArray<{
    readonly outcome: Outcome.Outcome
    readonly state: TaskRecord.TerminalState
    readonly counted: 0 | 1
    readonly dead: RegExp | undefined
    readonly ending: TaskRecord.Ending
    readonly run?: Partial<Outcome.Run>
  }> = [
    {
      outcome: { _tag: "Succeeded", value: { ok: 1 } },
      state: "succeeded",
      counted: 1,
      dead: undefined,
      ending: { _tag: "Success", value: { ok: 1 } }
    },
    {
      outcome: { _tag: "Failed", error: { code: 1 }, retry: giveUp },
      state: "failed",
      counted: 1,
      dead: /^typed failure \(times\)$/,
      ending: { _tag: "Error", error: { code: 1 } }
    },
    {
      outcome: { _tag: "Died", defect: "boom", retry: { _tag: "GiveUp", why: "policy failed", detail: "it threw" } },
      state: "failed",
      counted: 1,
      dead: /^defect \(it threw\)$/,
      ending: { _tag: "Defect", defect: "boom" }
    },
    {
      outcome: { _tag: "TimedOut", limit: "soft", millis: 5, retry: giveUp },
      state: "failed",
      counted: 1,
      dead: /^soft time limit/,
      ending: reason("TimeLimitExceeded", { limit: "soft", millis: 5 })
    },
    {
      outcome: { _tag: "TimedOut", limit: "hard", millis: 6, retry: giveUp },
      state: "failed",
      counted: 1,
      dead: /^hard time limit/,
      ending: reason("TimeLimitExceeded", { limit: "hard", millis: 6 })
    },
    {
      outcome: { _tag: "RetryRequested", retry: giveUp },
      state: "failed",
      counted: 1,
      dead: /^retries exhausted/,
      ending: reason("RetriesExhausted", { attempts: 3 })
    },
    {
      outcome: { _tag: "Rejected", detail: "no such user" },
      state: "failed",
      counted: 1,
      dead: /no such user/,
      ending: reason("Rejected", { detail: "no such user" })
    },
    {
      outcome: { _tag: "Rejected", detail: undefined },
      state: "failed",
      counted: 1,
      dead: /rejected/,
      ending: reason("Rejected")
    },
    {
      outcome: { _tag: "Requeued", detail: undefined },
      run: { deliveries: 5 },
      state: "dead",
      counted: 0,
      dead: /delivered 5 times/,
      ending: reason("TooManyDeliveries", { deliveries: 5 })
    },
    { outcome: { _tag: "Ignored" }, state: "ignored", counted: 1, dead: undefined, ending: reason("Ignored") },
    { outcome: { _tag: "Revoked" }, state: "revoked", counted: 0, dead: undefined, ending: reason("Revoked") },
    { outcome: { _tag: "Expired" }, state: "expired", counted: 0, dead: undefined, ending: reason("Expired") },
    {
      outcome: { _tag: "TooManyDeliveries" },
      run: { deliveries: 6 },
      state: "dead",
      counted: 0,
      dead: /delivered/,
      ending: reason("TooManyDeliveries", { deliveries: 6 })
    },
    {
      outcome: { _tag: "WorkerLost", detail: "gone" },
      state: "failed",
      counted: 1,
      dead: /gone/,
      ending: reason("WorkerLost", { detail: "gone" })
    },
    {
      outcome: { _tag: "Undecodable", detail: "no JSON" },
      run: { message: undefined },
      state: "dead",
      counted: 0,
      dead: /no JSON/,
      ending: reason("Undecodable", { detail: "no JSON" })
    },
    {
      outcome: { _tag: "Unknown", detail: `nobody knows "t"` },
      run: { wire: Message.withPutOff(Message.encode(message), [endedAt - 10 * minute, 9]) },
      state: "dead",
      counted: 0,
      dead: /nobody knows "t"/,
      ending: reason("UnknownTask", { detail: `nobody knows "t"` })
    }
  ]

  it.each(ends)("$outcome._tag: $state", ({ counted, dead, ending, outcome, run: changes, state }) => {
    const earlier = 2
    const whole = { ...run, message: { ...message, attempts: earlier }, ...changes }
    const consequence = Outcome.settle(outcome, whole)
    assert.strictEqual(consequence.state, state)
    const { dead: letter, record, ttl } = readAck(consequence.disposition)
    assert.deepStrictEqual(record, {
      state,
      endedAt,
      attempts: (whole.message === undefined ? 0 : earlier) + counted,
      ending
    })
    assert.strictEqual(ttl, run.resultTtl)
    if (dead === undefined) assert.isUndefined(letter, "no dead letter")
    else assert.match(letter ?? "", dead)
  })

  const kept: ReadonlyArray<readonly [ignoreResult: boolean | "success", Outcome.Outcome, gone: boolean]> = [
    [false, { _tag: "Succeeded", value: 1 }, false],
    [true, { _tag: "Succeeded", value: 1 }, true],
    ["success", { _tag: "Succeeded", value: 1 }, true],
    [true, { _tag: "Failed", error: 1, retry: giveUp }, true],
    ["success", { _tag: "Failed", error: 1, retry: giveUp }, false],
    ["success", { _tag: "Ignored" }, false]
  ]
  it.each(kept)("ignoreResult %s, %o: a tombstone %s", (ignoreResult, outcome, gone) => {
    const { record, ttl } = readAck(Outcome.settle(outcome, { ...run, ignoreResult }).disposition)
    assert.strictEqual(record.ending._tag === "Gone", gone)
    assert.strictEqual(ttl, gone ? run.dedupeWindow : run.resultTtl)
  })

  it("the id is refused for the dedupe window at least", () => {
    const { disposition } = Outcome.settle({ _tag: "Succeeded", value: 1 }, { ...run, resultTtl: 1 })
    assert(disposition._tag === "Ack" && disposition.record !== undefined)
    const { tombstone, ttl, value } = disposition.record
    assert.strictEqual(ttl, 1, "the value does not live longer for it")
    assert.deepStrictEqual(tombstone, { value: TaskRecord.tombstone(value), ttl: run.dedupeWindow })
  })
})

describe("another attempt", () => {
  const retried: ReadonlyArray<readonly [Outcome.Outcome, TaskRecord.Ending["_tag"]]> = [
    [{ _tag: "Failed", error: 1, retry: again }, "Error"],
    [{ _tag: "Died", defect: 1, retry: again }, "Defect"],
    [{ _tag: "TimedOut", limit: "soft", millis: 1, retry: again }, "Reason"],
    [{ _tag: "TimedOut", limit: "hard", millis: 1, retry: again }, "Reason"],
    [{ _tag: "RetryRequested", retry: again }, "Reason"]
  ]
  it.each(retried)("%o", (outcome, ending) => {
    const first = startedAt - 5000
    const tried = { ...message, attempts: 1, attemptTimes: [first, first] as const }
    const { disposition, state } = Outcome.settle(outcome, { ...run, message: tried })
    assert.strictEqual(state, "retrying")
    const back = readBack(disposition)
    assert.strictEqual(back.delay, 4000)
    assert.strictEqual(back.to, "tail")
    assert.isTrue(back.ran)
    const { expiresAt: _, ...kept } = message
    assert.deepStrictEqual(
      back.message,
      // a run has started, so that it cannot expire any more
      { ...kept, attempts: 2, attemptTimes: [first, startedAt] },
      "the count and the times travel in the message; the rest stays"
    )
    assert.strictEqual(back.note?.value?.ending._tag, ending)
    const { at, attempt, nextAt, worker } = back.note!.value!
    assert.deepStrictEqual(
      { at, attempt, nextAt, worker },
      { at: endedAt, attempt: 2, nextAt: endedAt + 4000, worker: "w" }
    )
    assert.strictEqual(back.note?.ttl, 4000 + run.resultTtl, "the note outlives the wait")
  })

  it("the first attempt's start is remembered", () => {
    const { disposition } = Outcome.settle({ _tag: "Failed", error: 1, retry: atOnce }, run)
    assert.deepStrictEqual(readBack(disposition).message?.attemptTimes, [startedAt, startedAt])
  })

  it("without delay it is queued", () =>
    assert.strictEqual(Outcome.settle({ _tag: "Failed", error: 1, retry: atOnce }, run).state, "queued"))

  it.each([
    [true, false],
    ["success", true],
    [false, true]
  ] as const)("ignoreResult %s: the error is noted %s", (ignoreResult, noted) => {
    const { disposition } = Outcome.settle({ _tag: "Failed", error: 1, retry: again }, { ...run, ignoreResult })
    assert.strictEqual(readBack(disposition).note !== undefined, noted)
  })
})

describe("back without a counted attempt", () => {
  it("Snoozed: after its time, to the tail", () => {
    const { disposition, state } = Outcome.settle({ _tag: "Snoozed", millis: 900 }, run)
    assert.strictEqual(state, "retrying")
    const back = readBack(disposition)
    const { expiresAt: _, ...kept } = message
    assert.deepStrictEqual(back, {
      delay: 900,
      to: "tail",
      ran: true,
      note: undefined,
      message: { ...kept, snoozes: 1 }
    })
  })

  it("Requeued: at once, to the tail, as a delivery", () => {
    const { disposition, state } = Outcome.settle({ _tag: "Requeued", detail: "later" }, { ...run, deliveries: 4 })
    assert.strictEqual(state, "queued")
    const back = readBack(disposition)
    const { expiresAt: _, ...kept } = message
    assert.deepStrictEqual(back, {
      delay: 0,
      to: "tail",
      ran: true,
      note: undefined,
      message: { ...kept, requeues: 1 }
    })
  })

  it("Released: at once, to the head, unchanged", () => {
    const { disposition, state } = Outcome.settle({ _tag: "Released" }, run)
    assert.strictEqual(state, "queued")
    assert.deepStrictEqual(disposition, { _tag: "Reschedule", delay: 0, to: "head", ran: false })
  })
})

describe("Unknown", () => {
  it("is put off for longer each time, until the window is over, and then dies", () => {
    const delays: Array<number> = []
    let { wire } = run
    let now = endedAt
    for (let deliveries = 0; deliveries < 100; deliveries++) {
      const consequence = Outcome.settle({ _tag: "Unknown", detail: "no" }, { ...run, wire, endedAt: now })
      if (consequence.state === "dead") break
      assert.strictEqual(consequence.state, "scheduled")
      const back = readBack(consequence.disposition)
      assert.deepStrictEqual(back.message, message, "nothing of it changes")
      assert.strictEqual(back.to, "tail")
      assert.isFalse(back.ran, "it can still expire")
      delays.push(back.delay)
      now += back.delay
      assert(consequence.disposition._tag === "Reschedule" && consequence.disposition.wire !== undefined)
      wire = consequence.disposition.wire
    }
    assert.deepStrictEqual(delays.slice(0, 7), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    assert.strictEqual(now - endedAt, run.unknownTaskWindow, "dead when the window is over, not before and not after")
  })

  it("a message of a newer version is marked too, whatever its form and however old it is", () => {
    const unread = { ...run, message: undefined, wire: "27 in whatever form" }
    const first = Outcome.settle({ _tag: "Unknown", detail: "newer" }, unread)
    assert.deepStrictEqual(first, {
      state: "scheduled",
      disposition: {
        _tag: "Reschedule",
        wire: `27(${endedAt},1) in whatever form`,
        delay: 1000,
        to: "tail",
        ran: false
      }
    })
    const late = { ...unread, wire: `27(${endedAt - 10 * minute + 300},1) in whatever form` }
    const second = Outcome.settle({ _tag: "Unknown", detail: "newer" }, late)
    assert.strictEqual(second.disposition._tag === "Reschedule" && second.disposition.delay, 300)
    const last = { ...unread, wire: `27(${endedAt - 10 * minute},1) in whatever form` }
    assert.strictEqual(Outcome.settle({ _tag: "Unknown", detail: "newer" }, last).state, "dead")
  })
})
