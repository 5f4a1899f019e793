/** Listens to a channel of the notifier, in real time: a push of a real server takes its way. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { Notifier } from "../../Notifier.ts"
import * as TaskId from "../../TaskId.ts"
import { equal } from "../internal/expect.ts"
import { ConformanceTime } from "./Case.ts"

/** The longest time that a push may be under way. */
const patience = Duration.seconds(5)

export interface Ear {
  /** Waits for these pushes, in this order, and expects no other until now. */
  readonly hears: (messages: ReadonlyArray<string>, what: string) => Effect.Effect<void>
  /** Everything that was pushed since the last time. */
  readonly heard: Effect.Effect<ReadonlyArray<string>>
}

/** So begins the push by which an ear knows that it has heard all. */
const last = "conformance: the last one "

/**
 * `heard` ends with a push of its own on the same channel: what was pushed before that has come before it, so that nobody has
 * to wait for what does not come. Where a later push may overtake, `ConformanceTime.pushLag` says for how long.
 */
export const listen = Effect.fnUntraced(function* (channel: string) {
  const notifier = yield* Notifier
  const lag = Option.getOrUndefined(yield* Effect.serviceOption(ConformanceTime))?.pushLag
  const pushes = yield* Queue.unbounded<string>()
  const stands = yield* Deferred.make<void>()
  yield* notifier.subscribe(channel, {
    onMessage: (message) => void Queue.offerUnsafe(pushes, message),
    onReset: () => void Deferred.doneUnsafe(stands, Effect.void)
  })
  yield* inRealTime(Deferred.await(stands), `the subscription of ${channel}`)

  const heard = Effect.gen(function* () {
    const end = last + (yield* TaskId.make)
    yield* notifier.publish(channel, end)
    const messages: Array<string> = []
    for (;;) {
      const message = yield* inRealTime(Queue.take(pushes), `a push on ${channel}`)
      if (message === end) break
      // not what others who listen to the channel send themselves
      if (!message.startsWith(last)) messages.push(message)
    }
    if (lag !== undefined) {
      yield* Effect.provideService(Effect.sleep(lag), Clock.Clock, Clock.Clock.defaultValue())
      messages.push(...(yield* Queue.clear(pushes)).filter((message) => !message.startsWith(last)))
    }
    return messages
  })

  /** Waits for so many pushes. */
  const wait = Effect.fnUntraced(function* (count: number) {
    const messages: Array<string> = []
    while (messages.length < count) {
      const message = yield* Effect.raceFirst(Queue.take(pushes), Effect.as(realTime, undefined))
      if (message === undefined) break
      if (!message.startsWith(last)) messages.push(message)
    }
    return messages
  })

  return {
    heard,
    hears: (messages, what) =>
      Effect.gen(function* () {
        const found = yield* wait(messages.length)
        found.push(...(yield* heard))
        yield* equal(found, messages.slice(), what)
      })
  } satisfies Ear
})

/** The clock of the test may stand still. */
const realTime = Effect.provideService(Effect.sleep(patience), Clock.Clock, Clock.Clock.defaultValue())

/** Fails instead of waiting for ever. */
export const inRealTime = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    effect,
    Effect.andThen(realTime, Effect.die(new Error(`waited ${Duration.format(patience)} for ${what}`)))
  )
