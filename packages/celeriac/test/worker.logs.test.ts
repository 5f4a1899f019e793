/** What a worker logs in the lives of its messages: one line an event, with the annotations by which it is found. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { Broker } from "../src/Broker.ts"
import type { EnqueueOptions } from "../src/Client.ts"
import * as Task from "../src/Task.ts"
import type { TaskSignal, Typed } from "../src/TaskContext.ts"
import * as Worker from "../src/Worker.ts"
import { Boom, type Line, pass, started, stores, untyped, world } from "./fixture.ts"

class Mail extends Task.make("mail.send", {
  payload: { kind: Schema.String },
  success: Schema.String,
  error: Boom,
  retry: { delay: "1 second", jitter: false, times: 1 }
}) {}

/** Of a program that this worker is no part of. */
class Other extends Task.make("mail.other", { payload: { kind: Schema.String } }) {}

const boom = Effect.fail(new Boom({ code: 550 }))

const handlers: Readonly<Record<string, (context: Typed<never>) => Effect.Effect<string, Boom | TaskSignal>>> = {
  succeeds: () => Effect.succeed("sent"),
  "takes a second": () => Effect.delay(Effect.succeed("sent"), "1 second"),
  fails: () => boom,
  "fails once": ({ attempt }) => (attempt === 1 ? boom : Effect.succeed("sent")),
  dies: () => Effect.die(new TypeError("no such\n  field")),
  "does not fit": () => Effect.succeed(untyped<string>(7)),
  hangs: () => Effect.never,
  "is deaf": () => Effect.uninterruptible(Effect.never),
  snoozes: ({ snooze }) => snooze("1 minute"),
  rejects: ({ reject }) => reject({ detail: "no such address" }),
  requeues: ({ reject }) => reject({ requeue: true }),
  ignores: ({ ignore }) => ignore,
  "asks for a retry": ({ retry }) => retry()
}

interface Life {
  readonly kind: string
  readonly options?: EnqueueOptions
  readonly revoked?: true
  /** `Level attempt text`, in their order. */
  readonly says: ReadonlyArray<string>
  /** `outcome took` of each end, in their order; the time is missing when it did not run. */
  readonly ends: ReadonlyArray<string>
}

const lives: ReadonlyArray<Life> = [
  { kind: "succeeds", ends: ["Succeeded 0"], says: ['Debug 1 task "mail.send" succeeded in 0ms'] },
  { kind: "takes a second", ends: ["Succeeded 1000"], says: ['Debug 1 task "mail.send" succeeded in 1s'] },
  {
    kind: "fails",
    ends: ["Failed 0", "Failed 0"],
    says: [
      'Info 1 task "mail.send" failed: {"_tag":"Boom","code":550}; again in 1s',
      'Warn 2 task "mail.send" failed: {"_tag":"Boom","code":550}'
    ]
  },
  {
    kind: "fails once",
    ends: ["Failed 0", "Succeeded 0"],
    says: [
      'Info 1 task "mail.send" failed: {"_tag":"Boom","code":550}; again in 1s',
      'Debug 2 task "mail.send" succeeded in 0ms'
    ]
  },
  {
    kind: "dies",
    ends: ["Died 0", "Died 0"],
    says: [
      'Warn 1 task "mail.send" died: no such field; again in 1s\n    at …',
      'Error 2 task "mail.send" died: no such field\n    at …'
    ]
  },
  {
    kind: "does not fit",
    options: { retries: 0 },
    ends: ["Died 0"],
    says: [
      "Error 1 task \"mail.send\" died: the handler's success value does not fit the task's schema: Expected string"
    ]
  },
  {
    kind: "hangs",
    options: { softTimeLimit: "2 seconds" },
    ends: ["TimedOut 2000", "TimedOut 2000"],
    says: [
      'Warn 1 task "mail.send" ran longer than its soft time limit of 2s; again in 1s',
      'Error 2 task "mail.send" ran longer than its soft time limit of 2s'
    ]
  },
  {
    kind: "hangs",
    options: { timeLimit: "1500 millis", retries: 0 },
    ends: ["TimedOut 1500"],
    says: ['Error 1 task "mail.send" ran longer than its hard time limit of 1s 500ms']
  },
  {
    kind: "is deaf",
    options: { timeLimit: "1 second", retries: 0 },
    ends: ["TimedOut 3000"],
    says: [
      'Error 1 task "mail.send" ran longer than its hard time limit of 1s',
      'Error 1 task "mail.send" did not end within 2s after it was interrupted: it goes on without a result and holds what it holds until this process ends'
    ]
  },
  { kind: "hangs", revoked: true, ends: ["Revoked 100"], says: ['Debug 1 task "mail.send" was revoked'] },
  { kind: "snoozes", ends: ["Snoozed 0"], says: ['Debug 1 task "mail.send" is put off by its handler for 1m'] },
  {
    kind: "rejects",
    ends: ["Rejected 0"],
    says: ['Warn 1 task "mail.send" was rejected by its handler: no such address']
  },
  {
    kind: "requeues",
    ends: ["Requeued 0", "Requeued 0", "Requeued 0", "Requeued 0", "Requeued 0"],
    says: [
      ...Array.from({ length: 4 }, () => 'Debug 1 task "mail.send" was requeued by its handler'),
      'Debug 1 task "mail.send" was requeued by its handler too often'
    ]
  },
  { kind: "ignores", ends: ["Ignored 0"], says: ['Debug 1 task "mail.send" was ignored by its handler'] },
  {
    kind: "asks for a retry",
    ends: ["RetryRequested 0", "RetryRequested 0"],
    says: [
      'Info 1 task "mail.send" asked for another attempt; again in 1s',
      'Warn 2 task "mail.send" asked for another attempt, but has none left'
    ]
  }
]

