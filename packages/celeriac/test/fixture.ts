/**
 * The world of a test: the memory layers on a wire that the test can cut, workers that it starts and stops, a clock that
 * it moves, and all that is logged. A world that does not come to its end fails the test.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type Broker, Unavailable } from "../src/Broker.ts"
import * as CeleriacMemory from "../src/CeleriacMemory.ts"
import type { Client } from "../src/Client.ts"
import { type Call, Transport } from "../src/memory/Transport.ts"
import type { Notifier } from "../src/Notifier.ts"
import type { ResultBackend } from "../src/ResultBackend.ts"
import * as TaskId from "../src/TaskId.ts"

export type Services = Client | Broker | ResultBackend | Notifier

/** Results with the broker, and results elsewhere: whatever concerns results must hold on both. */
export const stores = [
  { store: "one store", layer: CeleriacMemory.layer },
  { store: "two stores", layer: CeleriacMemory.layerTwoStores }
] as const

/** The time at which each world begins, milliseconds since 1970. */
export const epoch = 1_700_000_000_000

/** What becomes of a command. */
export type Fate = "carried out" | "refused" | "lost reply" | "silence"

/** The wire between the driver layers and the memory store. */
export class Wire implements Transport {
  /** All commands so far. */
  readonly calls: Array<Call> = []
  /** The test's say in what becomes of each command. */
  fate: (call: Call) => Fate = () => "carried out"
  /** Whether a push arrives. */
  pushes: (channel: string, message: string) => boolean = () => true
  /** How long a command is under way before it is carried out; asked when it is sent. */
  latency: (call: Call) => Duration.Input | undefined = () => undefined

  // arrows, for the layers take them off
  readonly send = <A>(call: Call, run: () => A): Effect.Effect<A, Unavailable> => {
    const carriedOut = Effect.suspend(() => {
      this.calls.push(call)
      const fate = this.fate(call)
      if (fate === "silence") return Effect.never
      if (fate === "refused") return Effect.fail(new Unavailable({ accepted: "no", detail: "no connection" }))
      const reply = run()
      return fate === "carried out"
        ? Effect.succeed(reply)
        : Effect.fail(new Unavailable({ accepted: "maybe", detail: "the connection broke" }))
    })
    return Effect.suspend(() => {
      const latency = this.latency(call)
      return latency === undefined ? carriedOut : Effect.delay(carriedOut, latency)
    })
  }

  readonly push = (channel: string, message: string): boolean => this.pushes(channel, message)

  /** How many commands of a step there were. */
  count(step: string): number {
    return this.calls.filter((call) => call.step === step).length
  }

  mend(): void {
    this.fate = () => "carried out"
    this.pushes = () => true
    this.latency = () => undefined
  }
}

export interface Line {
  readonly level: string
  readonly text: string
  readonly cause: Cause.Cause<unknown>
  readonly annotations: Readonly<Record<string, unknown>>
}

export interface World {
  readonly wire: Wire
  readonly lines: Array<Line>
  /** The texts of what was logged at this level or above. */
  readonly warnings: () => ReadonlyArray<string>
}

/** Runs a test in a world of its own. */
export const world = <A, E, E2>(
  layer: Layer.Layer<Services, E2>,
  body: (world: World) => Effect.Effect<A, E, Services | Scope.Scope>
): Effect.Effect<A, E | E2> =>
  Effect.gen(function* () {
    yield* TestClock.setTime(epoch)
    const wire = new Wire()
    const lines: Array<Line> = []
    const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
      lines.push({
        level: logLevel,
        text: Array.isArray(message) ? message.map(String).join(" ") : String(message),
        cause,
        annotations: fiber.getRef(References.CurrentLogAnnotations)
      })
    })
    const warnings = () =>
      lines.filter(({ level }) => level === "Warn" || level === "Error" || level === "Fatal").map(({ text }) => text)
    const scope = Scope.makeUnsafe()
    const exit = yield* Effect.gen(function* () {
      const services = yield* Layer.buildWithScope(
        Layer.fresh(Layer.provide(layer, Layer.succeed(Transport, wire))),
        scope
      )
      return yield* Effect.provideContext(body({ wire, lines, warnings }), services)
    }).pipe(
      Effect.provideService(Scope.Scope, scope),
      // ids tell the time: those of this world must not run ahead because of another one
      Effect.provideService(TaskId.Generator, {
        next: TaskId.makeGenerator((bytes) => globalThis.crypto.getRandomValues(bytes))
      }),
      Effect.provide(Logger.layer([logger])),
      Effect.exit
    )
    wire.mend()
    const end = yield* Effect.exit(within("2 minutes", Scope.close(scope, exit), "1 second"))
    // what went wrong first says more
    return Exit.isFailure(exit) || Exit.isSuccess(end) ? yield* exit : yield* Effect.die(new Error("the world hangs"))
  })

