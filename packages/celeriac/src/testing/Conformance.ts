/**
 * The rules of the contracts (`Broker`, `ResultBackend`, `Notifier`) as cases that run against any driver, under any test
 * runner: each is a name and an effect that dies with what was expected and what was found.
 *
 * A driver of your own is shown to keep the rules in these lines; each case uses queues, ids and channels of its own, so all
 * of them may run on one server.
 *
 * ```ts
 * import { describe, it } from "@effect/vitest"
 * import { CeleriacMemory } from "celeriac"
 * import { Conformance } from "celeriac/testing"
 * import { Effect, Layer } from "effect"
 *
 * const driver = Layer.merge(CeleriacMemory.layerServer, Conformance.layerTime) // yours in place of the memory layers
 *
 * describe("my driver", () => {
 *   for (const { effect, name } of [...Conformance.broker, ...Conformance.resultBackend, ...Conformance.notifier]) {
 *     it.effect(name, () => Effect.provide(effect, driver))
 *   }
 * })
 * ```
 *
 * **Time.** Delays, leases and times to live are cases too, so the cases must be able to let time pass for the server: a
 * driver whose server has a clock of its own gives a `ConformanceTime` that moves it (for Redis: an injected `now`).
 * Replies and pushes may take their way: the cases wait for each, for 5 seconds of real time at most. A driver that times
 * out, retries or reconnects by the `Clock` should be built with the live one, for nobody moves the test's for it.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import type { Notifier } from "../Notifier.ts"
import * as Cases from "./conformance/Case.ts"
import { claiming } from "./conformance/claiming.ts"
import { closing } from "./conformance/closing.ts"
import { encoding } from "./conformance/encoding.ts"
import { ending } from "./conformance/ending.ts"
import { expiring } from "./conformance/expiring.ts"
import { leasing } from "./conformance/leasing.ts"
import { notifying } from "./conformance/notifying.ts"
import { publishing } from "./conformance/publishing.ts"
import { results } from "./conformance/results.ts"
import { settling } from "./conformance/settling.ts"
import { suspecting } from "./conformance/suspecting.ts"
import { together as oneStore } from "./conformance/together.ts"
import { waking } from "./conformance/waking.ts"
import { watching } from "./conformance/watching.ts"

/**
 * One rule of a contract. `effect` succeeds, or dies with what was expected and what was found; it needs the services of its
 * contract, and a `Scope`.
 *
 * @category models
 * @since 0.1.0
 */
export type Case<R> = Cases.Case<R>

/**
 * The time of the server under test: `now` in milliseconds since 1970, and `advance`, which lets time pass.
 *
 * @category services
 * @since 0.1.0
 */
export const ConformanceTime = Cases.ConformanceTime

/**
 * @category services
 * @since 0.1.0
 */
export type ConformanceTime = Cases.ConformanceTime

/**
 * For drivers whose server reads the `Clock` of the test: the `TestClock` is moved.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTime: Layer.Layer<ConformanceTime> = Cases.layerTime

/**
 * The rules of `Broker`: publishing and duplicates, order, times, claims, wake-ups, settles and ownership, leases and
 * recovery, ends from outside, expiry, what is kept of the ended, and the encoding at the boundary.
 *
 * @category suites
 * @since 0.1.0
 */
export const broker: ReadonlyArray<Case<Cases.BrokerServices>> = [
  ...publishing,
  ...claiming,
  ...waking,
  ...settling,
  ...leasing,
  ...closing,
  ...suspecting,
  ...ending,
  ...expiring,
  ...encoding
]

/**
 * The rules of `ResultBackend`, on a server of its own or the broker's. A `Broker` is needed for notes about messages that
 * their author holds; for a result backend alone the memory layers have one.
 *
 * @category suites
 * @since 0.1.0
 */
export const resultBackend: ReadonlyArray<Case<Cases.ResultServices>> = [...results, ...watching]

/**
 * What is one step where results live with the broker (the two have the same `location`): records with settles and ends,
 * notes with retries, and ownership of notes.
 *
 * @category suites
 * @since 0.1.0
 */
export const together: ReadonlyArray<Case<Cases.ResultServices>> = oneStore

/**
 * The rules of `Notifier`.
 *
 * @category suites
 * @since 0.1.0
 */
export const notifier: ReadonlyArray<Case<Notifier>> = notifying
