/** What the errors of a connection and of a server mean. */
import { Full, Unavailable } from "celeriac/Broker"
import { RedisError } from "../RedisError.ts"

/** The first word of an error that the server answered. */
export const codeOf = (error: Error): string | undefined =>
  error.name === "ReplyError" ? error.message.split(" ", 1)[0] : undefined

/** With these the server refuses a command before it does anything. */
const refusals = new Set([
  "BUSY",
  "CLUSTERDOWN",
  "LOADING",
  "MASTERDOWN",
  "MISCONF",
  "NOAUTH",
  "NOPERM",
  "NOREPLICAS",
  "NOSCRIPT",
  "READONLY",
  "TRYAGAIN",
  "WRONGPASS"
])

/** Why a command failed, and whether it may have been carried out. */
export const refusalOf = (error: Error): Unavailable | Full => {
  const code = codeOf(error)
  if (code === "OOM") return new Full({ detail: error.message })
  const refused = (code !== undefined && refusals.has(code)) || error.message.startsWith("Stream isn't writeable")
  return new Unavailable({ accepted: refused ? "no" : "maybe", detail: error.message })
}

/** Why the first connection did not come about. */
export const startError = (server: string, error: Error): RedisError => {
  const code = error.message.includes("user executing the script can't") ? "NOPERM" : codeOf(error)
  const fail = (reason: RedisError["reason"], detail: string) => new RedisError({ reason, server, detail })
  switch (code) {
    case "WRONGPASS":
      return fail("WrongPassword", `the server does not know this user and password (${error.message})`)
    case "NOAUTH":
      return fail("WrongPassword", "the server asks for a password: give one in `password`, or in the URL")
    case "OOM":
      return fail("Full", `the server is full: give it more memory, or let workers drain the queues (${error.message})`)
    case "NOPERM":
      return fail("NotAllowed", `the user may not do what is needed: ${error.message}`)
    case undefined:
      break
    default:
      return fail("WrongServer", `the server refused the connection: ${error.message}`)
  }
  // the parser's words for bytes that are no reply
  if (error.name === "ParserError" || error.message.startsWith("Unknown RESP type")) {
    return fail("WrongServer", "what answers there does not speak the protocol of Redis")
  }
  if (/certificate/i.test(error.message)) {
    return fail("Unreachable", `no connection: ${error.message}. Who signed it is said in \`tls: { ca }\``)
  }
  return fail("Unreachable", `no connection: ${error.message.replace(/\.$/, "")}. Is a Redis server running there?`)
}
