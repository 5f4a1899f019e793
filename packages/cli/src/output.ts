/**
 * All that commands print goes through here: data to standard output, messages to standard error; colors where the
 * terminal has them; no passwords in messages.
 */
import { styleText } from "node:util"
import { TerminalCapabilities } from "effect/cli"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { CommandFailure } from "./failure.ts"

type Format = Parameters<typeof styleText>[0]

/** Colors a text, or leaves it as it is. */
export type Paint = (format: Format, text: string) => string

const plain: Paint = (_format, text) => text
const colored: Paint = (format, text) => styleText(format, text, { validateStream: false })

/** For what is written to standard output. */
export const paint: Effect.Effect<Paint> = Effect.map(Effect.context<never>(), (context) =>
  Context.get(context, TerminalCapabilities.TerminalCapabilities).canColor ? colored : plain
)

/** The password of a URL, also one with characters that have no business there (`/`, `@`). */
const password = /([a-z][a-z\d+.-]*:\/\/[^\s:@/"']*):[^\s"']*@/gi

/** The same without the passwords of the URLs in it. */
export const masked = (text: string): string => (text.includes("://") ? text.replaceAll(password, "$1:***@") : text)

/** A URL as people may see it. */
export const shownUrl = (url: Redacted.Redacted<string>): string => masked(Redacted.value(url))

/** Data, as it is. */
export const print = (text: string): Effect.Effect<void> => Effect.andThen(written, Console.log(text))

/** A message. */
export const say = (text: string): Effect.Effect<void> => Effect.andThen(written, Console.error(masked(text)))

/** What was printed with `printSoon` comes before what follows. */
const written = Effect.sync(() => printed())

/** Lines that wait for the end of this turn of the event loop. */
let waiting = ""
let known = false

/** Most characters that wait: a handler that computes without a pause may log as long as it likes. */
const mostWaiting = 65_536

/**
 * One of very many lines: all of one turn of the event loop are written together, for a write costs more than a line. None is
 * lost when the process exits; the last turn's are when it is killed.
 */
export const printSoon = (line: string): void => {
  if (!known) {
    known = true
    process.once("exit", printed)
  }
  if (waiting === "") {
    waiting = line
    setImmediate(printed)
  } else waiting += `\n${line}`
  if (waiting.length > mostWaiting) printed()
}

/** Writes the lines that wait, now. */
export const printed = (): void => {
  if (waiting === "") return
  const text = waiting
  waiting = ""
  console.log(text)
}

/** Why a command ends without success. */
export const sayFailure = ({ advice, detail, trace }: CommandFailure): Effect.Effect<void> =>
  say(
    [
      `error: ${detail}`,
      ...(trace === undefined ? [] : [indented(trace)]),
      ...(advice === undefined ? [] : [advice])
    ].join("\n")
  )

/** Each line moved to the right. */
export const indented = (text: string, by = "  "): string => text.replaceAll(/^(?=.)/gm, by)

/** Pairs below each other, the second ones in line. */
export const aligned = (rows: ReadonlyArray<readonly [name: string, text: string]>, paint: Paint): string => {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows
    .map(
      ([name, text]) => `  ${paint("dim", name.padEnd(width))}  ${indented(text, " ".repeat(width + 4)).trimStart()}`
    )
    .join("\n")
}
