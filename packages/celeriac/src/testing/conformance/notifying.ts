/** The notifier: pushes, in order, to those who listen. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { Notifier } from "../../Notifier.ts"
import * as TaskId from "../../TaskId.ts"
import { equal } from "../internal/expect.ts"
import { leaving } from "./Bench.ts"
import { type Case, rule, rules } from "./Case.ts"
import { inRealTime, listen } from "./listening.ts"
import * as Texts from "./texts.ts"

const channelOf = (name: string) => Effect.map(TaskId.make, (id) => `conformance:${name}:${id}`)

export const notifying: ReadonlyArray<Case<Notifier>> = [
  rule("subscribe: says when the subscription stands, and what is pushed from then on comes", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("reset")
      const events = yield* Queue.unbounded<string>()
      yield* notifier.subscribe(channel, {
        onMessage: (message) => void Queue.offerUnsafe(events, message),
        onReset: () => void Queue.offerUnsafe(events, "reset")
      })
      yield* equal(yield* inRealTime(Queue.take(events), "the reset"), "reset", "the first event")
      yield* notifier.publish(channel, "first")
      yield* equal(yield* inRealTime(Queue.take(events), "the push"), "first", "the next event")
    })
  ),

  rule("publish: pushes come in their order", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("order")
      const ear = yield* listen(channel)
      const messages = Array.from({ length: 500 }, (_, index) => `push ${index}`)
      for (const message of messages) yield* notifier.publish(channel, message)
      yield* ear.hears(messages, "what is heard")
    })
  ),

  rule("publish: all who listen to the channel hear it, and nobody else", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const [channel, other] = [yield* channelOf("one"), yield* channelOf("two")]
      const ears = yield* Effect.forEach([channel, channel, other, `${channel}:more`], listen)
      yield* notifier.publish(channel, "a")
      // the ends that `heard` pushes reach both who listen to the first channel
      const heard = yield* Effect.forEach(ears, (ear) => ear.heard)
      const pushes = heard.map((messages) => messages.filter((message) => !message.startsWith("end ")))
      yield* equal(pushes, [["a"], ["a"], [], []], "what each of them hears")
    })
  ),

  rule("publish: to a channel without listeners reaches nobody and fails nobody", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("nobody")
      yield* notifier.publish(channel, "before")
      const ear = yield* listen(channel)
      yield* ear.hears([], "what is heard of what was pushed before")
    })
  ),

  rule("subscribe: ends with its scope, and others go on", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("leave")
      const { leave, within } = yield* leaving
      let left = false
      const late: Array<string> = []
      const first = yield* Queue.unbounded<string>()
      yield* within(
        notifier.subscribe(channel, {
          onMessage: (message) => {
            if (left) late.push(message)
            else Queue.offerUnsafe(first, message)
          },
          onReset: () => void Queue.offerUnsafe(first, "reset")
        })
      )
      yield* equal(yield* inRealTime(Queue.take(first), "the reset"), "reset", "the first event")
      const ear = yield* listen(channel)
      yield* notifier.publish(channel, "both")
      yield* ear.hears(["both"], "what the other hears first")
      yield* equal(yield* inRealTime(Queue.take(first), "the push"), "both", "what the one hears first")
      yield* leave
      left = true
      yield* notifier.publish(channel, "one")
      yield* ear.hears(["one"], "what the other hears then")
      yield* equal(late, [], "what the one hears then")
    })
  ),

  rule("subscribe: again after leaving", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("again")
      for (const message of ["first", "second", "third"]) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const ear = yield* listen(channel)
            yield* notifier.publish(channel, message)
            yield* ear.hears([message], "what is heard")
          })
        )
      }
    })
  ),

  rule("publish: of many at the same time, each one's pushes come in their order", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier
      const channel = yield* channelOf("many")
      const ear = yield* listen(channel)
      const senders = ["a", "b", "c", "d"]
      yield* Effect.forEach(
        senders,
        (sender) =>
          Effect.forEach(Array.from({ length: 50 }), (_, index) => notifier.publish(channel, `${sender} ${index}`), {
            discard: true
          }),
        { concurrency: "unbounded" }
      )
      const heard: ReadonlyArray<string> = yield* ear.heard
      for (const sender of senders) {
        const own = heard.filter((message) => message.startsWith(sender))
        yield* equal(
          own,
          Array.from({ length: 50 }, (_, index) => `${sender} ${index}`),
          `what is heard of ${sender}`
        )
      }
    })
  ),

  ...rules<Notifier, string>(
    (title) => `encoding: a push is carried as it is: ${title}`,
    Texts.texts,
    (text) =>
      Effect.gen(function* () {
        const notifier = yield* Notifier
        const channel = yield* channelOf("text")
        const ear = yield* listen(channel)
        yield* notifier.publish(channel, text)
        const heard = yield* ear.heard
        yield* equal([heard.length, heard[0] === text], [1, true], "whether the same text is heard")
      })
  )
]
