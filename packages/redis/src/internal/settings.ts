/** From options to settings: reads the URL, fills in the defaults, checks everything. */
import { readMillis } from "celeriac/TimeLimit"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { RedisOptions } from "ioredis"
import { RedisError } from "../RedisError.ts"
import type { Options } from "../RedisServer.ts"

export interface Settings {
  /** For people: without user and password. */
  readonly address: string
  /** Where keys are: the same for the broker and the result backend if they share them. */
  readonly location: string
  readonly prefix: string
  readonly database: number
  readonly maxConnections: number
  readonly redis: Omit<RedisOptions, "replyMapping">
}

interface Address {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly username?: string
  readonly password?: string
  readonly database?: number
  readonly secure?: boolean
}

export const settingsOf = (options: Options): Effect.Effect<Settings, RedisError> =>
  Effect.suspend(() => {
    const problems: Array<string> = []
    const url = options.url === undefined ? {} : parse(plain(options.url), problems)
    const host = options.host ?? url.host ?? "localhost"
    const port = options.port ?? url.port ?? 6379
    const path = options.path ?? url.path
    const database = options.database ?? url.database ?? 0
    const prefix = options.prefix ?? "celeriac"
    const maxConnections = options.maxConnections ?? 2
    const username = options.username ?? url.username
    const password = options.password === undefined ? url.password : plain(options.password)
    const connectTimeout = millisOf("connectTimeout", options.connectTimeout, problems)
    const commandTimeout = millisOf("commandTimeout", options.commandTimeout, problems)
    const tls = options.tls ?? url.secure ?? false
    if (!(Number.isInteger(port) && port > 0 && port < 65_536)) problems.push(`port must be 1 to 65535, it is ${port}`)
    if (!(Number.isInteger(database) && database >= 0)) {
      problems.push(`database must be a whole number of 0 or more, it is ${database}`)
    }
    if (!/^[\w.-]{1,64}$/.test(prefix)) {
      problems.push(`prefix must be 1 to 64 letters, digits, ".", "_" or "-", it is ${JSON.stringify(prefix)}`)
    }
    if (!(Number.isInteger(maxConnections) && maxConnections >= 2)) {
      problems.push(`maxConnections must be a whole number of 2 or more (one is for pushes), it is ${maxConnections}`)
    }
    const clientName = options.clientName ?? "celeriac"
    if (!/^[\x21-\x7e]{1,128}$/.test(clientName)) {
      problems.push("clientName must be 1 to 128 printable characters without spaces")
    }
    const server = path === undefined ? `${host.includes(":") ? `[${host}]` : host}:${port}` : `unix:${path}`
    const address = path === undefined ? `redis${tls === false ? "" : "s"}://${server}/${database}` : server
    if (problems.length > 0) {
      return Effect.fail(new RedisError({ reason: "InvalidOption", server: address, detail: problems.join("; ") }))
    }
    return Effect.succeed({
      address,
      location: `redis:${server}/${database}/${prefix}`,
      prefix,
      database,
      maxConnections,
      redis: {
        ...(path === undefined ? { host, port } : { path }),
        db: database,
        connectionName: clientName,
        connectTimeout,
        socketTimeout: commandTimeout,
        keepAlive: 10_000,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
        ...(tls !== false && {
          tls: {
            ...(host !== "localhost" && !/^[\d.:]+$/.test(host) && { servername: host }),
            ...(tls === true ? {} : tls)
          }
        })
      }
    })
  })

/** `undefined`: a part of a URL that is encoded wrongly. */
const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const plain = (text: string | Redacted.Redacted<string>): string =>
  typeof text === "string" ? text : Redacted.value(text)

const parse = (text: string, problems: Array<string>): Address => {
  // the text may hold a password: it is not shown
  const wrong = (problem: string): Address => {
    problems.push(`url ${problem}: it has the form redis://user:password@host:port/database`)
    return {}
  }
  if (!URL.canParse(text)) return wrong("cannot be read")
  const url = new URL(text)
  const [username, password, pathname] = [url.username, url.password, url.pathname].map(decode)
  if (username === undefined || password === undefined || pathname === undefined) {
    return wrong('has a "%" that no two hexadecimal digits follow (write "%25" for the sign itself)')
  }
  const credentials = { ...(username !== "" && { username }), ...(password !== "" && { password }) }
  if (url.protocol === "unix:" || url.protocol === "redis+unix:") return { path: pathname, ...credentials }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") return wrong(`begins with ${url.protocol}//`)
  const database = url.pathname.slice(1)
  if (database.includes("@")) return wrong('has a password with a "/" (write "%2F" for it)')
  if (!/^\d*$/.test(database)) return wrong("names a database that is no number")
  return {
    ...(url.hostname !== "" && { host: url.hostname.replaceAll(/^\[|\]$/g, "") }),
    ...(url.port !== "" && { port: Number(url.port) }),
    ...(database !== "" && { database: Number(database) }),
    secure: url.protocol === "rediss:",
    ...credentials
  }
}

const millisOf = (option: string, input: Duration.Input | undefined, problems: Array<string>): number => {
  if (input === undefined) return 5000
  const millis = readMillis(input)
  if (millis > 0 && millis < Infinity) return millis
  problems.push(`${option} must be a finite span of time above 0, as 5000 or "5 seconds"`)
  return 5000
}
