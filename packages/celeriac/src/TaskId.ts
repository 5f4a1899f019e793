/**
 * Ids of messages.
 *
 * A generated id is a UUIDv7 (RFC 9562) written in 22 characters of a base64 alphabet whose characters stand in ASCII
 * order: ids sort by time as text, the first 7 characters name a span of 64 ms, and the time of the enqueue is read from
 * the id instead of being stored beside it. A caller may choose any other id of 1 to 256 printable ASCII characters
 * without spaces: the same id is then accepted once, see `dedupeWindow` in `Defaults`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** 64 characters in ASCII order, safe in addresses; the first is no dash, with which ids would look like flags. */
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"

const digitOf = new Map(Array.from(alphabet, (character, digit) => [character, digit]))

/**
 * Makes ids. The default is cryptographically random and grows strictly within one process; a simulation replaces it to
 * be reproducible.
 *
 * @category services
 * @since 0.1.0
 */
export class Generator extends Context.Reference<{ readonly next: (nowMillis: number) => string }>(
  "celeriac/TaskId/Generator",
  { defaultValue: () => ({ next: makeGenerator((bytes) => globalThis.crypto.getRandomValues(bytes)) }) }
) {}

/**
 * A generator over a source of random bytes. Ids of one millisecond differ by a 12-bit counter; when it overflows, or
 * the clock goes back, the time part runs ahead of the clock, so that ids of one generator always grow.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeGenerator = (fill: (bytes: Uint8Array<ArrayBuffer>) => void): ((nowMillis: number) => string) => {
  const pool = new Uint8Array(8 * 512)
  let used = pool.length
  let millis = 0
  let counter = 0
  return (nowMillis) => {
    if (nowMillis > millis) {
      millis = nowMillis
      counter = 0
    } else if (++counter === 4096) {
      millis++
      counter = 0
    }
    if (used === pool.length) {
      fill(pool)
      used = 0
    }
    const high = Math.floor(millis / 65536)
    const at = used
    used += 8
    // 16 bytes of a UUIDv7 in groups of 3 bytes, 4 characters each; the last byte makes 2 characters
    return (
      group(high >>> 8) +
      group(((high & 0xff) << 16) | (millis & 0xffff)) +
      group(((0x70 | (counter >>> 8)) << 16) | ((counter & 0xff) << 8) | (0x80 | (byte(pool, at) & 0x3f))) +
      group((byte(pool, at + 1) << 16) | (byte(pool, at + 2) << 8) | byte(pool, at + 3)) +
      group((byte(pool, at + 4) << 16) | (byte(pool, at + 5) << 8) | byte(pool, at + 6)) +
      pairs[byte(pool, at + 7)]!
    )
  }
}

const byte = (bytes: Uint8Array, index: number): number => bytes[index]!

const duets = Array.from({ length: 4096 }, (_, value) => alphabet[value >> 6]! + alphabet[value & 63]!)

const pairs = Array.from({ length: 256 }, (_, value) => alphabet[value >> 2]! + alphabet[(value & 3) << 4]!)

const group = (value: number): string => duets[value >>> 12]! + duets[value & 4095]!

/**
 * The next id, at the time of the `Clock`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<string> = Effect.map(Effect.all([Generator, Clock.currentTimeMillis]), ([ids, now]) =>
  ids.next(now)
)

const generated = /^[0-9A-Z_a-z~]{22}$/

/**
 * Whether the id has the form of a generated one (22 characters of the alphabet, version 7).
 *
 * @category guards
 * @since 0.1.0
 */
export const isGenerated = (id: string): boolean => generated.test(id) && digitOf.get(id[8]!)! >> 2 === 7

/**
 * Whether a caller may choose this id: 1 to 256 printable ASCII characters, no space.
 *
 * @category guards
 * @since 0.1.0
 */
export const isValid = (id: string): boolean => typeof id === "string" && /^[\x21-\x7e]{1,256}$/.test(id)

/**
 * The time at which a generated id was made, in milliseconds since 1970; `undefined` for an id that a caller chose.
 *
 * @category getters
 * @since 0.1.0
 */
export const timeOf = (id: string): number | undefined => {
  if (!isGenerated(id)) return undefined
  let millis = 0
  for (let index = 0; index < 8; index++) millis = millis * 64 + digitOf.get(id[index]!)!
  return millis
}

/**
 * The usual 36-character form of a generated id, for databases that have a UUID type.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toUuid = (id: string): string => {
  let bits = 0n
  for (const character of id) bits = (bits << 6n) | BigInt(digitOf.get(character) ?? 0)
  const hex = (bits >> 4n).toString(16).padStart(32, "0")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}

/**
 * The id that `toUuid` wrote.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromUuid = (uuid: string): string => {
  let bits = BigInt(`0x${uuid.replaceAll("-", "")}`) << 4n
  let id = ""
  for (let index = 0; index < 22; index++) {
    id = alphabet[Number(bits & 63n)]! + id
    bits >>= 6n
  }
  return id
}
