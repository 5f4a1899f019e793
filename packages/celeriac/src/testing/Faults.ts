/**
 * Faults on demand: the memory layers with a bad network, and workers that can be killed.
 *
 * `layerMemory` and `layerMemoryTwoStores` stand where `CeleriacMemory.layer` and `layerTwoStores` would, and do no harm
 * until they are told to. Every step of the contracts goes through them, so a test says which command is lost, late,
 * doubled or cut off, and then asserts that nothing was lost, doubled or changed by it.
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Task } from "celeriac"
 * import { Faults, TaskTest } from "celeriac/testing"
 * import { Effect, Fiber } from "effect"
 *
 * class Ping extends Task.make("ping") {}
 *
 * it.effect("a message is there once, although the reply to its publish was lost", () =>
 *   Effect.gen(function* () {
 *     const faults = yield* Faults.Faults
 *     yield* faults.loseReplies({ step: "publish" })
 *     const fiber = yield* Effect.forkChild(Ping.enqueue())
 *     yield* TaskTest.advance("1 second") // it is sent again
 *     yield* Fiber.join(fiber)
 *     assert.strictEqual(yield* faults.sent("publish"), 2)
 *     yield* TaskTest.assertEnqueued(Ping, { count: 1 })
 *   }).pipe(Effect.provide(TaskTest.layer))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Broker } from "../Broker.ts"
import * as Client from "../Client.ts"
import { layerBroker } from "../memory/MemoryBroker.ts"
import { layer as hub, MemoryHub } from "../memory/MemoryHub.ts"
import { layerNotifier } from "../memory/MemoryNotifier.ts"
import { layerResultBackend } from "../memory/MemoryResultBackend.ts"
import { layer as store } from "../memory/MemoryStore.ts"
import { type Call, Transport } from "../memory/Transport.ts"
import type { Notifier } from "../Notifier.ts"
import type { ResultBackend } from "../ResultBackend.ts"
import * as FaultyTransport from "./internal/FaultyTransport.ts"
import { killable as makeKillable } from "./internal/killable.ts"

/**
 * The atomic steps of the contracts, as the memory driver names them.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | "publish"
  | "register"
  | "claim"
  | "settle"
  | "renew"
  | "recover"
  | "reconcile"
  | "close"
  | "end"
  | "locate"
  | "overdue"
  | "deadLetters"
  | "queues"
  | "counts"
  | "commit"
  | "note"
  | "read"
  | "watch"
  | "unwatch"
  | "forget"

/**
 * What can happen to a command or to a push.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = FaultyTransport.Fault

/**
 * Which commands are meant; all of them when nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  readonly step?: Step | ReadonlyArray<Step> | undefined
  /** Name of a worker: the commands of its consumer (`claim`, `settle`, `renew`, `recover`, `reconcile` …). */
  readonly worker?: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Times {
  /** How many of the next commands are hit. Default 1. */
  readonly times?: number | undefined
}

/**
 * @category services
 * @since 0.1.0
 */
