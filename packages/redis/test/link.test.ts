/** How a connection comes back: real sockets, and time that the test gives. */
import { connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { inject } from "vitest"
import * as Link from "../src/internal/Link.ts"

const target = new URL(inject("redisUrl"))

/** Between a client and the server; while it is closed it takes connections and drops them at once. */
const proxy = Effect.acquireRelease(
  Effect.callback<Proxy>((resume) => {
    const sockets = new Set<Socket>()
    const self = { accepted: 0, isOpen: true, port: 0, cut: () => sockets.forEach((socket) => socket.destroy()) }
    const server = createServer((socket) => {
      self.accepted++
      if (!self.isOpen) return socket.destroy()
      const other = connect(Number(target.port), target.hostname)
      for (const [one, another] of [
        [socket, other],
        [other, socket]
      ] as const) {
        sockets.add(one)
        one.pipe(another)
        one.on("error", () => {})
        one.on("close", () => another.destroy())
      }
      return undefined
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      self.port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed(Object.assign(self, { close: () => server.close() })))
    })
  }),
  ({ close, cut }) =>
    Effect.sync(() => {
      cut()
      close()
    })
)

interface Proxy {
  /** Connections so far. */
  accepted: number
  isOpen: boolean
  port: number
  readonly cut: () => void
  readonly close: () => void
}

/** A turn of the real event loop. */
const turn = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 1)))

/** Lets time pass until it is so. */
const until = (isSo: () => boolean) =>
  Effect.whileLoop({
    while: () => !isSo(),
    body: () => Effect.andThen(TestClock.adjust("100 millis"), turn),
    step: () => {}
  })

const optionsOf = ({ port }: Proxy) => ({ address: "redis://proxy", redis: { host: "127.0.0.1", port } })

const logged = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make(({ message }) => void lines.push([message].flat().join(" ")))])
  return { lines, layer }
}

describe("a link", () => {
  it.effect("comes back, and tells of each reason once", () => {
    const { layer, lines } = logged()
    return Effect.gen(function* () {
      const way = yield* proxy
      const link = yield* Link.make(optionsOf(way))
      assert.strictEqual(yield* link.call("ping", []), "PONG")
      way.isOpen = false
      way.cut()
      const before = way.accepted
      yield* until(() => way.accepted >= before + 6)
      assert.lengthOf(lines, 2, lines.join("\n"))
      assert.match(lines[0]!, /^the connection to redis:\/\/proxy was lost; trying again$/)
      assert.match(lines[1]!, /no connection: .*; trying again$/)
      assert.strictEqual((yield* Effect.flip(link.call("ping", [])))._tag, "Unavailable")
      way.isOpen = true
      yield* until(() => lines.length === 3)
      assert.match(lines[2]!, /is back$/)
      assert.strictEqual(yield* link.call("ping", []), "PONG")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("waits longer between tries, whether they fail or are dropped", () =>
    Effect.gen(function* () {
      const way = yield* proxy
      yield* Link.make(optionsOf(way))
      way.isOpen = false
      way.cut()
      const before = way.accepted
      yield* until(() => way.accepted >= before + 9)
      const tries = way.accepted
      for (let turns = 0; turns < 20; turns++) yield* turn
      // the pause is half a second or more by now
      yield* TestClock.adjust("200 millis")
      for (let turns = 0; turns < 20; turns++) yield* turn
      assert.strictEqual(way.accepted, tries)
      yield* until(() => way.accepted > tries)
    }).pipe(Effect.scoped, Effect.provide(logged().layer))
  )

  it.effect("that cannot be prepared by a defect fails, and does not hang", () =>
    Effect.gen(function* () {
      const way = yield* proxy
      const exit = yield* Effect.exit(Link.make({ ...optionsOf(way), prepare: () => Effect.die("a mistake") }))
      assert.isTrue(Exit.hasDies(exit))
    }).pipe(Effect.scoped)
  )
})
