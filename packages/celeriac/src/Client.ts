/**
 * The producer's door: sends encoded messages, and finds out what became of them.
 *
 * Programs use it through `Task` and `TaskHandle`; this service is what those stand on.
 *
 * - Publishes that are made at the same time travel together (one round trip), and while the broker is away they wait in
 *   a bounded buffer up to `publishTimeout`. A batch whose reply was lost is sent again under its number, which the server
 *   recognises: no message is accepted twice.
 * - All waiting handles of a program share one subscription and one fallback look, every 5 seconds in groups.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import type { Address, Broker, Publication, Receipt } from "./Broker.ts"
import type { Priority } from "./Defaults.ts"
import type { EnqueueError } from "./EnqueueError.ts"
import * as Publisher from "./internal/Publisher.ts"
import * as Replies from "./internal/Replies.ts"
import type { Notifier } from "./Notifier.ts"
import type { ResultBackend } from "./ResultBackend.ts"
import type { AnyWithProps } from "./Task.ts"
import type { AttemptNote, State, TaskRecord } from "./TaskRecord.ts"

/**
 * Options of one call. Each wins over the Router's, the task's and the worker's.
 *
 * @category models
 * @since 0.1.0
 */
export interface EnqueueOptions {
  /** Own id: 1 to 256 printable ASCII characters without spaces. The same id is accepted once. Default: a new UUIDv7. */
  readonly id?: string | undefined
  readonly queue?: string | undefined
  /** 9 runs first. */
  readonly priority?: Priority | undefined
  /** Not before this much time has passed. */
  readonly delay?: Duration.Input | undefined
  /** Not before this time (ETA); milliseconds since 1970 or a `Date`. Not together with `delay`. */
  readonly at?: Date | number | undefined
  /** Ends as `expired` if it waits past then and no run of it has ended: a span from now, or a `Date`. */
  readonly expires?: Duration.Input | Date | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly resultTtl?: Duration.Input | undefined
  readonly ignoreResult?: boolean | undefined
  /** Number of retries after the first run, in place of the policy's `times`. */
  readonly retries?: number | undefined
  readonly softTimeLimit?: Duration.Input | undefined
  readonly timeLimit?: Duration.Input | undefined
  readonly ack?: "early" | "late" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "State"; readonly state: State }
  | { readonly _tag: "Progress"; readonly value: string }
  | { readonly _tag: "Retrying"; readonly note: AttemptNote }
  /** `None` when the id is not known (any more). */
  | { readonly _tag: "Ended"; readonly record: TaskRecord | undefined }

/**
 * @category services
 * @since 0.1.0
 */
export class Client extends Context.Service<
  Client,
  {
    /** Fails as a whole before anything is sent, or when the broker does not answer; duplicates are told one by one. */
    readonly publish: (messages: ReadonlyArray<Publication>) => Effect.Effect<ReadonlyArray<Receipt>, EnqueueError>
    /** Waits for the record; `undefined` for an id that is not known (any more). Interrupted when the client closes. */
    readonly await: (address: Address) => Effect.Effect<TaskRecord | undefined>
    readonly poll: (address: Address) => Effect.Effect<TaskRecord | undefined>
    readonly state: (address: Address) => Effect.Effect<State | undefined>
    readonly changes: (address: Address) => Stream.Stream<Change>
    /** Whether it is revoked now. `policies`: what its task says of the record, where the message says nothing. */
    readonly revoke: (
      address: Address,
      options: {
        readonly waitingOnly: boolean
        readonly policies?: Pick<AnyWithProps["options"], "resultTtl" | "ignoreResult"> | undefined
      }
    ) => Effect.Effect<boolean>
    readonly forget: (address: Address) => Effect.Effect<void>
  }
>()("celeriac/Client") {}

/**
 * The client on any broker, result backend and notifier.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Client, never, Broker | ResultBackend | Notifier> = Layer.effect(
  Client,
  Effect.gen(function* () {
    const publisher = yield* Publisher.make
    const replies = yield* Replies.make
    return Client.of({ ...publisher, ...replies })
  })
)
