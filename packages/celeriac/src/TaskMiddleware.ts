/**
 * Code around handlers, as a service: what it provides leaves the handler's requirements, its error joins the task's.
 *
 * ```ts nocheck
 * class Tenant extends TaskMiddleware.Service<Tenant, CurrentTenant>()("app/Tenant", { error: NoTenant }) {}
 * class Invoice extends Task.make("invoice.make", { payload: { order: Schema.String } }).middleware(Tenant) {}
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Info } from "./TaskContext.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~celeriac/TaskMiddleware"

/**
 * The handler's result: a middleware can wait for it and pass it on, not make one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Success {
  readonly "~celeriac/TaskMiddleware/Success": never
}

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskMiddleware<Provides, E> {
  (
    run: Effect.Effect<Success, E, Provides>,
    info: Info & {
      /** The decoded payload. */
      readonly payload: unknown
    }
  ): Effect.Effect<Success, E>
}

/**
 * @category models
 * @since 0.1.0
 */
// `any`: the identifier and shape of some middleware, in a constraint position
export interface Any extends Context.Key<any, any> {
  readonly [TypeId]: typeof TypeId
  readonly error: Schema.Top
  readonly "~provides": unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, Provides, E extends Schema.Top> extends Context.Service<
  Self,
  TaskMiddleware<Provides, E["Type"]>
> {
  new (_: never): Context.ServiceClass.Shape<Id, TaskMiddleware<Provides, E["Type"]>>
  readonly [TypeId]: typeof TypeId
  readonly error: E
  readonly "~provides": Provides
}

/**
 * Declares a middleware: what it provides to handlers, and the error that it may end them with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service =
  <Self, Provides = never>() =>
  <const Id extends string, E extends Schema.Top = Schema.Never>(
    id: Id,
    options?: { readonly error?: E }
  ): ServiceClass<Self, Id, Provides, E> =>
    Object.assign(Context.Service<Self, TaskMiddleware<Provides, E["Type"]>>(id), {
      [TypeId]: TypeId,
      error: options?.error ?? Schema.Never
      // the class type adds a phantom constructor and `~provides`, which have no value
    }) as unknown as ServiceClass<Self, Id, Provides, E>
