/** The boundary: what comes back is the text that went in, whatever became of the objects that carried it. */
import * as Effect from "effect/Effect"
import { equal } from "../internal/expect.ts"
import { ack, bench, wireOf } from "./Bench.ts"
import { type BrokerServices, type Case, rule, rules } from "./Case.ts"
import * as Texts from "./texts.ts"

export const encoding: ReadonlyArray<Case<BrokerServices>> = [
  ...rules<BrokerServices, string>(
    (title) => `encoding: a message is carried as it is: ${title}`,
    Texts.texts,
    (wire) =>
      Effect.gen(function* () {
        const at = yield* bench
        const [id] = yield* at.add([{ wire }])
        const owner = yield* at.consumer()
        const located = yield* at.locate(id!)
        yield* equal(
          located !== undefined && located.place !== "ended" && located.wire === wire,
          true,
          "whether locate tells the same text"
        )
        const deliveries = yield* at.take(owner)
        yield* equal(
          deliveries.map((delivery) => delivery.wire === wire),
          [true],
          "whether the claim gives the same text"
        )
        // back with the same text as a new one, and among the dead letters
        yield* at.settle(owner, deliveries, { _tag: "Reschedule", delay: 0, to: "head", ran: false, wire })
        const again = yield* at.take(owner)
        yield* equal(
          again.map((delivery) => delivery.wire === wire),
          [true],
          "whether it comes back as the same text"
        )
        yield* at.settle(owner, again, { ...ack, dead: "because" })
        const [letter] = yield* at.broker.deadLetters(at.queue, { limit: 1 })
        yield* equal(letter?.wire === wire, true, "whether the dead letter is the same text")
      })
  ),

  ...rules<BrokerServices, string>(
    (title) => `encoding: an id of a caller ${title}`,
    Texts.ids,
    (id) =>
      Effect.gen(function* () {
        const at = yield* bench
        yield* at.add([{ id, checked: true }])
        yield* equal(yield* at.isFree(id), false, "whether it is free while it waits")
        const owner = yield* at.consumer()
        const [delivery] = yield* at.take(owner)
        yield* equal(delivery?.id, id, "the id")
        yield* equal(yield* at.place(id), "active", "where it is")
        yield* equal(
          yield* at.settle(owner, [delivery!], { _tag: "Ack", record: { value: "r", ttl: 1000 } }),
          ["settled"],
          "the reply"
        )
        yield* equal(yield* at.isFree(id), false, "whether it is free while its record lives")
      })
  ),

  rule("encoding: reasons of dead letters and names of workers are carried as they are", () =>
    Effect.gen(function* () {
      const at = yield* bench
      for (const reason of ["", 'a "quoted" reason\n\u0000', "👩‍🌾 漢字"]) {
        yield* at.add(1)
        const owner = yield* at.consumer({ worker: "worker 1 (eu)" })
        yield* at.settle(owner, yield* at.take(owner), { ...ack, dead: reason })
        const [letter] = yield* at.broker.deadLetters(at.queue, { limit: 1 })
        yield* equal(letter?.reason, reason, "the reason")
      }
    })
  ),

  rule("encoding: what happens to an object after it was published, or given, changes no message", () =>
    Effect.gen(function* () {
      const at = yield* bench
      const publisher = yield* at.publisher
      const [id] = yield* at.ids(1)
      const wire = wireOf(5, "as published")
      const publication = { id: id!, queue: at.queue, wire }
      const messages = [publication]
      yield* publisher.publish(messages)
      Object.assign(publication, { id: "other", wire: "other", queue: "other" })
      messages.length = 0
      const owner = yield* at.consumer()
      const [delivery] = yield* at.take(owner)
      yield* equal([delivery?.id, delivery?.wire], [id!, wire], "what is given")
      const copy = { ...delivery! }
      Object.assign(delivery!, { wire: "other", crashes: 9 })
      yield* at.settle(owner, [copy], { _tag: "Reschedule", delay: 0, to: "head", ran: false })
      const [again] = yield* at.take(owner)
      yield* equal([again?.id, again?.wire, again?.crashes], [id!, wire, 0], "what is given again")
    })
  )
]