export class Faults extends Context.Service<
  Faults,
  {
    /** The next commands do not reach the server. Their sender hears that they may have. */
    readonly loseCommands: (options?: Filter & Times) => Effect.Effect<void>
    /** The next commands are carried out, and their sender hears only that they may have been. */
    readonly loseReplies: (options?: Filter & Times) => Effect.Effect<void>
    /**
     * The next commands take `by` longer: on their way, or with `reply`, on their way back. What follows them on the same
     * connection waits behind them. A sender that gives up does not call its command back: it is carried out late.
     */
    readonly delay: (
      options: Filter & Times & { readonly by: Duration.Input; readonly reply?: boolean | undefined }
    ) => Effect.Effect<void>
    /** The next commands are carried out, and once more after this time: a late copy whose reply nobody gets. */
    readonly repeat: (options: Filter & Times & { readonly after: Duration.Input }) => Effect.Effect<void>
    /** The next pushes are lost: to a channel whose name begins with `channel` (`"wake:"`, `"revoke:"`, `"reply:"`). */
    readonly losePushes: (options?: Times & { readonly channel?: string | undefined }) => Effect.Effect<void>
    /**
     * Cuts the connection: commands fail at once and do not reach the server, pushes are lost. With `for` it comes back
     * after that time, else by `reconnect`. Of a worker: the worker lives, and cannot renew.
     */
    readonly disconnect: (options?: Filter & { readonly for?: Duration.Input | undefined }) => Effect.Effect<void>
    /** Mends what was cut; subscribers hear that pushes may have been lost. */
    readonly reconnect: Effect.Effect<void>
    /** Takes back what has not happened yet. */
    readonly clear: Effect.Effect<void>
    /** How often this fault has happened: a test of a fault that did not happen shows nothing. */
    readonly happened: (fault: Fault) => Effect.Effect<number>
    /** How many commands of a step were sent so far, lost ones included: to see that nothing spins. */
    readonly sent: (step: Step) => Effect.Effect<number>
  }
>()("celeriac/testing/Faults") {}

/**
 * Kills a worker of this process as if it were a process of its own: the pair of the layer to use in its place, and the
 * effect that kills every build of it so far. Building the layer again gives a new one.
 *
 * From the kill on, no command of it reaches the server and no reply or push reaches it; its handlers are interrupted; it
 * settles nothing and does not say goodbye. What it held comes back to other workers when its lease (`visibilityTimeout`)
 * has ended. Works with any driver, memory or not.
 *
 * Services that are provided inside of the layer are its own, like those of a process. A killed process runs no finalizers;
 * those of interrupted handlers do run here: what they send through Celeriac is lost, what they do elsewhere is done.
 *
 * ```ts nocheck
 * const [worker, kill] = Faults.killable(Worker.layer({ tasks: [Resize] }).pipe(Layer.provide(ResizeLive)))
 *
 * yield* Layer.build(worker)
 * yield* kill
 * yield* Layer.build(worker) // its replacement
 * ```
 *
 * @category killing
 * @since 0.1.0
 */
export const killable: <A, E, R>(
  worker: Layer.Layer<A, E, R>
) => readonly [layer: Layer.Layer<A, E, R | Broker | ResultBackend | Notifier>, kill: Effect.Effect<void>] =
  makeKillable

/** The bad network itself, for layers of this kit. */
class Network extends Context.Service<Network, FaultyTransport.FaultyTransport>()("celeriac/testing/Network") {}

/**
 * What the rest of this kit needs to know of the network.
 *
 * @internal
 */
export class Activity extends Context.Service<
  Activity,
  {
    /** Grows with each command and each push: whoever waits until nothing happens any more looks at it. */
    readonly count: () => number
    /** No test has asked for lost pushes: workers need not look by themselves. */
    readonly isReliable: () => boolean
  }
>()("celeriac/testing/Activity") {}

const network: Layer.Layer<Network | Activity> = Layer.effectContext(
  Effect.gen(function* () {
    const transport = FaultyTransport.make(yield* Clock.Clock, yield* Effect.scope)
    return Context.make(Network, transport).pipe(
      Context.add(Transport, transport),
      Context.add(Activity, { count: transport.activity, isReliable: () => transport.reliable })
    )
  })
)

