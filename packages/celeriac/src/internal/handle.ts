/**
 * A handle: the client's encoded answers, decoded with the schemas of the task. Getters make each member at its use, for
 * most of a batch's handles are never used.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Address } from "../Broker.ts"
import type * as Client from "../Client.ts"
import type { AnyWithProps } from "../Task.ts"
import { ResultGone, TaskEnded } from "../TaskEnded.ts"
import type { Change, TaskHandle } from "../TaskHandle.ts"
import type { Ending, TaskRecord } from "../TaskRecord.ts"
import { decodeDefect, decodeReason } from "./codecs.ts"

export class Handle implements TaskHandle<unknown, unknown, unknown> {
  readonly id: string
  readonly queue: string
  private readonly definition: AnyWithProps
  private readonly client: Client.Client["Service"]
  /** The services that the task's schemas may need. */
  private readonly context: Context.Context<never>

  constructor(
    definition: AnyWithProps,
    { id, queue }: Address,
    client: Client.Client["Service"],
    context: Context.Context<never>
  ) {
    this.id = id
    this.queue = queue
    this.definition = definition
    this.client = client
    this.context = context
  }

  get task() {
    return this.definition._tag
  }

  get await() {
    return Effect.flatten(Effect.flatMap(this.client.await(this), (record) => this.exitOfRecord(record)))
  }

  get poll() {
    return Effect.flatMap(this.client.poll(this), (record) =>
      record === undefined ? Effect.succeedNone : Effect.asSome(this.exitOf(record.ending))
    )
  }

  get state() {
    return Effect.map(this.client.state(this), Option.fromUndefinedOr)
  }

  get changes(): Stream.Stream<Change<unknown, unknown, unknown>> {
    return this.client.changes(this).pipe(
      Stream.mapEffect((change) => this.decodeChange(change)),
      Stream.filter(Option.isSome),
      Stream.map((change) => change.value)
    )
  }

  get revoke(): TaskHandle<unknown, unknown, unknown>["revoke"] {
    return (options) =>
      this.client.revoke(this, { waitingOnly: options?.waitingOnly ?? false, policies: this.definition.options })
  }

  get forget() {
    return this.client.forget(this)
  }

  private decodeChange(change: Client.Change): Effect.Effect<Option.Option<Change<unknown, unknown, unknown>>> {
    switch (change._tag) {
      case "State":
        return Effect.succeedSome(change)
      case "Progress":
        return Effect.suspend(() => this.definition["~codecs"]().progress.decode(JSON.parse(change.value))).pipe(
          Effect.map((value) => ({ _tag: "Progress" as const, value })),
          Effect.provideContext(this.context),
          // progress is for people: a value that cannot be read ends nothing
          Effect.option
        )
      case "Retrying": {
        const { attempt, ending } = change.note
        // an attempt that is followed by another did not succeed
        return Effect.map(this.exitOf(ending), (exit) =>
          Exit.isFailure(exit)
            ? Option.some({ _tag: "Retrying", attempt, exit: Exit.failCause(exit.cause) })
            : Option.none()
        )
      }
      case "Ended":
        return Effect.map(this.exitOfRecord(change.record), (exit) =>
          Option.some({ _tag: "Ended", state: change.record?.state, exit })
        )
    }
  }

  private exitOfRecord(record: TaskRecord | undefined): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return record === undefined
      ? Effect.succeed(gone(this, "nothing is known of it: the time of its result is over, or it was never enqueued"))
      : this.exitOf(record.ending)
  }

  private exitOf(ending: Ending): Effect.Effect<Exit.Exit<unknown, unknown>> {
    switch (ending._tag) {
      case "Success":
        return this.decode(this.definition["~codecs"]().success.decode(ending.value), Exit.succeed)
      case "Error":
        return this.decode(this.definition["~codecs"]().error.decode(ending.error), Exit.fail)
      case "Defect":
        return Effect.succeed(Exit.die(decodeDefect(ending.defect)))
      case "Reason":
        return Effect.succeed(ended(this, decodeReason(ending.reason)))
      case "Gone":
        return Effect.succeed(gone(this, "it ended; its result was not kept (ignoreResult, or it was forgotten)"))
    }
  }

  /** A result that this program's schema does not fit any more (a deploy in between) is a defect that says so. */
  private decode(
    value: Effect.Effect<unknown, unknown>,
    into: (value: unknown) => Exit.Exit<unknown, unknown>
  ): Effect.Effect<Exit.Exit<unknown, unknown>> {
    return Effect.map(Effect.exit(Effect.provideContext(value, this.context)), (exit) =>
      Exit.isSuccess(exit)
        ? into(exit.value)
        : Exit.die(
            new Error(`the result of task "${this.task}" (${this.id}) does not fit its schema`, { cause: exit.cause })
          )
    )
  }
}

const ended = ({ id, task }: Handle, reason: TaskEnded["reason"]): Exit.Exit<never, TaskEnded> =>
  Exit.fail(new TaskEnded({ id, task, reason }))

const gone = (handle: Handle, detail: string) => ended(handle, new ResultGone({ detail }))
