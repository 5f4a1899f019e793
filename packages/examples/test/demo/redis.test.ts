/** The demo on Redis, as processes: how it ends in each case, and what it leaves behind. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Redis } from "effect/persistence"
import { allGone, freePort, givenServer, lives, processesIn, runToEnd, start } from "./program.ts"

const password = "s3cret"
const database = 3
/** Keys of others, some of them in places that look like the demo's. */
const foreign = ["celeriac-demo-:queues", "celeriac:queues", "other", "{celeriac-demo-other:desk}:messages"]

/** A server that asks for a password, with keys of others on it; `keys` tells what is there now, in all its databases. */
const sharedServer = Effect.gen(function* () {
  const { port } = yield* givenServer("--requirepass", password)
  const onServer = Effect.provide(NodeRedis.layer({ socket: { port }, password, database }))
  const add = (added: ReadonlyArray<string>) =>
    Effect.flatMap(Redis.Redis, ({ send }) =>
      Effect.forEach(added, (key) => send("SET", key, "theirs"), { discard: true })
    ).pipe(onServer)
  const keys = Effect.gen(function* () {
    const { send } = yield* Redis.Redis
    const databases = yield* send<string>("INFO", "keyspace")
    return { keys: (yield* send<Array<string>>("KEYS", "*")).toSorted(), databases: databases.match(/^db\d+/gm) ?? [] }
  }).pipe(onServer)
  yield* add(foreign)
  return { port, url: `redis://:${password}@127.0.0.1:${port}/${database}`, keys, add }
})

const onlyForeign = { keys: foreign, databases: [`db${database}`] }

const workers = ["alder", "birch", "cedar"]

/** What everybody sees who watches to the end. */
const assertTold = (stdout: string, place: RegExp) => {
  const [, victim = "", count, heirs = ""] =
    /^Worker (\w+) was killed with (\d+) tasks? in hand: (.+)\.$/m.exec(stdout) ?? assert.fail(stdout)
  assert.include(workers, victim)
  const taken = [...heirs.matchAll(/(\w+) ran (\d+) again/g)]
  assert.isAtLeast(taken.length, 1, "somebody ran its tasks again")
  for (const [, heir = "", ran] of taken) {
    assert.include(workers, heir)
    assert.notStrictEqual(heir, victim)
    assert.match(stdout, new RegExp(`worker ${heir} runs [a-z.]+, which ${victim} had in hand`))
    assert.isAtLeast(Number(ran), 1)
  }
  assert.isAtLeast(
    taken.reduce((sum, [, , ran]) => sum + Number(ran), 0),
    Number(count),
    "all of them"
  )
  assert.match(stdout, new RegExp(`worker ${victim} is killed with \\d+ tasks? in hand`))
  assert.match(stdout, /^genres\.rank .* 1 +0 +1 +0 +0$/m)
  for (const name of workers) {
    assert.match(stdout, new RegExp(`^${name} +${place.source} +${name === victim ? "killed" : "stopped"} +0 `, "m"))
  }
  assert.match(stdout, /243 of 243 tasks, 0 running, 98 retries/)
  assert.include(stdout, "It is the same, byte for byte, as the one drawn without a queue and without a death.\n")
}

