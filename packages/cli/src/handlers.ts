/** Loads the handlers of a module: from a path to what a worker needs, or a failure that says what to do. */
import { statSync } from "node:fs"
import { extname, isAbsolute, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { type Broker, type Client, type Notifier, type ResultBackend, Task, TaskGroup } from "celeriac"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import { CommandFailure } from "./failure.ts"

/** What handlers may use without providing it. */
export type Surroundings = Broker.Broker | Client.Client | Notifier.Notifier | ResultBackend.ResultBackend

/** A Layer that a module exports, under this name. */
export interface Exported {
  readonly name: string
  readonly layer: Layer.Layer<never, unknown, Surroundings>
}

const example = "for example: export default SendMail.toLayer((payload) => …)"

/** Imports a module and picks the Layers of it that are meant. */
export const load = Effect.fnUntraced(function* (
  path: string,
  only: string | undefined
): Effect.fn.Return<ReadonlyArray<Exported>, CommandFailure> {
  const file = yield* locate(path)
  const module = yield* Effect.tryPromise({
    try: (): Promise<Record<string, unknown>> => import(pathToFileURL(file).href),
    catch: (thrown) => loadFailure(path, thrown)
  })
  return yield* pick(path, module, only)
})

const locate = (path: string): Effect.Effect<string, CommandFailure> => {
  const file = resolve(path)
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() === true) return Effect.succeed(file)
  const shown = isAbsolute(path) ? path : `${path} (in ${process.cwd()})`
  if (found !== undefined) {
    return Effect.fail(
      new CommandFailure({ detail: `${shown} is no file`, advice: "Name the module that exports the handlers." })
    )
  }
  const near = [".ts", ".js", ".mts", ".mjs"]
    .flatMap((extension) => [file.slice(0, file.length - extname(file).length), file].map((base) => base + extension))
    .find((other) => statSync(other, { throwIfNoEntry: false })?.isFile() === true)
  return Effect.fail(
    new CommandFailure({
      detail: `there is no file ${shown}`,
      ...(near !== undefined && { advice: `Did you mean ${relative(process.cwd(), near)}?` })
    })
  )
}

/** What Node's loader says, by its codes. */
const loadAdvice: Readonly<Record<string, string>> = {
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX:
    "Node runs TypeScript by leaving the types out, so enums, namespaces with values and parameter properties do not\n" +
    "work (tsc finds them with erasableSyntaxOnly). Rewrite them, or compile the module and name the JavaScript file.",
  ERR_INVALID_TYPESCRIPT_SYNTAX: "Correct the syntax: this is neither TypeScript nor JavaScript.",
  ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING:
    "Node runs no TypeScript from node_modules: name a file of your own, or a compiled one.",
  ERR_UNKNOWN_FILE_EXTENSION: "A module is a .js, .mjs, .ts or .mts file: compile what is something else.",
  ERR_MODULE_NOT_FOUND:
    'Is the package installed here? Imports of your own files need their extension: import … from "./tasks.ts".'
}

const loadFailure = (path: string, thrown: unknown): CommandFailure => {
  const code = codeOf(thrown)
  const advice = code === undefined ? undefined : loadAdvice[code]
  if (advice === undefined) {
    return new CommandFailure({ detail: `${path} fails while it is loaded:`, trace: traceOf(thrown) })
  }
  const text = thrown instanceof Error ? thrown.message.trim() : String(thrown)
  return new CommandFailure({ detail: `${path} cannot be loaded:`, trace: `${text}${placeOf(thrown)}`, advice })
}

const codeOf = (thrown: unknown): string | undefined =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined

/** Errors of syntax begin their stack with the place: its file and line, and what stands there. */
const placeOf = (thrown: unknown): string => {
  const [place = ""] = thrown instanceof Error ? (thrown.stack ?? "").split(/^\w*Error\b/m) : []
  return place.trim() === "" ? "" : `\n${place.trimEnd()}`
}

