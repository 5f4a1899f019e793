/** A worker of this process that can be killed as if it were a process of its own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Broker, type Consumer } from "../../Broker.ts"
import { Client } from "../../Client.ts"
import { fiberPool } from "../../internal/FiberPool.ts"
import { Notifier } from "../../Notifier.ts"
import { Pool, type Runner, type Running, type Work } from "../../Pool.ts"
import { ResultBackend } from "../../ResultBackend.ts"

export const killable = <A, E, R>(
  layer: Layer.Layer<A, E, R>
): readonly [layer: Layer.Layer<A, E, R | Broker | ResultBackend | Notifier>, kill: Effect.Effect<void>] => {
  const lives = new Set<Life>()
  const guarded = Layer.effectContext(
    Effect.gen(function* () {
      const context = yield* Effect.context<R | Broker | ResultBackend | Notifier>()
      const outer = yield* Effect.scope
      const life = new Life(outer)
      lives.add(life)
      yield* Effect.addFinalizer((exit) => {
        lives.delete(life)
        return life.close(exit)
      })
      return yield* Layer.buildWithScope(Layer.fresh(layer), life.scope).pipe(
        Effect.provideContext(guard(context, life))
      )
    })
  )
  // each build is another process
  return [Layer.fresh(guarded), Effect.suspend(() => Effect.forEach(lives, (life) => life.kill, { discard: true }))]
}

/** One build of the layer. */
class Life {
  dead = false
  readonly scope = Scope.makeUnsafe()
  readonly running = new Map<Work, Running>()
  /** Of its consumers: closing one tells the server, which the dead cannot. */
  readonly consumers: Array<Scope.Closeable> = []
  readonly subscriptions: Array<Scope.Closeable> = []
  private readonly outer: Scope.Scope

  constructor(outer: Scope.Scope) {
    this.outer = outer
  }

  readonly kill: Effect.Effect<void> = Effect.suspend(() => {
    if (this.dead) return Effect.void
    this.dead = true
    for (const running of this.running.values()) running.stop("released")
    return Effect.andThen(
      Effect.forEach(this.subscriptions, (scope) => Scope.close(scope, Exit.void), { discard: true }),
      // its finalizers may take their time; a process that was killed is waited for by nobody
      Effect.forkIn(Scope.close(this.scope, Exit.void), this.outer)
    ).pipe(Effect.asVoid)
  })

  readonly close = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
    Effect.andThen(
      Scope.close(this.scope, exit),
      Effect.forEach(this.consumers, (scope) => Scope.close(scope, exit), { discard: true })
    )

  /** No reply reaches the dead, and no command leaves them. */
  alive<B, E, R>(effect: Effect.Effect<B, E, R>, afterwards: Effect.Effect<B> = Effect.never): Effect.Effect<B, E, R> {
    return Effect.suspend(() =>
      this.dead ? afterwards : Effect.flatMap(Effect.exit(effect), (exit) => (this.dead ? afterwards : exit))
    )
  }
}

const guard = <R>(
  context: Context.Context<R | Broker | ResultBackend | Notifier>,
  life: Life
): Context.Context<R | Broker | ResultBackend | Notifier> => {
  const pool = Option.getOrElse(Context.getOption(context, Pool), () => fiberPool)
  const client = Context.getOption(context, Client)
  return context.pipe(
    Context.add(Broker, guardBroker(Context.get(context, Broker), life)),
    Context.add(ResultBackend, guardResults(Context.get(context, ResultBackend), life)),
    Context.add(Notifier, guardNotifier(Context.get(context, Notifier), life)),
    Context.add(Pool, guardPool(pool, life)),
    (guarded) => (Option.isSome(client) ? Context.add(guarded, Client, guardClient(client.value, life)) : guarded)
  )
}

const guardBroker = (broker: Broker["Service"], life: Life): Broker["Service"] => ({
  ...broker,
  publish: (batch) => life.alive(broker.publish(batch)),
  end: (terminations, meant) => life.alive(broker.end(terminations, meant)),
  overdue: (limits) => life.alive(broker.overdue(limits)),
  locate: (addresses) => life.alive(broker.locate(addresses)),
  forget: (addresses, tombstone) => life.alive(broker.forget(addresses, tombstone)),
  consume: (options) =>
    Effect.gen(function* () {
      const own = Scope.makeUnsafe()
      life.consumers.push(own)
      yield* Effect.addFinalizer((exit) => (life.dead ? Effect.void : Scope.close(own, exit)))
      return guardConsumer(yield* Scope.provide(broker.consume(options), own), life)
    })
})

const guardConsumer = (consumer: Consumer, life: Life): Consumer => ({
  id: consumer.id,
  claim: (demand) => life.alive(consumer.claim(demand)),
  renew: life.alive(consumer.renew),
  recover: (suspect) => life.alive(consumer.recover(suspect)),
  reconcile: (held) => life.alive(consumer.reconcile(held)),
  // an answer that lets the dead worker end: it settles nothing
  settle: (settlements) =>
    life.alive(
      consumer.settle(settlements),
      Effect.sync(() => settlements.map(() => "refused" as const))
    )
})

const guardResults = (results: ResultBackend["Service"], life: Life): ResultBackend["Service"] => ({
  ...results,
  commit: (commits) =>
    life.alive(
      results.commit(commits),
      Effect.sync(() => commits.map(() => "lost" as const))
    ),
  note: (notes) =>
    life.alive(
      results.note(notes),
      Effect.sync(() => notes.map(() => "refused" as const))
    ),
  read: (addresses) => life.alive(results.read(addresses), Effect.succeed([]))
})

/** A dead process listens to nothing, at once: who listens counts as told. */
const guardNotifier = (notifier: Notifier["Service"], life: Life): Notifier["Service"] => ({
  publish: (channel, message) => life.alive(notifier.publish(channel, message)),
  subscribe: (channel, subscriber) =>
    Effect.gen(function* () {
      const own = Scope.makeUnsafe()
      life.subscriptions.push(own)
      yield* Effect.addFinalizer((exit) => Scope.close(own, exit))
      yield* Scope.provide(notifier.subscribe(channel, subscriber), own)
    })
})

/** A handler's finalizers may call it: they end as if they had been cut off themselves. */
const guardClient = (client: Client["Service"], life: Life): Client["Service"] => ({
  ...client,
  publish: (messages) => life.alive(client.publish(messages), Effect.interrupt),
  await: (address) => life.alive(client.await(address), Effect.interrupt),
  revoke: (address, options) => life.alive(client.revoke(address, options), Effect.interrupt),
  forget: (address) => life.alive(client.forget(address), Effect.interrupt)
})

const guardPool = (pool: Pool["Service"], life: Life): Pool["Service"] => ({
  make: (options) =>
    Effect.map(pool.make(options), (runner): Runner => ({
      start: (work, listener) => {
        if (life.dead) {
          listener.onEnd({ _tag: "Released" })
          return { stop: () => false }
        }
        // it may end before `start` returns
        let ended = false
        const running = runner.start(work, {
          onProgress: listener.onProgress,
          onEnd: (outcome) => {
            ended = true
            life.running.delete(work)
            listener.onEnd(outcome)
          }
        })
        if (!ended) life.running.set(work, running)
        return running
      }
    }))
})
