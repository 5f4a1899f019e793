/** `celeriac worker` as a process, on a real server. */
import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import * as RawTask from "@celeriac/redis/RawTask"
import { assert, describe, it } from "@effect/vitest"
import { Task } from "celeriac"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import { celeriac, type Child, moduleOf } from "./child.ts"
import { url } from "./context.ts"
import { Again, Break, Count, Greet, Hold, Late, Refuse } from "./modules/tasks.ts"
import { commands } from "./server.ts"

let prefixes = 0

type Services = Layer.Success<ReturnType<typeof CeleriacRedis.layer>>

/** As in `modules/promises.js`. */
class Plain extends Task.make("plain", { queue: "plain" }) {}

/** A prefix of its own, and producers there. */
const withPrefix = <A>(body: (prefix: string) => Effect.Effect<A, unknown, Services | Scope>) =>
  Effect.suspend(() => {
    const prefix = `worker-${++prefixes}`
    return Effect.scoped(Effect.provide(body(prefix), CeleriacRedis.layer({ url, prefix })))
  })

const start = (prefix: string, ...args: ReadonlyArray<string>) =>
  celeriac(["worker", moduleOf("handlers.ts"), "--broker", url, "--prefix", prefix, ...args])

const stop = (child: Child) => Effect.andThen(child.signal("SIGTERM"), child.exit)