/** The stack without Node's own part of it. */
const traceOf = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return `thrown: ${String(thrown)}`
  const lines = (thrown.stack ?? String(thrown)).split("\n").filter((line) => !line.includes("(node:internal/"))
  const cause = thrown.cause === undefined ? [] : [`caused by: ${traceOf(thrown.cause)}`]
  return [...lines.filter((line) => !/^\s+at (?:async )?node:internal\//.test(line)), ...cause].join("\n")
}

/** The default export, or the one named `handlers`, or all Layers; of each a Layer, or a list of those. */
const pick = (
  path: string,
  module: Record<string, unknown>,
  only: string | undefined
): Effect.Effect<ReadonlyArray<Exported>, CommandFailure> => {
  const usable = (name: string): ReadonlyArray<Exported> => {
    const value = Object.hasOwn(module, name) ? module[name] : undefined
    const layers: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
    // the types of an imported module are unknown; what a Layer asks for and nobody has is found when it is built
    return layers.every(Layer.isLayer) ? layers.map((layer) => ({ name, layer: layer as Exported["layer"] })) : []
  }
  // the second name of what a CommonJS module exports
  const names = Object.keys(module).filter((name) => name !== "module.exports")
  const chosen =
    only === undefined
      ? (["default", "handlers"].map(usable).find((some) => some.length > 0) ?? names.flatMap(usable))
      : usable(only)
  if (chosen.length > 0) return Effect.succeed(chosen)
  const kinds = names.map((name) => `${name} (${kindOf(module[name])})`).join(", ")
  return Effect.fail(
    new CommandFailure({
      detail: `${path} ${only === undefined ? "exports no Layer of handlers" : `has no Layer under its export "${only}"`}; ${
        names.length === 0 ? "it exports nothing" : `it exports ${kinds}`
      }`,
      advice: `Export what toLayer makes as the default, as "handlers", or under any names;\n${example}`
    })
  )
}

const kindOf = (value: unknown): string => {
  if (Task.isTask(value)) return `the task "${value._tag}": its definition, without a handler`
  if (TaskGroup.isGroup(value)) return "a group of tasks, without handlers"
  if (Layer.isLayer(value)) return "a Layer"
  if (Effect.isEffect(value)) return "an Effect"
  if (Array.isArray(value)) return "a list that is not all Layers"
  return value === null ? "null" : typeof value === "function" ? "a function" : `a value of type ${typeof value}`
}

/** Builds the Layers, each service once, and gives their handlers by the task's name. */
export const build = Effect.fnUntraced(function* (
  path: string,
  exported: ReadonlyArray<Exported>
): Effect.fn.Return<ReadonlyMap<string, Task.Registered>, CommandFailure, Surroundings | Scope> {
  const memo = yield* Layer.makeMemoMap
  const scope = yield* Effect.scope
  const found = new Map<string, { readonly handler: Task.Registered; readonly name: string }>()
  const doubles: Array<string> = []
  for (const { layer, name } of exported) {
    const exit = yield* Effect.exit(Layer.buildWithMemoMap(layer, memo, scope))
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
      return yield* buildFailure(path, name, exit.cause)
    }
    for (const [task, handler] of Task.registeredIn(exit.value)) {
      const other = found.get(task)
      // a Layer that is part of another one was built once, and is the same
      if (other === undefined) found.set(task, { handler, name })
      else if (other.handler.run !== handler.run) {
        const where =
          other.name === name ? `both in the export "${name}"` : `in the exports "${other.name}" and "${name}"`
        doubles.push(`task "${task}" has two handlers, ${where}`)
      }
    }
  }
  if (doubles.length > 0) {
    return yield* new CommandFailure({
      detail: `${path}: ${doubles.join("; ")}`,
      advice: "Keep one of them, or choose an export with --export."
    })
  }
  if (found.size === 0) {
    const names = exported.map(({ name }) => `"${name}"`).join(", ")
    return yield* new CommandFailure({
      detail: `${path}: the Layer under ${names} holds no handler`,
      advice: `Export what toLayer makes; ${example}`
    })
  }
  return new Map(Array.from(found, ([task, { handler }]) => [task, handler]))
})

const buildFailure = (path: string, name: string, cause: Cause.Cause<unknown>): CommandFailure => {
  const error = Cause.squash(cause)
  const missing = error instanceof Error ? /^Service not found: (\S+)/.exec(error.message)?.[1] : undefined
  return missing === undefined
    ? new CommandFailure({
        detail: `${path}: the handlers under "${name}" cannot be built:`,
        trace: error instanceof Error ? traceOf(error) : Cause.pretty(cause)
      })
    : new CommandFailure({
        detail: `${path}: the handlers under "${name}" need the service "${missing}", and nobody provides it`,
        advice:
          "Provide it in the module, before the Layer is exported: SendMailLive.pipe(Layer.provide(Smtp.layer)).\n" +
          "If this export is not meant to hold handlers, choose another one with --export."
      })
}
