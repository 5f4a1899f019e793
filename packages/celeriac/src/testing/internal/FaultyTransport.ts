/** A `Transport` that does harm by rules: which commands, what harm, how often. */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Scope } from "effect/Scope"
import { Unavailable } from "../../Broker.ts"
import type { Call, Transport } from "../../memory/Transport.ts"

/** What can happen to a command or to a push. */
export type Fault =
  | "command lost"
  | "reply lost"
  | "command delayed"
  | "reply delayed"
  | "command repeated"
  | "disconnected"
  | "push lost"

export interface Rule {
  readonly fault: Exclude<Fault, "disconnected" | "push lost">
  readonly concerns: (call: Call) => boolean
  /** Milliseconds of a delay, or until the late copy. */
  readonly millis: number
  left: number
}

interface Cut {
  readonly concerns: (call: Call) => boolean
  readonly silences: (channel: string) => boolean
  /** On the `Clock`, milliseconds. */
  readonly until: number
}

export interface FaultyTransport extends Transport {
  readonly rules: Array<Rule>
  readonly cuts: Set<Cut>
  readonly lostPushes: Array<{ readonly concerns: (channel: string) => boolean; left: number }>
  /** How often each fault happened. */
  readonly happened: Map<Fault, number>
  /** How many commands of each step were sent. */
  readonly sent: Map<string, number>
  /** No push was ever asked to be lost. */
  reliable: boolean
  /** Grows with each command and each push. */
  readonly activity: () => number
}

export const make = (clock: Clock.Clock, scope: Scope): FaultyTransport => {
  const rules: Array<Rule> = []
  const cuts = new Set<Cut>()
  const lostPushes: FaultyTransport["lostPushes"] = []
  const happened = new Map<Fault, number>()
  const sent = new Map<string, number>()
  /** The latest command of a connection that has not ended, if a delay holds it up: later ones stand behind it. */
  const lines = new Map<string, Deferred.Deferred<void>>()
  let activity = 0

  const note = (fault: Fault): void => {
    happened.set(fault, (happened.get(fault) ?? 0) + 1)
  }

  const isCut = (concerned: (cut: Cut) => boolean): boolean => {
    const now = clock.currentTimeMillisUnsafe()
    for (const cut of cuts) {
      if (cut.until <= now) cuts.delete(cut)
      else if (concerned(cut)) return true
    }
    return false
  }

  /** What is sent goes on when the sender gives up: it arrives all the same. */
  const inLine = <A>({ connection }: Call, work: Effect.Effect<A>): Effect.Effect<A> =>
    Effect.suspend(() => {
      const before = lines.get(connection)
      const gone = Deferred.makeUnsafe<void>()
      const reply = Deferred.makeUnsafe<A>()
      lines.set(connection, gone)
      const whole = Effect.gen(function* () {
        if (before !== undefined) yield* Deferred.await(before)
        const exit = yield* Effect.exit(work)
        if (lines.get(connection) === gone) lines.delete(connection)
        Deferred.doneUnsafe(gone, Exit.void)
        Deferred.doneUnsafe(reply, exit)
      })
      return Effect.andThen(Effect.forkIn(whole, scope), Deferred.await(reply))
    })

  const sleep = (millis: number) => clock.sleep(Duration.millis(millis))

  const send: Transport["send"] = (call, run) =>
    Effect.suspend(() => {
      activity++
      sent.set(call.step, (sent.get(call.step) ?? 0) + 1)
      if (isCut((cut) => cut.concerns(call))) {
        note("disconnected")
        return lost("no", "disconnected")
      }
      const carryOut = Effect.sync(run)
      const rule = rules.find((rule) => rule.left > 0 && rule.concerns(call))
      if (rule === undefined) return lines.has(call.connection) ? inLine(call, carryOut) : carryOut
      rule.left--
      if (rule.left === 0) rules.splice(rules.indexOf(rule), 1)
      note(rule.fault)
      switch (rule.fault) {
        case "command lost":
          return lost("maybe", "the command was lost")
        case "reply lost":
          return Effect.andThen(carryOut, lost("maybe", "the reply was lost"))
        case "command delayed":
          return inLine(call, Effect.andThen(sleep(rule.millis), carryOut))
        case "reply delayed":
          return inLine(
            call,
            Effect.tap(carryOut, () => sleep(rule.millis))
          )
        case "command repeated":
          return Effect.andThen(Effect.forkIn(Effect.andThen(sleep(rule.millis), carryOut), scope), carryOut)
      }
    })

  const push: Transport["push"] = (channel) => {
    activity++
    const rule = lostPushes.find((rule) => rule.left > 0 && rule.concerns(channel))
    if (rule === undefined && !isCut((cut) => cut.silences(channel))) return true
    if (rule !== undefined) rule.left--
    note("push lost")
    return false
  }

  return { send, push, rules, cuts, lostPushes, happened, sent, reliable: true, activity: () => activity }
}

const lost = (accepted: "no" | "maybe", detail: string) => Effect.fail(new Unavailable({ accepted, detail }))