const serve = started(
  Worker.layer({ tasks: [Mail], name: "w", grace: "2 seconds", drainLimit: 0 }).pipe(
    Layer.provide(Mail.toLayer(({ kind }, context) => handlers[kind]!(context)))
  )
)

const withLevel = (level: LogLevel.LogLevel) => Effect.provideService(References.MinimumLogLevel, level)

/** What programs read of an end, as `outcome took`; any other line has neither of the two. */
const endsIn = (lines: ReadonlyArray<Line>): Array<string> =>
  lines.flatMap(({ annotations: { outcome, took } }) =>
    [outcome, took].every((fact) => fact === undefined)
      ? []
      : [outcome, took]
          .flatMap((fact) => (fact === undefined ? [] : JSON.stringify(fact)))
          .join(" ")
          .replaceAll('"', "")
  )

/** Where a defect happened is another matter in each test. */
const plain = (text: string) => text.replace(/\n {4}at [^]*/, "\n    at …")

describe.each(stores)("logs: $store", ({ layer }) => {
  for (const level of ["Debug", "Info", "Warn"] as const) {
    it.effect.each(lives)(`$kind, at level ${level}`, ({ ends, kind, options, revoked, says }) =>
      world(layer, ({ lines }) =>
        Effect.gen(function* () {
          yield* serve
          lines.length = 0
          const handle = yield* Mail.enqueue({ kind }, { id: "a", ...options })
          yield* pass("100 millis")
          if (revoked) yield* handle.revoke()
          yield* pass("10 seconds")
          const expected = says.filter(
            (line) => level === "Debug" || (level === "Warn" ? /^(Warn|Error)/ : /^(Info|Warn|Error)/).test(line)
          )
          const said = lines.filter((line) => level === "Debug" || line.level !== "Debug")
          assert.deepStrictEqual(
            said.map(({ annotations, level, text }) => `${level} ${String(annotations["attempt"])} ${plain(text)}`),
            expected
          )
          for (const { annotations, cause } of said) {
            assert.deepInclude(annotations, { worker: "w", task: "mail.send", id: "a" })
            assert.strictEqual(cause.reasons.length, 0)
          }
          if (level === "Debug") assert.deepStrictEqual(endsIn(said), ends)
          else assert.includeMembers([...ends], endsIn(said))
          yield* pass("2 minutes", "10 seconds")
        }).pipe(withLevel(level))
      )
    )
  }

  it.effect("messages that cannot be run", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        yield* serve
        lines.length = 0
        const broker = yield* Broker
        yield* Other.enqueue({ kind: "x" }, { id: "other" })
        const wires = {
          garbage: "garbage",
          newer: '95{"t":"mail.send"}',
          payload: '15{"t":"mail.send","p":{"kind":7}}'
        }
        for (const [id, wire] of Object.entries(wires)) {
          yield* broker.publish({
            publisher: id,
            sequence: 1,
            resend: false,
            messages: [{ id, queue: "default", wire }]
          })
        }
        yield* pass("20 minutes", "5 seconds")
        assert.deepStrictEqual(
          lines.map(({ annotations, level, text }) => `${level} ${String(annotations["id"])} ${text}`).toSorted(),
          [
            'Error garbage a message of queue "default" cannot be read: it does not begin with the version of a message: "garbage"',
            'Error newer a message of queue "default" cannot be run: it is written in version 9 of the message format; this program reads version 1',
            'Error other task "mail.other" cannot be run: no worker of queue "default" knows task "mail.other"',
            'Error payload task "mail.send" has a payload that cannot be read: Expected string at ["kind"]',
            'Warn newer a message of queue "default" cannot be run: it is written in version 9 of the message format; this program reads version 1; again in 1s',
            'Warn other task "mail.other" cannot be run: no worker of queue "default" knows task "mail.other"; again in 1s'
          ],
          "what is put off is told once, and once when it is over"
        )
        assert.deepStrictEqual(endsIn(lines).toSorted(), [
          "Undecodable",
          "Undecodable 0",
          "Unknown",
          "Unknown",
          "Unknown",
          "Unknown"
        ])
      })
    )
  )

  it.effect("several workers are told apart", () =>
    world(layer, ({ lines }) =>
      Effect.gen(function* () {
        const of = (name: string) =>
          started(Worker.layer({ tasks: [Mail], name }).pipe(Layer.provide(Mail.toLayer(() => Effect.succeed("sent")))))
        for (const name of ["one", "two"]) {
          const { stop } = yield* of(name)
          yield* stop
        }
        assert.deepStrictEqual(
          lines.map(({ annotations, text }) => [annotations["worker"], text]),
          ["one", "two"].flatMap((name) => [
            [name, `worker ${name} is ready`],
            [name, `worker ${name} has stopped`]
          ])
        )
      })
    )
  )
})