describe("celeriac worker", () => {
  it.live("shows what it does, runs tasks of its queues, and tells each end in a line", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const child = yield* start(prefix, "--log-format", "pretty", "-c", "3", "--name", "one")
        yield* child.line(/worker one is ready/)
        const [head] = child.stdout().split(/^\d\d:/m)
        assert.match(head!, /^celeriac \d+\.\d+\.\d+$/m)
        assert.match(head!, /broker +redis:\/\/127\.0\.0\.1:\d+$/m)
        assert.match(head!, /result backend +the same$/m)
        assert.match(head!, /queues +mail, reports, slow$/m)
        assert.match(head!, /concurrency +3$/m)
        assert.match(head!, /tasks +again\n +break\n +count\n +greet\n +hold\n +late\n +refuse$/m)

        // the ends come back, so the handlers ran; with and without Effect, from two queues
        assert.strictEqual(yield* Greet.execute("ada"), "hello ada")
        assert.strictEqual(yield* Count.execute("four"), 4)
        const { id } = yield* Refuse.enqueue("no money")
        yield* Again.execute()
        yield* Effect.exit(Break.execute("kaputt"))
        yield* Effect.exit(Late.execute())

        const time = String.raw`^\d\d:\d\d:\d\d\.\d{3} `
        yield* child.line(new RegExp(`${time}info  greet …\\S{8} succeeded in \\d+ms$`))
        yield* child.line(new RegExp(`${time}info  greet …\\S{8} greets ada$`))
        yield* child.line(new RegExp(`${time}info  count …\\S{8} succeeded in \\d+ms$`))
        // a failure with its duration, and nothing twice
        yield* child.line(new RegExp(`${time}warn  refuse ${id} failed: .*no money[^ ]* \\(\\d+ms\\)$`))
        yield* child.line(/info {2}again …\S{8} failed: .*not yet.*; again in \d+ms \(\d+ms\)$/)
        yield* child.line(/info {2}again …\S{8} #2 succeeded in \d+ms$/)
        yield* child.line(/error break \S{22} died: kaputt \(\d+ms\)$/)
        yield* child.line(/error late \S{22} ran longer than its hard time limit of 50ms \(\d+ms\)$/)
        assert.match(child.stdout(), /^ +at .*handlers\.ts/m)
        // neither starts nor what handlers say at this level
        assert.notMatch(child.stdout(), /debug|started|a detail/)
        assert.strictEqual(yield* stop(child), 0)
      })
    )
  )

  it.live("serves the queues that it is told to, and prints nothing but failures if it is asked to", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const other = yield* Count.enqueue("other")
        const child = yield* start(prefix, "-Q", "mail", "-l", "warning")
        const { id } = yield* Refuse.enqueue("no")
        assert.match(
          yield* child.line(/level=WARN/),
          new RegExp(`message="task \\\\"refuse.*id=${id}.* outcome=Failed took=\\d+`)
        )
        assert.strictEqual(yield* Greet.execute("ada"), "hello ada")
        // it was there before the others
        assert.deepStrictEqual(yield* other.state, Option.some("queued"))
        assert.strictEqual(yield* stop(child), 0)
        assert.strictEqual(child.stdout().trim().split("\n").length, 1)
      })
    )
  )

  it.live("tells starts with --log-level debug, each line in the format that was asked for", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const child = yield* start(prefix, "--log-level", "debug", "--log-format", "json")
        yield* Greet.execute("ada")
        yield* child.line(/succeeded in/)
        yield* stop(child)
        const lines = child
          .stdout()
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as Record<string, unknown>)
        const ofTask = lines.filter(({ annotations }) => (annotations as { readonly id?: string }).id !== undefined)
        assert.deepStrictEqual(
          ofTask.map(({ level, message }) => `${String(level)} ${String(message).replace(/\d+ms/, "1ms")}`),
          [
            'DEBUG task "greet" started',
            "INFO greets ada",
            "DEBUG a detail of the handler",
            'INFO task "greet" succeeded in 1ms'
          ]
        )
        assert.deepInclude(lines[0], { message: `celeriac 0.1.0`, level: "INFO" })
      })
    )
  )

  it.live("finishes what runs when SIGTERM comes, and takes nothing new", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const child = yield* start(prefix, "-l", "debug")
        const running = yield* Hold.enqueue()
        yield* child.line(/task \\"hold\\" started/)
        yield* child.signal("SIGTERM")
        yield* child.line(/SIGTERM: draining, 1 running/)
        const next = yield* Greet.enqueue("late")
        yield* child.signal("SIGUSR2")
        assert.strictEqual(yield* child.exit, 0)
        yield* running.await
        assert.deepStrictEqual(yield* running.state, Option.some("succeeded"))
        assert.deepStrictEqual(yield* next.state, Option.some("queued"))
      })
    )
  )

  it.live.each([
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)(
    "leaves at once when a second signal comes (%s), and its messages are delivered again",
    ([signal, code]) =>
      withPrefix((prefix) =>
        Effect.gen(function* () {
          const child = yield* start(prefix, "-l", "debug", "--visibility-timeout", "1s")
          const { id } = yield* Hold.enqueue()
          yield* child.line(/task \\"hold\\" started/)
          yield* child.signal(signal)
          yield* child.line(/draining, 1 running/)
          yield* child.signal(signal)
          assert.strictEqual(yield* child.exit, code)
          assert.match(
            child.stderr(),
            new RegExp(`${signal} again: exits at once\n.*delivered again.*: 1 running\n  hold ${id}`)
          )

          const { found } = yield* RawTask.find({ id, server: { url, prefix } })
          assert.strictEqual(found[0]?.places[0]?._tag, "held")
          const second = yield* start(prefix, "-l", "debug", "--visibility-timeout", "1s")
          yield* second.line(new RegExp(`hold.* started.*id=${id}`))
        })
      )
  )

  it.live("tells of a rejection that nobody handles, and works on; an exception ends it", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const args = ["--broker", url, "--prefix", prefix, "-l", "warning", "--visibility-timeout", "1s"]
        const child = yield* celeriac(["worker", moduleOf("outside.ts"), ...args])
        yield* Refuse.execute("nobody waits")
        yield* child.line(/level=ERROR.*rejected outside of any task.*Error: nobody waits.*outside\.ts/)
        assert.strictEqual(yield* Greet.execute("ada"), "hello ada")

        const { id } = yield* Hold.enqueue()
        yield* child.line(/holds/)
        yield* Break.enqueue("kaputt")
        assert.strictEqual(yield* child.exit, 1)
        const lines = child.stdout().trim().split("\n")
        assert.lengthOf(lines, 3)
        assert.match(
          lines[2]!,
          /level=ERROR.*process ends \(1 running, .*outside of any task: Error: kaputt.*outside\.ts/
        )
        assert.strictEqual(child.stderr(), "")

        // what ran is not lost
        const second = yield* start(prefix, "-l", "debug", "--visibility-timeout", "1s")
        yield* second.line(new RegExp(`hold.* started.*id=${id}`))
      })
    )
  )

  it.live("takes the servers from the environment, and shows no password", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const command = yield* commands(url)
        const user = `user-${prefix}`
        yield* command("acl", "setuser", user, "on", ">s%same/1", "~*", "&*", "+@all")
        const { host } = new URL(url)
        const secret = `redis://${user}:s%25same%2F1@${host}`
        const env = {
          CELERIAC_BROKER_URL: `${secret}/0`,
          CELERIAC_RESULT_BACKEND_URL: `${secret}/1`,
          CELERIAC_PREFIX: prefix
        }
        const child = yield* celeriac(["worker", moduleOf("promises.js"), "--log-format", "pretty"], env)
        yield* child.line(/is ready/)
        assert.include(child.stdout(), `broker          redis://${user}:***@${host}/0\n`)
        assert.include(child.stdout(), `result backend  redis://${user}:***@${host}/1\n`)
        assert.strictEqual(yield* stop(child), 0)

        // and where the password is wrong
        yield* command("acl", "setuser", user, "resetpass", ">other")
        const refused = yield* celeriac(["worker", moduleOf("promises.js")], env)
        assert.strictEqual(yield* refused.exit, 1)
        assert.match(refused.stderr(), /^error: redis:\/\/127.*user and password.*\n$/)
        assert.notMatch(child.stdout() + child.stderr() + refused.stdout() + refused.stderr(), /same/)
        yield* command("acl", "deluser", user)
      })
    )
  )

  it.live("runs a JavaScript module, and tells when the server goes and comes", () =>
    withPrefix((prefix) =>
      Effect.gen(function* () {
        const child = yield* celeriac([
          "worker",
          moduleOf("promises.js"),
          "--export",
          "PlainLive",
          "-b",
          url,
          "--prefix",
          prefix
        ])
        yield* Plain.execute()
        yield* child.line(/level=INFO.*task \\"plain\\" succeeded/)
        const command = yield* commands(url)
        const clients = String(yield* command("client", "list"))
        const ids = clients
          .split("\n")
          .flatMap((line) => (line.includes("name=celeriac-worker ") ? [/id=(\d+)/.exec(line)![1]!] : []))
        assert.isAbove(ids.length, 0)
        for (const id of ids) yield* command("client", "kill", "id", id)
        yield* child.line(/level=WARN.*connection to redis:\/\/\S+ was lost/)
        yield* child.line(/level=INFO.*is back/)

        // a log that nobody reads is no reason to stop
        yield* child.stopReading
        for (let times = 0; times < 3; times += 1) yield* Plain.execute()
        assert.strictEqual(yield* stop(child), 0)
      })
    )
  )
})
