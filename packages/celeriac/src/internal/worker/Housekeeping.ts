/**
 * Ends waiting messages past their `expires`, of all queues: nobody waits for ever, also where no worker consumes.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Broker } from "../../Broker.ts"
import type { Settings as Defaults } from "../../Defaults.ts"
import type { ResultBackend } from "../../ResultBackend.ts"
import { Expired } from "../../TaskEnded.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import { encodeReason } from "../codecs.ts"

const every = Duration.seconds(5)

const portion = 1000

export const loop = (options: {
  readonly broker: Broker["Service"]
  readonly results: ResultBackend["Service"]
  readonly defaults: Defaults
}) => {
  const { broker, defaults, results } = options
  const together = broker.location === results.location
  const ttl = Duration.toMillis(Duration.max(defaults.resultTtl, defaults.dedupeWindow))
  const reason = encodeReason(new Expired())

  const sweep = Effect.gen(function* () {
    while (true) {
      const addresses = yield* broker.overdue(portion)
      if (addresses.length === 0) return
      const endedAt = yield* Clock.currentTimeMillis
      const value = TaskRecord.encode({ state: "expired", endedAt, attempts: 0, ending: { _tag: "Reason", reason } })
      // on two stores the record comes first: after a crash in between, the next sweep ends the rest
      if (!together) yield* results.commit(addresses.map((address) => ({ ...address, value, ttl })))
      const record = together ? { value, ttl } : { value: TaskRecord.tombstone(value), ttl }
      yield* broker.end(addresses, { waitingOnly: true, record })
      if (addresses.length < portion) return
    }
  })

  return Effect.forever(
    Effect.andThen(
      Effect.sleep(every),
      Effect.catch(sweep, (error) => Effect.logDebug(`housekeeping put off: ${error.message}`))
    )
  )
}
