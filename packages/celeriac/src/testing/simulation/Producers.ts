/**
 * The clients of the simulation: programs that enqueue, wait for results, revoke, send again, and forget. When one of them
 * dies, another one goes on where its database (the `progress`) says.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Client from "../../Client.ts"
import type { EnqueueError } from "../../EnqueueError.ts"
import type { TaskHandle } from "../../TaskHandle.ts"
import * as TaskRecord from "../../TaskRecord.ts"
import { tokenOf } from "./Oracle.ts"
import type { PlannedMessage } from "./Plan.ts"
import type { Process } from "./Process.ts"
import { contracts, kill, launch, type Stage } from "./Stage.ts"
import { Limited, Plain } from "./Workload.ts"

/** What is known of a planned message. */
interface Progress {
  /** Of the accepted message. */
  id: string | undefined
  /** How often its own id was sent before. */
  sends: number
  revoked: boolean
  done: boolean
}

type Handle = TaskHandle<unknown, unknown, unknown>

const taskOf = ({ task }: PlannedMessage) => (task === "plain" ? Plain : Limited)

/**
 * @category models
 * @since 0.1.0
 */
export class Producers {
  private readonly stage: Stage
  private readonly progress = new Map<number, Progress>()
  private readonly processes = new Map<number, Process>()
  /** Ids of messages that the client said were not accepted. */
  private readonly refused = new Set<string>()

  constructor(stage: Stage) {
    this.stage = stage
    for (const { index } of stage.plan.messages) {
      this.progress.set(index, { id: undefined, sends: 0, revoked: false, done: false })
    }
  }

  get all(): ReadonlyArray<Process> {
    return Array.from(this.processes.values())
  }

  get isDone(): boolean {
    for (const { done } of this.progress.values()) if (!done) return false
    return true
  }

  /** What is not done yet, for people. */
  get open(): ReadonlyArray<string> {
    return Array.from(this.progress).flatMap(([index, { done, id }]) =>
      done ? [] : [`${index} (${id ?? "not sent"})`]
    )
  }

  start(number: number, generation = 0): void {
    const { stage } = this
    const process = stage.world.process(`p${number}.${generation}`)
    this.processes.set(number, process)
    const messages = stage.plan.messages.filter(({ index, producer }) => producer === number && !this.of(index).done)
    const program = Effect.forEach(messages, (message) => this.tell(process, message), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(Effect.never), Effect.provide(Client.layer.pipe(Layer.provide(contracts(stage, process)))))
    launch(stage, process, program).addObserver((exit) => {
      stage.world.fail("G7", `${process.name} ended: ${String(exit)}`)
    })
  }

  crash(process: Process, why: string): void {
    for (const [number, one] of this.processes) {
      if (one !== process) continue
      this.stage.coverage.happened("producer crash")
      kill(this.stage, process, why)
      this.processes.delete(number)
      const generation = Number(process.name.split(".")[1]) + 1
      this.stage.world.after(300, () => this.start(number, generation))
    }
  }

  /** When everything is over: what clients were told must be what the server has. */
  checkRefused(): void {
    for (const id of this.refused) {
      if (this.stage.oracle.lives.has(id)) this.fail("G1", `${id} was accepted, its client was told that it was not`)
    }
  }

  private of(index: number): Progress {
    return this.progress.get(index)!
  }

  private fail(rule: string, detail: string): void {
    this.stage.world.fail(rule, detail)
  }

  /** The whole story of one message. */
  private tell(process: Process, message: PlannedMessage) {
    const self = this
    return Effect.gen(function* () {
      const progress = self.of(message.index)
      const wait = message.at - self.stage.world.elapsed
      if (wait > 0) yield* Effect.sleep(wait)
      let handle: Handle | undefined
      while (handle === undefined) handle = yield* self.enqueue(message, progress)
      const known = handle
      if (message.again !== undefined) yield* Effect.forkChild(Effect.delay(self.enqueueAgain(message), message.again))
      if (message.revoke !== undefined && !progress.revoked) {
        yield* Effect.forkChild(Effect.delay(self.revoke(known, message, progress), message.revoke.after))
      }
      yield* self.wait(known, message)
      if (message.forget && message.waiting !== "none") {
        yield* known.forget
        const exit = yield* known.poll
        if (Option.isNone(exit) || !isGone(exit.value)) self.fail("forget", `${known.id} is not forgotten`)
      }
      progress.done = true
      self.stage.world.trace(() => `${process.name} is done with ${known.id}`)
    })
  }

  private enqueue(message: PlannedMessage, progress: Progress) {
    const self = this
    const task = taskOf(message)
    return Effect.gen(function* () {
      if (progress.id !== undefined) return yield* task.handle(progress.id, { queue: message.queue })
      progress.sends++
      const result = yield* Effect.result(task.enqueue({ index: message.index }, optionsOf(message)))
      if (Result.isSuccess(result)) {
        const { id } = result.success
        if (!self.stage.oracle.lives.has(id)) self.fail("G1", `${id} is confirmed, and the server never had it`)
        progress.id = id
        return result.success
      }
      const { ids, reason } = result.failure
      switch (reason._tag) {
        case "BrokerUnavailable":
          if (reason.accepted === "no") {
            // own ids are sent again until they are accepted
            for (const id of ids) if (message.id === undefined) self.refused.add(id)
          }
          yield* Effect.sleep(300)
          return undefined
        case "Duplicate":
          self.checkDuplicate(message, progress)
          progress.id = reason.id
          return yield* task.handle(reason.id, { queue: message.queue })
        default:
          self.fail("G1", `message ${message.index} was refused: ${result.failure.message}`)
          return yield* Effect.never
      }
    })
  }