/** Runs a test in a world of its own, for what does not depend on where results live. */
export const run = (body: (world: World) => Effect.Effect<unknown, unknown, Services | Scope.Scope>) =>
  world(CeleriacMemory.layer, body)

export interface Started {
  /** The graceful stop. */
  readonly stop: Effect.Effect<void>
}

/** Starts a worker; it stops with the world, if not before. */
export const started = Effect.fnUntraced(function* <E, R>(layer: Layer.Layer<never, E, R>) {
  const scope = Scope.makeUnsafe()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  yield* turns
  return { stop: Scope.close(scope, Exit.void) } satisfies Started
})

/** Long enough for whatever is on its way without an event from outside and without time. */
export const turns = Effect.repeat(Effect.yieldNow, { times: 20 })

/** Lets time pass in steps, so that what happens at one moment has its consequences at that moment. */
export const pass = Effect.fnUntraced(function* (duration: Duration.Input, step: Duration.Input = "250 millis") {
  const size = Duration.toMillis(step)
  yield* turns
  for (let left = Duration.toMillis(duration); left > 0; left -= size) {
    yield* TestClock.adjust(Math.min(left, size))
    yield* turns
  }
})

/** Lets time pass until the effect has ended, at most `limit`; the test fails if it has not by then. */
export const within = Effect.fnUntraced(function* <A, E, R>(
  limit: Duration.Input,
  effect: Effect.Effect<A, E, R>,
  step: Duration.Input = "250 millis"
) {
  // detached: what cannot be interrupted must not hold up the test that found it out
  const fiber = yield* Effect.forkDetach(effect)
  const start = yield* Clock.currentTimeMillis
  while (true) {
    yield* turns
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return yield* exit
    const left = start + Duration.toMillis(limit) - (yield* Clock.currentTimeMillis)
    if (left <= 0) {
      fiber.interruptUnsafe()
      return assert.fail(`it did not end within ${Duration.format(Duration.fromInputUnsafe(limit))}`)
    }
    yield* TestClock.adjust(Math.min(left, Duration.toMillis(step)))
  }
})

/** The effect ends without any time. */
export const atOnce = <A, E, R>(effect: Effect.Effect<A, E, R>) => within(0, effect)

/** How the effect ends, within the limit. */
export const exitWithin = <A, E, R>(limit: Duration.Input, effect: Effect.Effect<A, E, R>, step?: Duration.Input) =>
  Effect.exit(within(limit, Effect.exit(effect), step)).pipe(Effect.flatten)

/** Milliseconds since the world began. */
export const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - epoch)

/** The typed error of an exit. */
export const errorOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert(Exit.isFailure(exit), "it succeeded")
  const reason = exit.cause.reasons.find(Cause.isFailReason)
  assert(reason !== undefined, `no typed error: ${Cause.pretty(exit.cause)}`)
  return reason.error
}

/** The defect of an exit. */
export const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert(Exit.isFailure(exit), "it succeeded")
  const reason = exit.cause.reasons.find(Cause.isDieReason)
  assert(reason !== undefined, `no defect: ${Cause.pretty(exit.cause)}`)
  return reason.defect
}

/** A handler that waits until the test lets it go on. */
export const gates = () => {
  const order: Array<number> = []
  const open = new Map<number, Deferred.Deferred<void>>()
  let running = 0
  let most = 0
  return {
    order,
    running: () => running,
    most: () => most,
    handler: (n: number) =>
      Effect.suspend(() => {
        order.push(n)
        most = Math.max(most, ++running)
        const gate = Deferred.makeUnsafe<void>()
        open.set(n, gate)
        return Effect.ensuring(
          Deferred.await(gate),
          Effect.sync(() => {
            running--
            open.delete(n)
          })
        )
      }),
    release: (...numbers: ReadonlyArray<number>) => {
      for (const n of numbers) Deferred.doneUnsafe(open.get(n)!, Effect.void)
    },
    releaseAll: () => {
      for (const gate of open.values()) Deferred.doneUnsafe(gate, Effect.void)
    }
  }
}

/** The typed error of the tasks of these tests. */
export class Boom extends Schema.TaggedError<Boom>()("Boom", { code: Schema.Number }) {}

/** As if it came from a program without types. */
export const untyped = <A>(value: unknown): A => value as A