// they start a dozen processes; `npm test -- --fast` has no time for that
describe.skipIf(process.env["CELERIAC_FAST"] !== undefined)("as processes", () => {
  it.live(
    "memory, a server of its own and a given one: the same picture",
    () =>
      Effect.gen(function* () {
        const shared = yield* sharedServer
        const [memory, own, given] = yield* Effect.all(
          [runToEnd([]), runToEnd(["--redis"]), runToEnd(["--redis", shared.url])],
          { concurrency: "unbounded" }
        )
        for (const { code, signal, stderr } of [memory, own, given]) {
          assert.deepStrictEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: "" })
        }
        assertTold(memory.stdout, /this process/)
        assertTold(own.stdout, /process \d+/)
        assertTold(given.stdout, /process \d+/)
        assert.match(memory.picture(), /^<svg /)
        assert.isTrue(own.picture() === memory.picture(), "own server")
        assert.isTrue(given.picture() === memory.picture(), "given server")

        assert.strictEqual(processesIn(own.stdout).length, 4)
        assert.strictEqual(processesIn(given.stdout).length, 3)
        assert.deepStrictEqual([...processesIn(own.stdout), ...processesIn(given.stdout)].filter(lives), [])
        assert.deepStrictEqual(yield* shared.keys, onlyForeign)
        assert.match(given.stdout, /All keys there have the prefix\nceleriac-demo-[\w-]{8}, /)
        assert.notInclude(given.stdout, password)
      }),
    120_000
  )

  it.live(
    "interrupted: the keys are removed, and nobody is left behind",
    () =>
      Effect.gen(function* () {
        const shared = yield* sharedServer
        const program = yield* start(["--redis", shared.url])
        const [, prefix = ""] = yield* program.printed(/(celeriac-demo-[\w-]+), and are removed/)
        const alike = [`${prefix}s:queues`, `a:${prefix}:queues`, `{a:${prefix}:desk}:messages`]
        yield* shared.add(alike)
        yield* program.printed(/is killed with/)
        assert.isAbove((yield* shared.keys).keys.length, foreign.length + alike.length)
        program.child.kill("SIGINT")
        const { code, stderr, stdout } = yield* program.ended
        assert.strictEqual(code, 130)
        assert.strictEqual(stderr, "")
        assert.deepStrictEqual(yield* shared.keys, { ...onlyForeign, keys: [...foreign, ...alike].toSorted() })
        assert.strictEqual(processesIn(stdout).length, 3)
        assert.deepStrictEqual(processesIn(stdout).filter(lives), [])
      }),
    60_000
  )

  it.live.each([
    { signal: "SIGTERM", code: 130, when: /cedar starts in process/, tells: true },
    // nobody hears of this one: the processes find out for themselves
    { signal: "SIGKILL", code: null, when: /is ready/, tells: false }
  ] as const)(
    "$signal: workers and server end with the demo",
    ({ code, signal, tells, when }) =>
      Effect.gen(function* () {
        const program = yield* start(["--redis"])
        yield* program.printed(when)
        program.child.kill(signal)
        const end = yield* program.ended
        assert.strictEqual(end.code, code)
        const pids = processesIn(end.stdout)
        assert.strictEqual(pids.length, 4)
        if (tells) assert.deepStrictEqual(pids.filter(lives), [])
        else yield* allGone(pids)
      }),
    60_000
  )

  it.live.each([
    {
      name: "all its workers",
      victims: (pids: ReadonlyArray<number>) => pids.slice(1),
      message: /^The demo failed: no worker is left\n$/,
      told: /the process of worker \w+ is gone: it was ended by SIGKILL/
    },
    {
      name: "its server",
      victims: (pids: ReadonlyArray<number>) => pids.slice(0, 1),
      message: /^The demo failed: the Redis server at redis:\/\/127\.0\.0\.1:\d+ has ended\n$/,
      told: /\d of 242 tasks/
    }
  ])(
    "fails when somebody kills $name",
    ({ message, told, victims }) =>
      Effect.gen(function* () {
        const program = yield* start(["--redis"])
        const [output] = yield* program.printed(/[^]*is killed with/)
        for (const pid of victims(processesIn(output)).filter(lives)) process.kill(pid, "SIGKILL")
        const { code, stderr, stdout } = yield* program.ended
        assert.strictEqual(code, 1)
        assert.match(stderr, message)
        assert.match(stdout, told)
        assert.strictEqual(processesIn(stdout).length, 4)
        assert.deepStrictEqual(processesIn(stdout).filter(lives), [])
      }),
    60_000
  )

  const failsWith = (args: ReadonlyArray<string>, code: number, message: RegExp, env?: NodeJS.ProcessEnv) =>
    Effect.gen(function* () {
      const end = yield* runToEnd(args, env)
      assert.deepStrictEqual([end.code, end.stdout], [code, ""], end.stderr)
      assert.match(end.stderr, message)
      assert.match(end.stderr, /^[^\n]+\n$/, "one line")
      assert.notInclude(end.stderr, password)
    })

  it.live(
    "what cannot work fails with one line",
    () =>
      Effect.gen(function* () {
        const { port } = yield* givenServer("--requirepass", `not-${password}`)
        const nobody = yield* freePort
        yield* Effect.all(
          [
            failsWith(
              ["--redis", `redis://:${password}@127.0.0.1:${nobody}`],
              1,
              /redis:\/\/127.0.0.1:\d+\/0: no connection/
            ),
            failsWith(["--redis", `redis://:${password}@127.0.0.1:${port}`], 1, /does not know this user and password/),
            failsWith(["--redis", `redis://:not-${password}@127.0.0.1:${port}/99`], 1, /DB index is out of range/),
            failsWith(["--redis"], 1, /there is no redis-server: install one.*Or give the address/, {
              PATH: "/nowhere"
            }),
            failsWith(["--redsi"], 2, /^unknown argument: --redsi\. Usage: npm start -- /)
          ],
          { concurrency: 2 }
        )
      }),
    60_000
  )
})
