/**
 * Tasks that are served together: one exhaustive table of handlers, one entry in `Worker.layer`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { isObject } from "./internal/misuse.ts"
import * as Task from "./Task.ts"
import type { Running, TaskContext } from "./TaskContext.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~celeriac/TaskGroup"

/**
 * @category models
 * @since 0.1.0
 */
export interface TaskGroup<T extends Task.AnyWithProps> {
  readonly [TypeId]: typeof TypeId
  /** By name. */
  readonly tasks: ReadonlyMap<string, T>
  /** Also those whose name another one has: a worker refuses them. */
  readonly "~all": ReadonlyArray<T>
  readonly "~handler": T["~handler"]
  readonly add: <const Ts extends ReadonlyArray<Task.AnyWithProps>>(...tasks: Ts) => TaskGroup<T | Ts[number]>
  readonly merge: <T2 extends Task.AnyWithProps>(that: TaskGroup<T2>) => TaskGroup<T | T2>
  /** One handler for each task: a missing one and a superfluous one are compile errors. */
  readonly toLayer: <const H extends Handlers<T>, EX = never, RX = never>(
    handlers: (H & NoOthers<H, T>) | Effect.Effect<H & NoOthers<H, T>, EX, RX>
  ) => Layer.Layer<T["~handler"] & {}, EX, Exclude<RX, Scope> | Requirements<T, H> | Task.ServicesWorker<T>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: typeof TypeId
  readonly tasks: ReadonlyMap<string, Task.AnyWithProps>
  readonly "~all": ReadonlyArray<Task.AnyWithProps>
  readonly "~handler": unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export type Handlers<T extends Task.AnyWithProps> = {
  // `any`: the requirements are inferred from the table that is given
  readonly [Current in T as Current["_tag"]]: Task.Handler<Current, any>
}

// what no handler is: the compiler prints it as the reason
type NoOthers<H, T extends Task.AnyWithProps> = {
  readonly [K in Exclude<keyof H, T["_tag"]>]: { readonly "the group has no task of this name": K }
}

type Requirements<T extends Task.AnyWithProps, H> = {
  // `any`: a constraint that each handler meets
  [K in keyof H]: H[K] extends (...args: any) => Effect.Effect<any, any, infer R>
    ? Exclude<
        R,
        TaskContext | Running<K & string> | Scope | Extract<T, { readonly _tag: K }>["middlewares"][number]["~provides"]
      >
    : never
}[keyof H]

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Ts extends ReadonlyArray<Task.AnyWithProps>>(...tasks: Ts): TaskGroup<Ts[number]> =>
  // `~handler` is a phantom
  makeGroup(tasks) as TaskGroup<Ts[number]>

/**
 * @category guards
 * @since 0.1.0
 */
export const isGroup = (value: unknown): value is Any => isObject(value) && value[TypeId] === TypeId

const makeGroup = (tasks: ReadonlyArray<Task.AnyWithProps>): unknown => ({
  [TypeId]: TypeId,
  // what is no task is left to the worker, which says so
  tasks: new Map(tasks.filter(Task.isTask).map((task) => [task._tag, task])),
  "~all": tasks,
  add: (...more: ReadonlyArray<Task.AnyWithProps>) => makeGroup([...tasks, ...more]),
  merge: (that: TaskGroup<Task.AnyWithProps>) => makeGroup([...tasks, ...(isGroup(that) ? that["~all"] : [that])]),
  toLayer: (build: Table | Effect.Effect<Table>) =>
    Layer.effectContext(
      Effect.gen(function* () {
        const services = yield* Effect.context<never>()
        const handlers = Effect.isEffect(build) ? yield* build : build
        return Task.registered(
          tasks
            .filter(Task.isTask)
            // a task may be called "constructor"
            .filter((task) => isObject(handlers) && Object.hasOwn(handlers, task._tag))
            .map((task) => ({ task, run: handlers[task._tag]!, services }))
        )
      })
    )
})

type Table = Readonly<Record<string, Task.HandlerFunction>>
