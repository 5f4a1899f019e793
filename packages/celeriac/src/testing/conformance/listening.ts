/** Listens to a channel of the notifier, in real time: a push of a real server takes its way. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { Notifier } from "../../Notifier.ts"
import * as TaskId from "../../TaskId.ts"
import { equal } from "../internal/expect.ts"

/** The longest time that a push may be under way. */
const patience = Duration.seconds(5)

export interface Ear {
  /** Expects these pushes next, in this order, and no other until now. */
  readonly hears: (messages: ReadonlyArray<string>, what: string) => Effect.Effect<void>
  /** Everything that was pushed since the last time. */
  readonly heard: Effect.Effect<ReadonlyArray<string>>
}

/**
 * `heard` ends with a push of its own on the same channel: what was pushed before that has come before it, so that nobody has
 * to wait for what does not come.
 */
export const listen = Effect.fnUntraced(function* (channel: string) {
  const notifier = yield* Notifier
  const pushes = yield* Queue.unbounded<string>()
  yield* notifier.subscribe(channel, {
    onMessage: (message) => void Queue.offerUnsafe(pushes, message),
    onReset: () => {}
  })
  const heard = Effect.gen(function* () {
    const last = `end ${yield* TaskId.make}`
    yield* notifier.publish(channel, last)
    const messages: Array<string> = []
    for (;;) {
      const message = yield* inRealTime(Queue.take(pushes), `a push on ${channel}`)
      if (message === last) return messages
      messages.push(message)
    }
  })
  return {
    heard,
    hears: (messages, what) => Effect.flatMap(heard, (found: ReadonlyArray<string>) => equal(found, messages, what))
  } satisfies Ear
})

/** Fails instead of waiting for ever, also where the clock of the test stands still. */
export const inRealTime = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    effect,
    Effect.andThen(
      Effect.provideService(Effect.sleep(patience), Clock.Clock, Clock.Clock.defaultValue()),
      Effect.die(new Error(`waited ${Duration.format(patience)} for ${what}`))
    )
  )
