/**
 * The one shape of every background loop.
 *
 * A loop that dies in a forked fiber dies in silence, and what it did stays undone. So no loop is forked by itself: when one
 * fails, dies, is interrupted from inside, or comes to an end that was not asked for, that is logged with the loop's name
 * (annotation `loop`), and it is started again or takes the rest down with it. Closing the scope interrupts it, which is no
 * event.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type { Scope } from "effect/Scope"
import { monotonic } from "./monotonic.ts"

/** 100 ms, doubled up to 5 s, each 20 % more or less, without end. */
const defaultRestart: Schedule.Schedule<unknown> = Schedule.jittered(
  Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
)

/** A loop that ran this long was well: its next failure is a first one. */
const healthyAfter = Duration.toMillis("30 seconds")

/**
 * Runs the loop in the background for the life of the scope, and again by the `restart` schedule whenever it ends. If the
 * schedule ends, that is logged and the loop stays down.
 */
export const supervise = <A, E, R>(
  name: string,
  loop: Effect.Effect<A, E, R>,
  options?: { readonly restart?: Schedule.Schedule<unknown> | undefined }
): Effect.Effect<Fiber.Fiber<void>, never, R | Scope> =>
  inBackground(name, restarting(loop, options?.restart ?? defaultRestart))

/**
 * Runs the loop in the background for the life of the scope, once: for work without which the rest makes no sense. When it
 * ends, in whatever way, the deferred fails with its cause.
 */
export const superviseInto = <A, E, R, B, E2>(
  name: string,
  loop: Effect.Effect<A, E, R>,
  deferred: Deferred.Deferred<B, E | E2>
): Effect.Effect<Fiber.Fiber<void>, never, R | Scope> =>
  inBackground(
    name,
    Effect.gen(function* () {
      const exit = yield* Effect.exit(loop)
      yield* Effect.logError("Background loop ended, and cannot go on", causeOf(exit))
      yield* Deferred.failCause(deferred, Exit.isFailure(exit) && !isInterrupt(exit) ? exit.cause : ended(name, exit))
    })
  )

const inBackground = <R>(name: string, loop: Effect.Effect<void, never, R>) =>
  Effect.forkScoped(Effect.annotateLogs(loop, "loop", name))

const restarting = Effect.fnUntraced(function* <A, E, R>(
  loop: Effect.Effect<A, E, R>,
  restart: Schedule.Schedule<unknown>
) {
  let next = yield* Schedule.toStep(restart)
  while (true) {
    const startedAt = yield* monotonic
    // not reached when the scope closes: then this fiber is interrupted as well
    const exit = yield* Effect.exit(loop)
    if ((yield* monotonic) - startedAt >= healthyAfter) next = yield* Schedule.toStep(restart)
    // a schedule may go by the time of day
    const now = yield* Clock.currentTimeMillis
    const step = yield* Pull.catchDone(next(now, undefined), () => Effect.undefined)
    if (step === undefined) return yield* report(exit, "and is not started again")
    const [, delay] = step
    yield* report(exit, `and is started again in ${Duration.format(delay)}`)
    yield* Effect.sleep(delay)
  }
})

const report = <A, E>(exit: Exit.Exit<A, E>, sequel: string): Effect.Effect<void> =>
  Exit.isSuccess(exit)
    ? Effect.logWarning(`Background loop ended by itself, ${sequel}`)
    : Effect.logError(
        `Background loop ${isInterrupt(exit) ? "was interrupted from inside" : "failed"}, ${sequel}`,
        exit.cause
      )

const isInterrupt = <A, E>(exit: Exit.Exit<A, E>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

const causeOf = <A, E>(exit: Exit.Exit<A, E>): Cause.Cause<E> => (Exit.isFailure(exit) ? exit.cause : Cause.empty)

/** An interruption is no reason that others should be given: they would take it for their own. */
const ended = <A, E>(name: string, exit: Exit.Exit<A, E>): Cause.Cause<never> =>
  Cause.die(
    new Error(`background loop "${name}" ${isInterrupt(exit) ? "was interrupted from inside" : "ended by itself"}`)
  )