  private checkDuplicate({ id, index }: PlannedMessage, { sends }: Progress): void {
    if (id === undefined) this.fail("G1", `message ${index} was refused as a duplicate, and nobody else has its id`)
    else if (sends === 1) this.fail("G1", `${id} was refused as a duplicate of itself`)
    else if (!this.stage.oracle.lives.has(id)) this.fail("G1", `${id} was refused as a duplicate of nothing`)
  }

  private enqueueAgain(message: PlannedMessage) {
    return Effect.map(
      Effect.result(taskOf(message).enqueue({ index: message.index }, optionsOf(message))),
      (result: Result.Result<Handle, EnqueueError>) => {
        if (Result.isSuccess(result)) this.fail("G1", `${message.id} was accepted a second time`)
      }
    )
  }

  private revoke(handle: Handle, message: PlannedMessage, progress: Progress) {
    return Effect.map(handle.revoke({ waitingOnly: message.revoke!.waitingOnly }), (revoked) => {
      progress.revoked = true
      this.stage.world.trace(() => `${handle.id} is revoked: ${revoked}`)
      const state = this.recordOf(handle.id)?.state
      if (revoked !== (state === "revoked")) {
        this.fail("revoke", `${handle.id} was said ${revoked ? "" : "not "}to be revoked, and is ${state}`)
      }
      if (!revoked) return
      this.stage.coverage.happened("revoked")
      const { endedInHand } = this.stage.oracle.lives.get(handle.id)!
      // on two stores a worker may come in between
      if (message.revoke!.waitingOnly && endedInHand && this.stage.plan.stores === "one") {
        this.fail("revoke", `${handle.id} ran, and was to be revoked only while it waited`)
      }
    })
  }

  private wait(handle: Handle, message: PlannedMessage) {
    const self = this
    const told = (exit: Exit.Exit<unknown, unknown>) => self.checkResult(handle, message, exit)
    switch (message.waiting) {
      case "await":
        return Effect.map(Effect.exit(handle.await), told)
      case "follow":
        return Effect.map(Stream.runCollect(handle.changes), (changes) => {
          const last = changes.at(-1)
          if (last?._tag !== "Ended") self.fail("await", `${handle.id}: its changes end with ${last?._tag}`)
          else told(last.exit)
        })
      case "poll":
        return Effect.gen(function* () {
          while (true) {
            const exit = yield* handle.poll
            if (Option.isSome(exit)) return told(exit.value)
            yield* Effect.sleep(700)
          }
        })
      case "none":
        return Effect.void
    }
  }

  private recordOf(id: string): TaskRecord.TaskRecord | undefined {
    const value = this.stage.oracle.recordOf(id)
    return value === undefined ? undefined : Result.getOrUndefined(TaskRecord.decode(value))
  }

  /** What the caller is told must be what the record says. */
  private checkResult({ id }: Handle, message: PlannedMessage, exit: Exit.Exit<unknown, unknown>): void {
    const record = this.recordOf(id)
    if (record === undefined) return this.fail("await", `${id} has ended for its caller, and has no record`)
    const told = tellingOf(exit)
    const kept = message.ignoreResult && record.ending._tag === "Gone" ? "gone" : keptOf(record)
    if (told !== kept && !(told === "gone" && this.stage.oracle.lives.get(id)?.forgotten === true)) {
      this.fail("await", `${id}: its caller was told "${told}", its record says "${kept}"`)
    }
    this.stage.coverage.happened(`ended ${record.state}`)
  }
}

const optionsOf = (message: PlannedMessage): Client.EnqueueOptions => {
  const { delay, early, expires, id, ignoreResult, priority, queue } = message
  return {
    delay,
    expires,
    id,
    priority,
    queue,
    ...(ignoreResult && { ignoreResult }),
    ...(early && { ack: "early" as const })
  }
}

/** An exit in a word: the run whose result it is, or the reason. */
const tellingOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return tokenOf({ _tag: "Success", value: exit.value }) ?? "a success"
  const [reason] = exit.cause.reasons
  if (reason?._tag === "Die")
    return tokenOf({ _tag: "Defect", defect: reason.defect }) ?? `a defect: ${String(reason.defect)}`
  if (reason?._tag !== "Fail") return String(exit.cause)
  const { error } = reason
  if (isGone(exit)) return "gone"
  if (isEnded(error)) return tagOf(error.reason)
  return tokenOf({ _tag: "Error", error }) ?? tagOf(error)
}

/** The same of a record. */
const keptOf = ({ ending }: TaskRecord.TaskRecord): string => {
  if (ending._tag === "Gone") return "gone"
  return tokenOf(ending) ?? (ending._tag === "Reason" ? tagOf(ending.reason) : ending._tag)
}

const isEnded = (error: unknown): error is { readonly reason: unknown } =>
  typeof error === "object" && error !== null && tagOf(error) === "TaskEnded"

const isGone = (exit: Exit.Exit<unknown, unknown>): boolean => {
  if (Exit.isSuccess(exit)) return false
  const [reason] = exit.cause.reasons
  return reason?._tag === "Fail" && isEnded(reason.error) && tagOf(reason.error.reason) === "ResultGone"
}

const tagOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "_tag" in value ? String(value._tag) : String(value)
