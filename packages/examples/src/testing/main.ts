/**
 * How to test a program that uses tasks: `app.test.ts` runs what this file runs, on other layers and another clock.
 */
import { NodeRuntime } from "@effect/platform-node"
import { CeleriacMemory } from "celeriac"
import { Console, Effect, Layer } from "effect"
import { Mailer, signUp, WorkerLive } from "./app.ts"

const MailerLive = Layer.succeed(Mailer, { send: (to, template) => Console.log(`to ${to}: ${template}`) })

// in production the last layer is one of Redis; nothing else changes
const Main = WorkerLive.pipe(Layer.provide(MailerLive), Layer.provideMerge(CeleriacMemory.layer))

const program = Effect.gen(function* () {
  const welcome = yield* signUp("ada@example.org")
  yield* welcome.await
})

NodeRuntime.runMain(Effect.provide(program, Main))
