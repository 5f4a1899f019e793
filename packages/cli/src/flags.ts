/** Flags that several commands have. */
import type { CeleriacRedis, RedisServer } from "@celeriac/redis"
import { Router } from "celeriac"
import { Flag } from "effect/cli"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { spanIn } from "./spans.ts"

const defaultBroker = "redis://localhost:6379/0"

/** Where messages, records and pushes are. */
export const connection = {
  broker: Flag.Redacted("broker").pipe(
    Flag.withAlias("b"),
    Flag.withMetavar("url"),
    Flag.withDescription("Redis of the messages, or CELERIAC_BROKER_URL"),
    Flag.withFallbackConfig(Config.Redacted("CELERIAC_BROKER_URL")),
    Flag.optional
  ),
  resultBackend: Flag.Redacted("result-backend").pipe(
    Flag.withMetavar("url"),
    Flag.withDescription("Redis of the records, if not the broker"),
    Flag.withFallbackConfig(Config.Redacted("CELERIAC_RESULT_BACKEND_URL")),
    Flag.optional
  ),
  prefix: Flag.String("prefix").pipe(
    Flag.withMetavar("text"),
    Flag.withDescription("Begins the name of every key (celeriac)"),
    Flag.withFallbackConfig(Config.String("CELERIAC_PREFIX")),
    Flag.optional
  )
}

/** What `connection` gives. */
export interface Connection {
  readonly broker: Option.Option<Redacted.Redacted<string>>
  readonly resultBackend: Option.Option<Redacted.Redacted<string>>
  readonly prefix: Option.Option<string>
}

/** The servers of a command. */
export interface Servers {
  readonly broker: RedisServer.Options & { readonly url: Redacted.Redacted<string>; readonly prefix: string }
  readonly resultBackend: Servers["broker"]
  /** They are the same one. */
  readonly together: boolean
}

export const serversOf = ({ broker, prefix, resultBackend }: Connection, clientName: string): Servers => {
  const url = Option.getOrElse(broker, () => Redacted.make(defaultBroker))
  const common = { prefix: Option.getOrElse(prefix, () => "celeriac"), clientName }
  const other = Option.getOrElse(resultBackend, () => url)
  return {
    broker: { url, ...common },
    resultBackend: { url: other, ...common },
    together: Redacted.value(url) === Redacted.value(other)
  }
}

/** For the layers. */
export const redisOptions = ({ broker, resultBackend, together }: Servers): CeleriacRedis.Options =>
  together ? broker : { broker, resultBackend }

/** A span of time. */
export const span = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.withMetavar("span"),
    Flag.filterMap(
      (text) => Option.fromUndefinedOr(spanIn(text)),
      () => "a span of time, as 500ms, 25s, 2m, 1h or 1d"
    )
  )

/** A whole number of at least so much. */
export const whole = (name: string, least: number): Flag.Flag<number> =>
  Flag.Int(name).pipe(
    Flag.withMetavar("number"),
    Flag.filter(
      (value) => value >= least,
      () => `${least} or more`
    )
  )

/** The name of a queue. */
export const queue = (name: string): Flag.Flag<string> =>
  Flag.String(name).pipe(
    Flag.withMetavar("name"),
    Flag.filter(
      (queue) => Router.validateQueue(queue) === undefined,
      (queue) => Router.validateQueue(queue) ?? ""
    )
  )

/** Names of queues, in order or with weights. */
export type Queues = ReadonlyArray<string> | Readonly<Record<string, number>>

/** `mail,reports` is an order, `mail=3,reports=1` are weights. Throws a sentence that says what is wrong. */
export const queuesIn = (text: string): Queues => {
  const items = text.split(",").map((item) => {
    const [name = "", weight] = item.split("=").map((part) => part.trim())
    const problem = Router.validateQueue(name)
    if (problem !== undefined) throw new Error(problem)
    if (weight !== undefined && !(Number(weight) > 0)) {
      throw new Error(`the weight of queue "${name}" must be a number above 0, it is "${weight}"`)
    }
    return { name, weight }
  })
  const names = items.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice !== undefined) throw new Error(`queue "${twice}" is named twice`)
  const weighted = items.filter(({ weight }) => weight !== undefined)
  if (weighted.length === 0) return names
  if (weighted.length < items.length) throw new Error("give all queues a weight, or none: mail=3,reports=1")
  return Object.fromEntries(items.map(({ name, weight }) => [name, Number(weight)]))
}

/** Several queues. */
export const queues = (name: string): Flag.Flag<Queues> =>
  Flag.String(name).pipe(
    Flag.withMetavar("names"),
    Flag.mapTryCatch(queuesIn, (error) => (error instanceof Error ? error.message : String(error)))
  )