const faults: Layer.Layer<Faults, never, Network | MemoryHub> = Layer.effect(
  Faults,
  Effect.gen(function* () {
    const network = yield* Network
    const { cuts, happened, lostPushes, rules, sent } = network
    const { reset } = yield* MemoryHub
    const scope = yield* Effect.scope

    const add = (fault: FaultyTransport.Rule["fault"], options: Filter & Times = {}, delay: Duration.Input = 0) =>
      Effect.sync(() => {
        const millis = Duration.toMillis(Duration.fromInputUnsafe(delay))
        rules.push({ fault, concerns: concerned(options), millis, left: options.times ?? 1 })
      })

    /** From now on workers look by themselves as often as without this kit. */
    const becomeUnreliable = (): void => {
      if (!network.reliable) return
      network.reliable = false
      reset()
    }

    const reconnect = Effect.sync(() => {
      cuts.clear()
      reset()
    })

    return {
      loseCommands: (options) => add("command lost", options),
      loseReplies: (options) => add("reply lost", options),
      delay: (options) => add(options.reply === true ? "reply delayed" : "command delayed", options, options.by),
      repeat: (options) => add("command repeated", options, options.after),
      losePushes: (options) =>
        Effect.sync(() => {
          const { channel = "", times = 1 } = options ?? {}
          becomeUnreliable()
          lostPushes.push({ concerns: (name) => name.startsWith(channel), left: times })
        }),
      disconnect: Effect.fnUntraced(function* (options = {}) {
        const span = Duration.fromInputUnsafe(options.for ?? Duration.infinity)
        const now = yield* Clock.currentTimeMillis
        const { worker } = options
        becomeUnreliable()
        cuts.add({
          concerns: concerned(options),
          silences: (channel) =>
            worker === undefined
              ? options.step === undefined
              : isConsumerOf(worker, channel.slice(channel.indexOf(":") + 1)),
          until: now + Duration.toMillis(span)
        })
        if (Duration.isFinite(span)) yield* Effect.forkIn(Effect.delay(Effect.sync(reset), span), scope)
      }),
      reconnect,
      clear: Effect.sync(() => {
        rules.length = 0
        lostPushes.length = 0
        cuts.clear()
      }),
      happened: (fault) => Effect.sync(() => happened.get(fault) ?? 0),
      sent: (step) => Effect.sync(() => sent.get(step) ?? 0)
    }
  })
)

const concerned = ({ step, worker }: Filter) => {
  const steps: ReadonlyArray<string> | undefined = typeof step === "string" ? [step] : step
  return (call: Call): boolean =>
    (steps === undefined || steps.includes(call.step)) &&
    (worker === undefined || isConsumerOf(worker, call.connection))
}

/** A consumer is named by its worker and a number. */
const isConsumerOf = (worker: string, consumer: string): boolean =>
  consumer.startsWith(`${worker}-`) && /^\d+$/.test(consumer.slice(worker.length + 1))

type Server = Broker | ResultBackend | Notifier

/**
 * Memoised as a whole, and its own server each time that it is built.
 *
 * @internal
 */
export const assembled = <A, E>(layer: Layer.Layer<A, E>): Layer.Layer<A, E> =>
  Layer.effectContext(Layer.build(Layer.fresh(layer)))

/**
 * Without a client: what stands between a client and the server can be added first.
 *
 * @internal
 */
export const layerServer: Layer.Layer<Server | Faults | Activity> = Layer.mergeAll(
  layerBroker,
  layerResultBackend,
  layerNotifier,
  faults
).pipe(Layer.provide(store), Layer.provide(hub), Layer.provideMerge(network))

const layerServers: Layer.Layer<Server | Faults | Activity> = Layer.mergeAll(
  // fresh: a layer that is built already would be the one of the same store
  Layer.provide(Layer.fresh(layerBroker), Layer.fresh(store)),
  Layer.provide(Layer.fresh(layerResultBackend), Layer.fresh(store)),
  layerNotifier,
  faults
).pipe(Layer.provide(hub), Layer.provideMerge(network))

/**
 * `CeleriacMemory.layer` with faults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Faults | Client.Client | Server> = assembled(
  Layer.provideMerge(Client.layer, layerServer)
)

/**
 * `CeleriacMemory.layerTwoStores` with faults.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemoryTwoStores: Layer.Layer<Faults | Client.Client | Server> = assembled(
  Layer.provideMerge(Client.layer, layerServers)
)
