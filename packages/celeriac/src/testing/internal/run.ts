/** One run of a task in place: everything that a message goes through, except for the broker. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Publication } from "../../Broker.ts"
import { Client, type EnqueueOptions } from "../../Client.ts"
import { Defaults } from "../../Defaults.ts"
import type { EnqueueError } from "../../EnqueueError.ts"
import { stopped } from "../../internal/conclude.ts"
import * as Enqueue from "../../internal/enqueue.ts"
import { fiberPool } from "../../internal/FiberPool.ts"
import * as Message from "../../Message.ts"
import * as Outcome from "../../Outcome.ts"
import type { Stop } from "../../Pool.ts"
import * as Task from "../../Task.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import * as TimeLimit from "../../TimeLimit.ts"

export interface RunOptions extends Omit<EnqueueOptions, "delay" | "at"> {
  readonly attempt?: number | undefined
  readonly deliveries?: number | undefined
  readonly revokeWhen?: Effect.Effect<unknown> | undefined
}

export interface Ran {
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  readonly state: TaskRecord.State
  readonly delay: number | undefined
  readonly progress: ReadonlyArray<unknown>
  readonly deadLetter: string | undefined
  /** The end as it would be stored. */
  readonly ending: TaskRecord.Ending | undefined
}

/** As the worker's default. Milliseconds. */
const grace = 5000

const worker = "test"

export const run = Effect.fnUntraced(function* (
  task: Task.AnyWithProps,
  payload: unknown,
  options: RunOptions = {}
): Effect.fn.Return<Ran, EnqueueError, Scope> {
  const defaults = yield* Defaults
  const handler = yield* handlerOf(task)
  const { attempt = 1, deliveries = 1, revokeWhen, ...call } = options
  const { handle, message: first, remember } = yield* enqueued(task, payload, call)
  const startedAt = yield* Clock.currentTimeMillis
  const attempts = attempt - 1
  const message = yield* onTheWire({
    ...first,
    ...(attempts > 0 && { attempts, attemptTimes: [startedAt, startedAt] as const })
  })
  const { limits } = TimeLimit.resolve({ call: TimeLimit.decode(message), task: task.options })

  const progress: Array<string> = []
  const ended = Deferred.makeUnsafe<Outcome.Outcome>()
  const runner = yield* fiberPool.make({ worker, grace, handlers: new Map([[task._tag, handler]]) })
  const running = runner.start(
    { message, limits, startedAt, deliveries },
    {
      onEnd: (outcome) => void Deferred.doneUnsafe(ended, Exit.succeed(outcome)),
      onProgress: (value) => void progress.push(value)
    }
  )
  const stop = (why: Stop) => Effect.sync(() => running.stop(why))
  /** The soft limit, the hard one, and the end of the grace: as the worker does it. */
  const abandoned = Effect.gen(function* () {
    const { hard, soft } = limits
    if (soft === undefined && hard === undefined) return yield* Effect.never
    if (soft !== undefined) {
      yield* Effect.sleep(soft)
      const ending = yield* stop("soft")
      // a region took it, and nothing limits the run further
      if (!ending && hard === undefined) return yield* Effect.never
    }
    if (hard !== undefined) yield* Effect.andThen(Effect.sleep(hard - (soft ?? 0)), stop("hard"))
    yield* Effect.sleep(grace)
    return yield* (
      running.concluded?.() ??
      stopped({ task, message, limits, startedAt, grace }, hard === undefined ? "soft" : "hard")
    )
  })
  const revoked = Effect.andThen(revokeWhen ?? Effect.never, Effect.andThen(stop("revoked"), Effect.never))
  const outcome = yield* Deferred.await(ended).pipe(
    Effect.raceFirst(abandoned),
    Effect.raceFirst(revoked),
    Effect.onInterrupt(() => Effect.andThen(stop("released"), Deferred.await(ended)))
  )

  const { disposition, state } = Outcome.settle(outcome, {
    message,
    wire: Message.encode(message),
    deliveries,
    maxDeliveries: task.options.maxDeliveries ?? defaults.maxDeliveries,
    worker,
    startedAt,
    endedAt: yield* Clock.currentTimeMillis,
    resultTtl: Duration.toMillis(defaults.resultTtl),
    dedupeWindow: Duration.toMillis(defaults.dedupeWindow),
    // the test wants to see it, whoever keeps it
    ignoreResult: false,
    unknownTaskWindow: 0,
    maxResultSize: defaults.maxResultSize
  })
  const ending =
    disposition._tag === "Ack"
      ? disposition.record && Result.getOrUndefined(TaskRecord.decode(disposition.record.value))?.ending
      : disposition.note && TaskRecord.decodeAttempt(disposition.note.value)?.ending
  if (ending !== undefined) remember(ending)
  const exit = ending === undefined ? undefined : Option.getOrUndefined(yield* handle.poll)
  const codecs = task["~codecs"]()
  return {
    exit,
    state,
    delay: disposition._tag === "Ack" ? undefined : disposition.delay,
    deadLetter: disposition._tag === "Ack" ? disposition.dead : undefined,
    progress: yield* Effect.forEach(progress, (value) => Effect.orDie(codecs.progress.decode(JSON.parse(value)))),
    ending
  }
}, Effect.scoped)

const handlerOf = Effect.fnUntraced(function* (task: Task.AnyWithProps) {
  const handler = Task.registeredIn(yield* Effect.context<never>()).get(task._tag)
  return (
    handler ??
    (yield* Effect.die(new Error(`task "${task._tag}" has no handler here: provide the Layer that its toLayer makes`)))
  )
})

/** The message as `enqueue` writes it and a worker reads it, and a handle whose results are put there by hand. */
const enqueued = Effect.fnUntraced(function* (task: Task.AnyWithProps, payload: unknown, options: EnqueueOptions) {
  let sent: Publication | undefined
  let record: TaskRecord.TaskRecord | undefined
  const found = Effect.sync(() => record)
  const nothing = Effect.die(new Error("there is no broker in this run"))
  const client: Client["Service"] = {
    publish: (messages) =>
      Effect.sync(() => {
        sent = messages[0]
        return messages.map(() => "accepted" as const)
      }),
    await: () => found,
    poll: () => found,
    state: () => nothing,
    changes: () => Stream.fromEffect(nothing),
    revoke: () => nothing,
    forget: () => nothing
  }
  const handle = yield* Effect.provideService(Enqueue.one(task, payload, options), Client, client)
  const remember = (ending: TaskRecord.Ending): void => {
    record = { state: "succeeded", endedAt: 0, attempts: 1, ending }
  }
  return { handle, message: yield* decoded(handle, sent!.wire), remember }
})

const decoded = (address: { readonly id: string; readonly queue: string }, wire: string) =>
  Result.match(Message.decode(address, wire), {
    onSuccess: Effect.succeed,
    onFailure: ({ detail }) => Effect.die(new Error(`the message cannot be read back: ${detail}`))
  })

const onTheWire = (message: Message.Message) => decoded(message, Message.encode(message))
