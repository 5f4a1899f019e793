/**
 * The log of a worker as lines for a terminal or for other programs.
 *
 * In a terminal a line is: time, level, task, the end of the id, what happened. Warnings and errors have the whole id, so that
 * one can go on with `celeriac task raw`.
 */
import type { Outcome } from "celeriac"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { indented, masked, type Paint, printSoon } from "./output.ts"
import { spanWords } from "./spans.ts"

/** Forms of a line. */
export const formats = ["pretty", "json", "logfmt"] as const
export type Format = (typeof formats)[number]

/** How much is told; `debug` tells of starts too. */
export type Level = "Debug" | "Info" | "Warn" | "Error"

/** Ends that are no failure. The worker tells of them at `Debug`. */
const good: ReadonlySet<unknown> = new Set<Outcome.Outcome["_tag"]>([
  "Succeeded",
  "Snoozed",
  "Requeued",
  "Ignored",
  "Revoked",
  "Expired",
  "Released"
])

type Annotations = Readonly<Record<string, unknown>>

/** What the worker says of an end; what a handler says has no `worker`. */
const isEnd = ({ outcome, worker }: Annotations): boolean => worker !== undefined && outcome !== undefined

/** The message without the name of the task, which stands before it. */
const withoutSubject = (text: string, task: unknown): string => {
  const subject = `task "${inline(task)}" `
  return text.startsWith(subject) ? text.slice(subject.length) : text
}

/** Good ends are told with `Info`, whatever the worker thinks of them. */
const levelOf = ({ fiber, logLevel }: Logger.Options<unknown>): LogLevel.LogLevel => {
  if (logLevel !== "Debug") return logLevel
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  return isEnd(annotations) && good.has(annotations.outcome) ? "Info" : logLevel
}

/**
 * What a worker has to tell at this level to the logger: at `Info` it counts its good ends among what is worth it, so it
 * has to be asked for `Debug`.
 */
export const workerLevel = (level: Level): LogLevel.LogLevel => (level === "Info" ? "Debug" : level)

/** Replaces the program's loggers. */
export const layer = (options: {
  readonly format: Format
  readonly level: Level
  readonly paint: Paint
}): Layer.Layer<never> => {
  const { format, level, paint } = options
  const formatter =
    format === "json" ? Logger.formatJson : format === "logfmt" ? Logger.formatLogFmt : prettyFormat(paint)
  const logger = Logger.make<unknown, void>((entry) => {
    const logLevel = levelOf(entry)
    if (LogLevel.isLessThan(logLevel, level)) return
    printSoon(masked(formatter.log(logLevel === entry.logLevel ? entry : { ...entry, logLevel })))
  })
  return Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, level))
}

const colors: Partial<Record<LogLevel.LogLevel, Parameters<Paint>[0]>> = {
  Debug: "gray",
  Trace: "gray",
  Info: "green",
  Warn: "yellow",
  Error: "red",
  Fatal: "red"
}

const words: Partial<Record<LogLevel.LogLevel, string>> = { Warn: "warn", Error: "error", Info: "info", Debug: "debug" }

const prettyFormat = (paint: Paint): Logger.Logger<unknown, string> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    const { attempt, id, task, worker: _worker, ...others } = isEnd(annotations) ? withoutEnd(annotations) : annotations
    const [first = "", ...more] = withoutSubject(textOf(message), task).split("\n")
    const loud = LogLevel.isGreaterThanOrEqualTo(logLevel, "Warn")
    const parts = [
      paint("dim", clock(date)),
      paint(colors[logLevel] ?? "reset", (words[logLevel] ?? logLevel.toLowerCase()).padEnd(5)),
      ...(task === undefined ? [] : [paint("bold", inline(task))]),
      ...(id === undefined ? [] : [paint("dim", loud ? inline(id) : shortId(inline(id)))]),
      ...(typeof attempt === "number" && attempt > 1 ? [paint("dim", `#${attempt}`)] : []),
      loud ? paint(colors[logLevel] ?? "reset", first) : first,
      ...(isEnd(annotations) ? durationOf(annotations) : []).map((text) => paint("dim", text)),
      ...Object.entries(others).map(([name, value]) => paint("dim", `${name}=${inline(value)}`))
    ]
    const rest = [...more, ...(cause.reasons.length === 0 ? [] : Cause.pretty(cause).split("\n"))]
    return [parts.join(" "), ...rest.map((line) => paint("dim", indented(line, "    ")))].join("\n")
  })

/** They are told in words. */
const withoutEnd = ({ outcome: _outcome, took: _took, ...others }: Annotations): Annotations => others

/** How long it ran; a success says so itself. */
const durationOf = ({ outcome, took }: Annotations): ReadonlyArray<string> =>
  outcome === "Succeeded" || typeof took !== "number" ? [] : [`(${spanWords(took)})`]

/** The end of an id tells messages of the same time apart; its beginning is the time. */
export const shortId = (id: string): string => (id.length > 12 ? `…${id.slice(-8)}` : id)

/** Local time of day. */
const clock = (date: Date): string =>
  `${[date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`

const textOf = (message: unknown): string => (Array.isArray(message) ? message.map(inline).join(" ") : inline(message))

/** Total: a program may log anything. */
const inline = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value instanceof Error) return value.stack ?? value.message
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return "a value that has no JSON"
  }
}

/** A start, for those who look closely. */
export const started = (task: string): Effect.Effect<void> => Effect.logDebug(`task "${task}" started`)
