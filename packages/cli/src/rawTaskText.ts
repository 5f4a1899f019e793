/** What Redis has about a message, as text for people: each piece with the command that shows it again. */
import type { Command, Decoded, Found, Place, Stored } from "@celeriac/redis/RawTask"
import type { Message, TaskRecord } from "celeriac"
import * as DateTime from "effect/DateTime"
import { aligned, type Paint } from "./output.ts"
import { spanWords } from "./spans.ts"

type Row = readonly [name: string, text: string]

/** Most characters of one value. */
const longest = 4000

export const rawTaskText = (found: Found, paint: Paint): string => {
  const { id, now, queue, server } = found
  const section = (title: string, rows: ReadonlyArray<Row>, reads: ReadonlyArray<Command>): string =>
    [
      paint("bold", title),
      ...(rows.length === 0 ? [] : [aligned(rows, paint)]),
      ...Array.from(new Set(reads.map(redisCommand)), (command) => `  ${paint("cyan", `> ${command}`)}`)
    ].join("\n")

  const { crashes, deadLetter, expires, message, places, stored, traces, watchers } = found
  const sections = [
    section("Place", placeRows(found), [...places.map(({ read }) => read), ...traces.map(({ read }) => read)]),
    message && section("Message", messageRows(message, now), [message.read]),
    crashes && section("Crashes", [["deliveries", `${crashes.count} ended with their worker`]], [crashes.read]),
    expires &&
      section(
        "Expiry",
        [["at", `${time(expires.at, now)}${expires.waiting ? "" : "; it is not swept now, for it runs or has run"}`]],
        [expires.read]
      ),
    stored && section(titleOf(stored), storedRows(stored, stored.text, now), [stored.read]),
    deadLetter &&
      section(
        "Dead letter",
        [
          ...(deadLetter.diedAt === undefined ? [] : [["died", time(deadLetter.diedAt, now)] as const]),
          ...(deadLetter.reason === undefined ? [] : [["reason", shown(deadLetter.reason)] as const]),
          ...(deadLetter.problem === undefined
            ? []
            : [["unreadable", `${deadLetter.problem}: ${shown(deadLetter.text)}`] as const]),
          ...(deadLetter.message === undefined ? [] : messageRows(deadLetter.message, now))
        ],
        [deadLetter.read]
      ),
    watchers.length > 0 &&
      section(
        "Watchers",
        watchers.map(({ changes, client }) => [client, changes ? "is told of every change" : "is told of the end"]),
        watchers.map(({ read }) => read)
      )
  ]
  const title = `${paint("bold", shown(id))} in queue ${paint("bold", queue)} at ${server}`
  return [title, ...sections.filter((one) => typeof one === "string")].join("\n\n")
}

const placeRows = ({ message, now, places, traces }: Found): ReadonlyArray<Row> => [
  ...places.map((place): Row => [stateOf(place, message?.content), placeText(place, now)]),
  ...(places.length === 0
    ? [
        message === undefined
          ? (["ended", "it is in no place"] as const)
          : (["lost", "it is in no place: no worker will ever claim it. This is a fault"] as const)
      ]
    : []),
  ...(places.length > 1 ? [["fault", "it is in more than one place"] as const] : []),
  ...traces.map(({ name }): Row => [name, traceTexts[name]])
]

const traceTexts = {
  gone: "it ended while it waited; its id still stands in a list, and is skipped there",
  revoked: "it ended while a consumer held it, which has not let go of it yet"
}

const states = { ready: "queued", suspect: "queued", scheduled: "scheduled", held: "active" } as const

/** A scheduled message that has run before waits for its next attempt. */
const stateOf = ({ _tag }: Place, message: Message.Message | undefined): string =>
  _tag === "scheduled" && (message?.attempts ?? 0) + (message?.snoozes ?? 0) > 0 ? "retrying" : states[_tag]

const placeText = (place: Place, now: number): string => {
  switch (place._tag) {
    case "ready":
      return `priority ${place.priority}, ${aheadText(place)}`
    case "suspect":
      return `among those that crashed their workers twice, ${aheadText(place)}`
    case "scheduled":
      return `priority ${place.priority}, due ${time(place.dueAt, now)}`
    case "held":
      return [
        `held by ${place.worker === undefined ? "a worker without a name" : shown(place.worker)}`,
        `consumer ${shown(place.consumer)}`,
        `fence ${place.fence}${place.revoked ? "; revoked" : ""}`,
        place.leaseEnd === undefined
          ? "what it holds is being given back"
          : place.leaseEnd > now
            ? `its lease ends ${time(place.leaseEnd, now)}`
            : `its lease ended ${time(place.leaseEnd, now)}: others take over`
      ].join("\n")
  }
}

const aheadText = ({ ahead, length }: { readonly ahead: number | undefined; readonly length: number }): string =>
  ahead === undefined
    ? `not among the first or last thousand of ${length}`
    : `${ahead === 0 ? "next" : `${ahead} before it`} of ${length}`

const times = new Set(["enqueuedAt", "expiresAt"])
const spans = new Set(["softTimeLimit", "timeLimit", "resultTtl"])

