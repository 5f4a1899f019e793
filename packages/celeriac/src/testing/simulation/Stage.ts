/**
 * All that one run of the simulation is made of.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { Broker } from "../../Broker.ts"
import { Defaults } from "../../Defaults.ts"
import { Notifier } from "../../Notifier.ts"
import { ResultBackend } from "../../ResultBackend.ts"
import type { Coverage } from "./Coverage.ts"
import type { Send, Server } from "./Driver.ts"
import type { Ledger } from "./Ledger.ts"
import type { Network } from "./Network.ts"
import type { Oracle } from "./Oracle.ts"
import type { Plan } from "./Plan.ts"
import type { Process } from "./Process.ts"
import type { World } from "./World.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Stage {
  readonly world: World
  readonly plan: Plan
  readonly server: Server
  readonly network: Network
  readonly ledger: Ledger
  readonly oracle: Oracle
  readonly coverage: Coverage
  /** Subscriptions of each process as the server has them: those of a dead one stay for a while. */
  readonly subscriptions: Map<Process, Set<Scope.Closeable>>
}

/**
 * Starts a program in a process: with its clock, its log, and what the simulation wants to know of it.
 *
 * @category running
 * @since 0.1.0
 */
export const launch = <A, E>(stage: Stage, process: Process, program: Effect.Effect<A, E>) =>
  Effect.runForkWith(
    process.context.pipe(
      Context.add(Logger.CurrentLoggers, new Set([logger(stage, process)])),
      Context.add(Defaults, { ...Context.get(process.context, Defaults), publishTimeout: Duration.seconds(2) })
    )
  )(program)

const logger = ({ coverage, ledger, world }: Stage, process: Process) =>
  Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    const text = Array.isArray(message) ? message.join(" ") : String(message)
    world.trace(() => `${process.name} ${logLevel}: ${text}`)
    if (text.includes("did not end within")) {
      coverage.happened("abandoned")
      ledger.abandon(process, String(fiber.getRef(References.CurrentLogAnnotations)["id"]))
    }
    // what people are told of their messages is no failure of the worker
    if (text.startsWith("task ") || (logLevel !== "Error" && logLevel !== "Fatal")) return
    world.fail("G7", `${process.name}: ${text} ${Cause.pretty(cause)}`)
  })

/**
 * The contracts as one process has them: its commands go through the network, pushes too, and what it is given is noted.
 *
 * @category layers
 * @since 0.1.0
 */
export const contracts = (stage: Stage, process: Process): Layer.Layer<Broker | ResultBackend | Notifier> => {
  const { ledger, network, oracle, server, subscriptions, world } = stage
  const send: Send = (command, execute) => network.send(process, command, execute)

  const broker = Layer.effect(
    Broker,
    Effect.map(Broker, (inner): Broker["Service"] => ({
      ...inner,
      consume: (options) =>
        Effect.map(inner.consume(options), (consumer) => ({
          ...consumer,
          claim: (demand) =>
            Effect.suspend(() => {
              oracle.suspects.claims(process, demand)
              return Effect.tap(consumer.claim(demand), ({ deliveries }) =>
                Effect.sync(() => {
                  if (deliveries.length > demand.count) {
                    world.fail("demand", `${process.name} asked for ${demand.count} and got ${deliveries.length}`)
                  }
                  for (const delivery of deliveries) ledger.receive(process, delivery)
                })
              )
            }),
          reconcile: (held) =>
            Effect.tap(consumer.reconcile(held), ({ found }) =>
              Effect.sync(() => found.forEach((delivery) => ledger.find(process, delivery)))
            )
        }))
    }))
  )

  const notifier = Layer.effect(
    Notifier,
    Effect.map(Notifier, (inner): Notifier["Service"] => ({
      ...inner,
      subscribe: (channel, subscriber) =>
        Effect.gen(function* () {
          const scope = Scope.makeUnsafe()
          const scopes = subscriptions.get(process) ?? new Set()
          subscriptions.set(process, scopes.add(scope))
          const leave = network.onReset(process, subscriber.onReset)
          yield* Effect.addFinalizer(() =>
            Effect.suspend(() => {
              leave()
              scopes.delete(scope)
              return Scope.close(scope, Exit.void)
            })
          )
          yield* inner
            .subscribe(channel, {
              onMessage: (message) => network.push(process, () => subscriber.onMessage(message)),
              onReset: () => process.post(subscriber.onReset)
            })
            .pipe(Effect.provideService(Scope.Scope, scope))
        })
    }))
  )

  return Layer.mergeAll(broker, notifier, Layer.effect(ResultBackend, ResultBackend)).pipe(
    Layer.provide(server.connect(send))
  )
}

/**
 * The process is no more. Nothing of it runs again; the server finds out later.
 *
 * @category running
 * @since 0.1.0
 */
export const kill = (stage: Stage, process: Process, why: string): void => {
  if (process.state === "dead") return
  const { ledger, network, plan, subscriptions, world } = stage
  world.trace(() => `${process.name} dies ${why}`)
  process.die()
  ledger.lose(process)
  network.abandon(process)
  const scopes = subscriptions.get(process)
  subscriptions.delete(process)
  world.after(world.dice(process.name, "noticed").between(0, plan.lease), () =>
    Effect.forEach(scopes ?? [], (scope) => Scope.close(scope, Exit.void), { discard: true })
  )
}
