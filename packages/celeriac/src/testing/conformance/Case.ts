/** What the conformance suites are made of. */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Broker, BrokerError } from "../../Broker.ts"
import type { Notifier } from "../../Notifier.ts"
import type { ResultBackend, ResultBackendError } from "../../ResultBackend.ts"
import { testClock } from "../internal/settle.ts"

/**
 * The time of the server under test.
 *
 * @category services
 * @since 0.1.0
 */
export class ConformanceTime extends Context.Service<
  ConformanceTime,
  {
    /** Milliseconds since 1970, by the server's clock. */
    readonly now: Effect.Effect<number>
    /** Lets this much time pass for the server. */
    readonly advance: (duration: Duration.Duration) => Effect.Effect<void>
    /**
     * How long a push may be under way while a later one on the same channel has come: servers of several nodes. Real time;
     * default 0.
     */
    readonly pushLag?: Duration.Duration | undefined
  }
>()("celeriac/testing/ConformanceTime") {}

/** For servers whose time is the `Clock` of the test: the `TestClock` is moved. */
export const layerTime: Layer.Layer<ConformanceTime> = Layer.succeed(ConformanceTime, {
  now: TestClock.testClockWith((clock: Clock.Clock) => clock.currentTimeMillis),
  advance: (duration) => Effect.flatMap(testClock("ConformanceTime"), (clock) => clock.adjust(duration))
})

/** One rule of a contract. */
export interface Case<R> {
  /** Unique in its suite. */
  readonly name: string
  /** Dies with what was expected and what was found. Leaves nothing behind but messages in queues of its own. */
  readonly effect: Effect.Effect<void, BrokerError | ResultBackendError, R | Scope>
}

export type BrokerServices = Broker | Notifier | ConformanceTime

export type ResultServices = Broker | ResultBackend | Notifier | ConformanceTime

/** A rule, and the effect that shows it. */
export const rule = <R>(name: string, effect: () => Case<R>["effect"]): Case<R> => ({
  name,
  effect: Effect.suspend(effect)
})

/** The same rule in many situations. */
export const rules = <R, Situation>(
  name: (title: string) => string,
  situations: Readonly<Record<string, Situation>>,
  effect: (situation: Situation, title: string) => Case<R>["effect"]
): ReadonlyArray<Case<R>> =>
  Object.entries(situations).map(([title, situation]) => rule(name(title), () => effect(situation, title)))

export const millis = Duration.millis

export const seconds = Duration.seconds
