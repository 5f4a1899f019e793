/** The JSON codecs of a task, built once for each definition. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { AnyWithProps } from "../Task.ts"
import * as TaskEnded from "../TaskEnded.ts"

/** Encodes or decodes: often done at once, and then the effect is an `Exit`. */
// the services are those of `Task.ServicesClient` or `ServicesWorker`, which the public signatures ask for
type Coder = (value: unknown) => Effect.Effect<unknown, Schema.SchemaError>

interface Codec {
  readonly encode: Coder
  readonly decode: Coder
}

export interface Codecs {
  readonly payload: Codec
  readonly success: Codec
  readonly error: Codec
  readonly progress: Codec
}

export const build = (
  task: Pick<AnyWithProps, "payloadSchema" | "successSchema" | "errorSchema" | "progressSchema" | "middlewares">
): Codecs => ({
  payload: codec(task.payloadSchema),
  success: codec(task.successSchema),
  error: codec(
    task.middlewares.length === 0
      ? task.errorSchema
      : Schema.Union([task.errorSchema, ...task.middlewares.map(({ error }) => error)])
  ),
  progress: codec(task.progressSchema)
})

const codec = (schema: Schema.Top): Codec => {
  const json = Schema.toCodecJson(schema)
  return {
    // see `Coder` for the services
    encode: Schema.encodeUnknownEffect(json) as Coder,
    decode: Schema.decodeUnknownEffect(json) as Coder
  }
}

const reason = Schema.toCodecJson(TaskEnded.Reason)

export const encodeReason: (value: TaskEnded.Reason) => unknown = Schema.encodeSync(reason)

const decodeReasonExit = Schema.decodeUnknownExit(reason)

export const decodeReason = (value: unknown): TaskEnded.Reason => {
  const exit = decodeReasonExit(value)
  return Exit.isSuccess(exit)
    ? exit.value
    : new TaskEnded.ResultGone({ detail: "it ended for a reason that this version does not know" })
}

const defect = Schema.toCodecJson(Schema.Defect())

const encodeDefectExit = Schema.encodeUnknownExit(defect)

/** Total: also for values whose `toString`, getters or proxies throw. */
export const encodeDefect = (value: unknown): unknown => {
  try {
    const exit = encodeDefectExit(value)
    if (Exit.isSuccess(exit)) return exit.value
  } catch {
    // the value itself threw while it was looked at
  }
  return { name: "Error", message: "a defect that cannot be printed" }
}

/** Most characters of a text in a stored reason or defect. */
const longest = 2000

/** Most causes of a stored defect, one within the other. */
const deepest = 5

export const short = (text: string): string => (text.length > longest ? `${text.slice(0, longest)}…` : text)

/** An encoded defect of bounded size: its texts are cut, causes beyond the fifth left out, other large values told as text. */
export const shortDefect = (encoded: unknown, depth = 0): unknown => {
  if (typeof encoded === "string") return short(encoded)
  if (typeof encoded !== "object" || encoded === null) return encoded
  const { cause, message, name, stack, ...others } = encoded as Readonly<Record<string, unknown>>
  if (typeof message === "string" && typeof name === "string" && Object.keys(others).length === 0) {
    return {
      name: short(name),
      message: short(message),
      ...(typeof stack === "string" && { stack: short(stack) }),
      ...(cause !== undefined && depth < deepest && { cause: shortDefect(cause, depth + 1) })
    }
  }
  const json = JSON.stringify(encoded)
  return json.length > longest ? short(json) : encoded
}

const decodeDefectExit = Schema.decodeUnknownExit(defect)

export const decodeDefect = (value: unknown): unknown => {
  const exit = decodeDefectExit(value)
  return Exit.isSuccess(exit) ? exit.value : new Error("a defect that cannot be read")
}
