/**
 * A call of a task as a value: the unit that is sent in batches and, later, wired into pipelines.
 *
 * @since 0.1.0
 */
import type { EnqueueOptions } from "./Client.ts"
import type { AnyWithProps } from "./Task.ts"
import type { TaskHandle } from "./TaskHandle.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Signature<out Name extends string, out A, out E, out P = never, out R = never> {
  readonly task: AnyWithProps
  readonly payload: unknown
  readonly options: EnqueueOptions
  readonly "~types"?: { readonly name: Name; readonly handle: TaskHandle<A, E, P>; readonly services: R }
}

/**
 * @category models
 * @since 0.1.0
 */
export declare namespace Signature {
  /** Any signature. */
  export type Any = Signature<string, unknown, unknown, unknown, unknown>
  /** The handle that sending it gives. */
  export type Handle<S extends Any> =
    S extends Signature<string, infer A, infer E, infer P, infer _R> ? TaskHandle<A, E, P> : never
  /** The services that sending it needs. */
  export type Services<S extends Any> = S extends Signature<string, infer _A, infer _E, infer _P, infer R> ? R : never
}