const messageRows = (
  { content, problem, text }: NonNullable<Found["message"]> | NonNullable<NonNullable<Found["deadLetter"]>["message"]>,
  now: number
): ReadonlyArray<Row> => {
  const wire: Row = ["wire", shown(text)]
  if (content === undefined) return [["unreadable", shown(problem ?? "")], wire]
  const { id: _id, payload, queue: _queue, task, ...others } = content
  return [
    ["task", shown(task)],
    ...Object.entries(others).map(([name, value]): Row => [name, fieldText(name, value, now)]),
    ...(payload === undefined ? [] : [["payload", pretty(payload)] as const]),
    wire
  ]
}

const fieldText = (name: string, value: unknown, now: number): string => {
  if (typeof value === "string") return shown(value)
  if (typeof value === "number" && times.has(name)) return time(value, now)
  if (typeof value === "number" && spans.has(name)) return value === 0 ? "none" : spanWords(value)
  if (name === "attemptTimes" && Array.isArray(value)) return value.map((at) => time(Number(at), now)).join("\n")
  return pretty(value)
}

const titleOf = (stored: Stored): string =>
  stored._tag === "notes" ? "Notes" : stored._tag === "unreadable" ? "Record or notes" : "Record"

const storedRows = (stored: Stored, text: string, now: number): ReadonlyArray<Row> => {
  switch (stored._tag) {
    case "unreadable":
      return [
        ["unreadable", stored.problem],
        ["text", shown(text)]
      ]
    case "record":
      return [...recordRows(stored.record, now), lifeRow(stored.expiresAt, now)]
    case "record with tombstone":
      return [
        ...recordRows(stored.record, now),
        lifeRow(stored.expiresAt, now),
        ["tombstone", shown(stored.tombstone.text)],
        ["its life", lifeText(stored.tombstoneExpiresAt, now)]
      ]
    case "notes":
      return [
        ["last writer", `fence ${stored.fence}`],
        ...(stored.progress === undefined
          ? []
          : [["progress", `${shown(stored.progress.value)}\n${lifeText(stored.progress.expiresAt, now)}`] as const]),
        ...stored.attempts.map((attempt): Row => attemptRow(attempt, now)),
        lifeRow(stored.expiresAt, now)
      ]
  }
}

const recordRows = ({ content, problem, text }: Decoded<TaskRecord.TaskRecord>, now: number): ReadonlyArray<Row> =>
  content === undefined
    ? [
        ["unreadable", shown(problem ?? "")],
        ["text", shown(text)]
      ]
    : [
        ["state", content.state],
        ["ended", time(content.endedAt, now)],
        ["attempts", String(content.attempts)],
        endingRow(content.ending),
        ["text", shown(text)]
      ]

const endingRow = (ending: TaskRecord.Ending): Row => {
  switch (ending._tag) {
    case "Success":
      return ["value", pretty(ending.value)]
    case "Error":
      return ["error", pretty(ending.error)]
    case "Defect":
      return ["defect", pretty(ending.defect)]
    case "Reason":
      return ["reason", pretty(ending.reason)]
    case "Gone":
      return ["result", "not kept"]
  }
}

const attemptRow = (
  { content, expiresAt, problem, text }: Decoded<TaskRecord.AttemptNote> & { readonly expiresAt: number },
  now: number
): Row => {
  if (content === undefined) return ["attempt", `${problem ?? ""}: ${shown(text)}`]
  const [what, value] = endingRow(content.ending)
  return [
    `attempt ${content.attempt}`,
    [
      `${what} ${value}`,
      `ended ${time(content.at, now)} on ${shown(content.worker)}`,
      `next ${time(content.nextAt, now)}`,
      lifeText(expiresAt, now)
    ].join("\n")
  ]
}

const lifeRow = (expiresAt: number, now: number): Row => ["life", lifeText(expiresAt, now)]

const lifeText = (expiresAt: number, now: number): string =>
  expiresAt > now
    ? `kept until ${time(expiresAt, now)}`
    : `over since ${time(expiresAt, now)}: it does not count any more`

/** Years that a date can have in four digits. */
const latest = 253_402_300_799_999

const time = (millis: number, now: number): string => {
  if (!(millis >= 0 && millis <= latest)) return millis > latest ? "never" : `at ${millis}, which is no time`
  const away = spanWords(Math.abs(millis - now))
  return `${DateTime.formatIso(DateTime.makeUnsafe(millis))} (${millis > now ? `in ${away}` : `${away} ago`})`
}

/** What a terminal would obey is shown as text. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const cut = (text: string): string =>
  text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters; --json prints all)` : text

/** Text as it is, in one line. */
const shown = (text: string): string => cut(printable(text.replaceAll("\n", "\\n")))

const pretty = (value: unknown): string => cut(printable(JSON.stringify(value, undefined, 2) ?? "nothing"))

/** To be pasted after `redis-cli`. */
export const redisCommand = ([name = "", ...args]: Command): string =>
  [name.toUpperCase(), ...args.map(quoted)].join(" ")

const quoted = (arg: string): string =>
  /^[\w:.,=@%+/-]+$/.test(arg) ? arg : `'${printable(arg).replaceAll("'", `'\\''`)}'`
