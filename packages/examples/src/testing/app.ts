/** The program, all but its server and its way to send mail: those are for `main.ts` and the tests to choose. */
import { Worker } from "celeriac"
import { Context, Effect, Layer } from "effect"
import { type MailServerDown, SendMail } from "./tasks.ts"

export class Mailer extends Context.Service<
  Mailer,
  {
    readonly send: (to: string, template: string) => Effect.Effect<void, MailServerDown>
  }
>()("testing/Mailer") {}

export const SendMailLive = SendMail.toLayer(
  Effect.fnUntraced(function* ({ template, to }) {
    const mailer = yield* Mailer
    yield* mailer.send(to, template)
  })
)

export const WorkerLive = Worker.layer({ tasks: [SendMail] }).pipe(Layer.provide(SendMailLive))

export const signUp = Effect.fn("signUp")(function* (email: string) {
  const welcome = yield* SendMail.enqueue({ to: email, template: "welcome" }, { priority: 9 })
  yield* SendMail.enqueue({ to: email, template: "first week" }, { delay: "7 days" })
  yield* SendMail.enqueue({ to: email, template: "offer of the day" }, { expires: "1 day" })
  return welcome
})
