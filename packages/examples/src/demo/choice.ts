/** What the command line asks for. */
import { Redacted, Result, Runtime, Schema } from "effect"

export type Choice =
  | { readonly _tag: "Memory" }
  /** Without an address: a server of the demo's own. */
  | { readonly _tag: "Redis"; readonly address: Address | undefined }

export interface Address {
  /** It may hold a password. */
  readonly url: Redacted.Redacted<string>
  /** For people: without user and password. */
  readonly shown: string
}

/** Arguments that nobody understands. */
export class Misuse extends Schema.TaggedError<Misuse>()("Misuse", { argument: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2

  override get message(): string {
    return `unknown argument: ${this.argument}. Usage: npm start -- [--redis [redis://user:password@host:port/database]]`
  }
}

/** The argument after `--redis` is no address. It may hold a password: it is not shown. */
export class NoAddress extends Schema.TaggedError<NoAddress>()("NoAddress", {}) {
  override get message(): string {
    return "the address after --redis cannot be read: it has the form redis://user:password@host:port/database, or rediss:// for TLS, with special characters of user and password as %XX"
  }
}

export const readChoice = (args: ReadonlyArray<string>): Result.Result<Choice, Misuse | NoAddress> => {
  const [first, second, ...rest] = args
  if (first === undefined) return Result.succeed({ _tag: "Memory" })
  if (first.startsWith("--redis=")) return readChoice(["--redis", first.slice("--redis=".length), ...args.slice(1)])
  if (first !== "--redis") return Result.fail(new Misuse({ argument: withoutSecrets(first) }))
  if (second === undefined) return Result.succeed({ _tag: "Redis", address: undefined })
  const [third] = rest
  if (third !== undefined) return Result.fail(new Misuse({ argument: withoutSecrets(third) }))
  if (second.startsWith("-")) return Result.fail(new Misuse({ argument: withoutSecrets(second) }))
  return Result.map(readAddress(second), (address) => ({ _tag: "Redis", address }))
}

const readAddress = (text: string): Result.Result<Address, NoAddress> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // a "/", "?" or "#" in a password that is not written as %XX ends the address early, and puts a part of it elsewhere
  return url !== undefined &&
    (url.protocol === "redis:" || url.protocol === "rediss:") &&
    url.hostname !== "" &&
    /^\/?\d*$/.test(url.pathname) &&
    url.search === "" &&
    url.hash === "" &&
    [url.username, url.password].every(isEncoded)
    ? Result.succeed({
        url: Redacted.make(text),
        shown: `${url.protocol}//${url.hostname}:${url.port || "6379"}/${url.pathname.slice(1) || "0"}`
      })
    : Result.fail(new NoAddress())
}

const isEncoded = (text: string): boolean => Result.isSuccess(Result.try(() => decodeURIComponent(text)))

const withoutSecrets = (argument: string): string => (argument.includes("@") ? "…@…" : argument)
