/**
 * Which queue a task's messages go to: a table of patterns for operators, a typed table of functions for programs.
 *
 * The Router is asked at each enqueue, after the options of the call and before the task's own queue. Tables can be
 * stacked: what a table has no entry for goes on to the Router that its layer finds in its surroundings.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export interface Route {
  /** See `validateQueue`. */
  readonly queue: string
  /** 0 to 9, 9 first. Default: the task's. */
  readonly priority?: number | undefined
}

/**
 * What a route is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  /** Name of the task. */
  readonly task: string
  /** As the caller gave it, not encoded. Left out where there is none: `Task.handle` asks for the queue of an id. */
  readonly payload?: unknown
}

/**
 * A routing table cannot be used, or a route of it failed. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class RouteError extends Schema.TaggedError<RouteError>()("RouteError", {
  /** The task that was to be routed, or the pattern that is wrong. */
  route: Schema.String,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `route of "${this.route}": ${this.detail}`
  }
}

/**
 * Names the route of a message; `undefined`: the task's own queue. The default routes nothing.
 *
 * @category services
 * @since 0.1.0
 */
export class Router extends Context.Reference<(request: Request) => Route | undefined>("celeriac/Router", {
  defaultValue: () => nowhere
}) {}

const nowhere = (): undefined => undefined

/**
 * Routes by the task's name: `{ "mail.*": "mail", "*.nightly": { queue: "slow", priority: 1 } }`. `*` stands for any run
 * of characters, also none; the first pattern that fits wins, in the order of the table. Fails if a pattern is empty or a
 * route is not valid.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPatterns = (table: Readonly<Record<string, string | Route>>): Layer.Layer<never, RouteError> =>
  Layer.effect(
    Router,
    Effect.gen(function* () {
      const otherwise = yield* Router
      const entries = yield* Effect.forEach(Object.entries(table), compile)
      return (request) => entries.find(({ fits }) => fits(request.task))?.route ?? otherwise(request)
    })
  )

/**
 * Routes by task and payload: one function per task, with that task's payload. Tasks that are not named, and payloads for
 * which the function returns `undefined`, keep their queue. Asked without a payload (`Task.handle`), the table has no say.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTasks = <T extends Routable>(
  _tasks: { readonly tasks: ReadonlyMap<string, T> },
  routes: NoInfer<{ readonly [Name in T["_tag"]]?: RouteOf<Extract<T, { readonly _tag: Name }>> }>
): Layer.Layer<never> =>
  Layer.effect(
    Router,
    Effect.map(Router, (otherwise) => {
      // a Map, because a task may be called "constructor"; the type says that payloads fit their functions
      const byTask = new Map(
        Object.entries(routes) as Array<[string, ((payload: unknown) => Route | undefined) | undefined]>
      )
      return (request) =>
        ("payload" in request ? byTask.get(request.task)?.(request.payload) : undefined) ?? otherwise(request)
    })
  )

/**
 * What `layerTasks` needs to know of a task.
 *
 * @category models
 * @since 0.1.0
 */
export interface Routable {
  readonly _tag: string
  readonly payloadSchema: Schema.Top
}

/**
 * The function that routes messages of a task.
 *
 * @category models
 * @since 0.1.0
 */
export type RouteOf<T extends Routable> = (payload: T["payloadSchema"]["Type"]) => Route | undefined

/**
 * Asks the Router of the surroundings. Fails with `RouteError` when it throws or names a queue or priority that is not
 * valid.
 *
 * @category routing
 * @since 0.1.0
 */
export const route = (request: Request): Effect.Effect<Route | undefined, RouteError> =>
  Effect.flatMap(Router, (router) => Effect.fromResult(routeWith(router, request)))

/**
 * Asks the given Router, see `route`.
 *
 * @category routing
 * @since 0.1.0
 */
export const routeWith = (
  router: (request: Request) => Route | undefined,
  request: Request
): Result.Result<Route | undefined, RouteError> =>
  router === nowhere
    ? noRoute
    : Result.try({
        try: () => router(request),
        catch: (cause) => new RouteError({ route: request.task, detail: "the routing function threw an error", cause })
      }).pipe(Result.flatMap((found) => (found === undefined ? noRoute : checked(request.task, found))))

const noRoute = Result.succeed(undefined)

const checked = (name: string, found: Route): Result.Result<Route, RouteError> => {
  const detail = validateQueue(found.queue) ?? validatePriority(found.priority)
  return detail === undefined ? Result.succeed(found) : Result.fail(new RouteError({ route: name, detail }))
}

const validatePriority = (priority: number | undefined): string | undefined =>
  priority === undefined || (Number.isInteger(priority) && priority >= 0 && priority <= 9)
    ? undefined
    : "the priority must be a whole number from 0 to 9, 9 runs first."

/**
 * What is wrong with a queue's name, in a sentence that says what to do; `undefined` when nothing is. A name has 1 to 128
 * characters out of `A-Z a-z 0-9 _ . : -`: it becomes part of keys and channels, where braces choose a server, `*` and `?`
 * are wildcards, and anything beyond ASCII has more than one spelling.
 *
 * @category guards
 * @since 0.1.0
 */
export const validateQueue = (name: string): string | undefined => {
  if (typeof name !== "string") return `the name of a queue must be text: give a string.`
  if (/^[A-Za-z0-9_.:-]{1,128}$/.test(name)) return undefined
  const shown = JSON.stringify(name.slice(0, 128))
  if (name.length === 0) return "the name of a queue is empty: give at least one character."
  if (name.length > 128) return `the name of queue ${shown}… has ${name.length} characters: use at most 128.`
  const wrong = complaints.find(([pattern]) => pattern.test(name))?.[1] ?? "a character that is not allowed"
  return `the name of queue ${shown} contains ${wrong}: use letters A-Z and a-z, digits, and _ . : - only.`
}

const complaints: ReadonlyArray<readonly [RegExp, string]> = [
  [/[{}]/, "a brace, which chooses the server in a Redis Cluster"],
  [/[*?[\]]/, "a wildcard (* ? [ ])"],
  [/\p{Cc}/u, "a control character"],
  [/\s/u, "a space"],
  [/[^\p{ASCII}]/u, "a character beyond ASCII, which could be spelled in more than one way"]
]

const compile = ([pattern, target]: readonly [string, string | Route]) =>
  pattern.length === 0
    ? Effect.fail(new RouteError({ route: pattern, detail: "the pattern is empty: write * for every task." }))
    : Effect.map(
        Effect.fromResult(checked(pattern, typeof target === "string" ? { queue: target } : target)),
        (route) => ({ route, fits: matcher(pattern) })
      )

/** The parts between the stars must stand in the name in their order; linear in the length of the name. */
const matcher = (pattern: string): ((name: string) => boolean) => {
  const [head = "", ...rest] = pattern.split("*")
  const tail = rest.pop()
  if (tail === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(head) || !name.endsWith(tail)) return false
    let at = head.length
    for (const part of rest) {
      const found = name.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return at <= name.length - tail.length
  }
}
