/** The pages on Redis name what there is. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { queueKeys } from "../src/internal/keys.ts"

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8")
const protocol = page("redis-protocol.md")

describe("the page on the protocol", () => {
  it("lists every script, and no other", () => {
    const scripts = readdirSync(new URL("../lua", import.meta.url)).filter((name) => name.endsWith(".lua"))
    const section = protocol.slice(protocol.indexOf("## The scripts"), protocol.indexOf("## Invariants"))
    const listed = Array.from(section.matchAll(/^\| `(\w+)` /gm), ([, name]) => `${name}.lua`)
    assert.sameMembers(listed, scripts)
  })

  it("lists every key of a queue", () => {
    const { bucket, dead, held, letters, publisher, queue } = queueKeys("p", "q")
    const section = protocol.slice(protocol.indexOf("## The keys"), protocol.indexOf("## The way"))
    const keys = [...queue, dead, letters, held("c"), publisher("n"), bucket("own"), bucket("x".repeat(22))]
    for (const key of keys) {
      const name = key
        .replace("{p:q}:", "")
        .replace(/^(held|publisher|records):.*/, "$1:")
        .replace(/^ready:[1-8]$/, "ready:0")
        .replace("watchers:1", "watchers:0")
      assert.match(section, new RegExp(`\`${name}`), key)
    }
  })

  it("has the options of the layer with their defaults", () => {
    const source = readFileSync(new URL("../src/RedisServer.ts", import.meta.url), "utf8")
    const options = Array.from(source.matchAll(/^ {2}readonly (\w+)\?:/gm), ([, name]) => name!)
    const table = page("redis.md")
    for (const option of options) assert.include(table, `\`${option}\``)
    assert.isAtLeast(options.length, 12)
  })
})
