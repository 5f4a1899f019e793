/** `celeriac task raw`: what it prints, and its exit code. */
import * as CeleriacRedis from "@celeriac/redis/CeleriacRedis"
import type * as RawTask from "@celeriac/redis/RawTask"
import { assert, describe, it } from "@effect/vitest"
import { Message } from "celeriac"
import * as Effect from "effect/Effect"
import { TestConsole } from "effect/testing"
import { run } from "../src/celeriac.ts"
import { rawTaskText } from "../src/rawTaskText.ts"
import { url } from "./context.ts"
import { Greet } from "./modules/tasks.ts"
import { commands } from "./server.ts"

const text = (found: Partial<RawTask.Found>) =>
  rawTaskText(
    {
      id: "a",
      queue: "mail",
      server: "redis://host:6379/0",
      now: 1_800_000_000_000,
      message: undefined,
      places: [],
      crashes: undefined,
      expires: undefined,
      traces: [],
      stored: undefined,
      deadLetter: undefined,
      watchers: [],
      ...found
    },
    (_format, text) => text
  )

/** Runs it in this process. */
const celeriac = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const code = yield* run(args)
    const stdout = (yield* TestConsole.logLines).join("\n")
    const stderr = (yield* TestConsole.errorLines).join("\n")
    return { code, stdout, stderr }
  }).pipe(Effect.provide(TestConsole.layer))

describe("celeriac task raw", () => {
  it.live("prints what both servers have, as text and as JSON", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const prefix = "task-raw"
        const command = yield* commands(url)
        const servers = { broker: { url, prefix }, resultBackend: { url: `${url}/1`, prefix } }
        yield* Effect.gen(function* () {
          yield* Greet.enqueue("ada", { id: "order-17", delay: "1 hour" })
        }).pipe(Effect.provide(CeleriacRedis.layer(servers)))
        const args = ["task", "raw", "order-17", "-b", url, "--result-backend", `${url}/1`, "--prefix", prefix]
        // something on the other server, which is no record
        yield* command("select", 1)
        yield* command("hset", `{${prefix}:mail}:records:=order-17`, "order-17", "garbage\u001b[31m")
        yield* command("select", 0)

        const child = yield* celeriac(args)
        assert.strictEqual(child.code, 0)
        assert.match(
          child.stdout,
          /^order-17 in queue mail at redis:\/\/127\.0\.0\.1:\d+\/0\n\nPlace\n {2}scheduled {2}/
        )
        assert.match(child.stdout, /due \d{4}-\S+Z \(in 59m \d+s\)|due \S+Z \(in 1h\)/)
        assert.include(child.stdout, `  > ZSCORE '{${prefix}:mail}:scheduled' 5order-17`)
        assert.match(child.stdout, / {2}task +greet\n/)
        assert.match(child.stdout, / {2}payload +"ada"\n/)
        assert.match(child.stdout, /order-17 in queue mail at redis:\/\/127\.0\.0\.1:\d+\/1\n/)
        assert.include(child.stdout, "garbage\\u001b[31m")
        assert.notInclude(child.stdout, "\u001b")

        // the address of the same server, written in another way, is no other server
        const same = yield* celeriac([
          "task",
          "raw",
          "order-17",
          "-b",
          url,
          "--result-backend",
          `${url}/0`,
          "--prefix",
          prefix
        ])
        assert.strictEqual(same.code, 0)
        assert.lengthOf(same.stdout.match(/^Place$/gm) ?? [], 1)

        const json = yield* celeriac([...args, "--json", "--queue", "mail"])
        assert.strictEqual(json.code, 0)
        const answer = JSON.parse(json.stdout) as {
          readonly queues: unknown
          readonly found: ReadonlyArray<RawTask.Found>
        }
        assert.deepStrictEqual(answer.queues, ["mail"])
        assert.deepStrictEqual(
          answer.found.map(({ message, stored }) => [message?.content?.task, stored?.text]),
          [
            ["greet", undefined],
            [undefined, "garbage\u001b[31m"]
          ]
        )

        const unknown = yield* celeriac(["task", "raw", "order-18", "-b", url, "--prefix", prefix])
        assert.strictEqual(unknown.code, 1)
        assert.match(unknown.stderr, /^error: nothing is known of "order-18" in queue "mail"/)
      })
    )
  )

  const read = ["get", "key"]

  it.each<[what: string, found: Partial<RawTask.Found>, says: RegExp]>([
    [
      "a message that is lost",
      { message: { text: "x", content: undefined, problem: "odd", read } },
      /lost +it is in no place/
    ],
    [
      "two places",
      {
        places: [
          { _tag: "suspect", ahead: 0, length: 2, read },
          { _tag: "ready", priority: 9, ahead: undefined, length: 5000, read }
        ]
      },
      /next of 2\n {2}queued +priority 9, not among the first or last thousand of 5000\n {2}fault/
    ],
    [
      "a lease that is over",
      {
        places: [
          {
            _tag: "held",
            consumer: "c",
            worker: "w",
            fence: 3,
            revoked: false,
            leaseEnd: 1_799_999_999_000,
            read
          }
        ]
      },
      /held by w\n +consumer c\n +fence 3\n +its lease ended 2027-01-15T07:59:59.000Z \(1s ago\)/
    ],
    [
      "a retry",
      {
        message: {
          text: "x",
          content: { id: "a", queue: "mail", task: "t", priority: 5, attempts: 1 },
          problem: undefined,
          read
        },
        places: [{ _tag: "scheduled", priority: 5, dueAt: 1_800_000_060_000, read }]
      },
      /retrying +priority 5, due .* \(in 1m\)/
    ],
    [
      "a record that does not count any more",
      {
        stored: {
          _tag: "record",
          expiresAt: 1,
          text: "x",
          read,
          record: {
            text: "x",
            content: { state: "succeeded", endedAt: 1, attempts: 1, ending: { _tag: "Success", value: 1 } },
            problem: undefined
          }
        }
      },
      /state +succeeded\n[^]*life +over since/
    ],
    [
      "a payload of megabytes",
      { message: messageOf("x".repeat(1e6)) },
      /x… \(10000\d\d characters; --json prints all\)/
    ],
    ["a time that is none", { expires: { at: Number.NaN, waiting: true, read } }, /at NaN, which is no time/]
  ])("says of %s what is odd", (_what, found, says) => {
    assert.match(text(found), says)
  })
})

function messageOf(payload: unknown): NonNullable<RawTask.Found["message"]> {
  const content: Message.Message = { id: "a", queue: "mail", task: "t", priority: 5, payload }
  return { text: Message.encode(content), content, problem: undefined, read: ["get", "key"] }
}
