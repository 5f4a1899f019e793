/** The handlers: a Layer that needs nothing more. Only workers load this file, and whatever it imports. */
import { Context, Effect, Layer } from "effect"
import { Tasks, Unpayable } from "./tasks.ts"

/** Heavy things, such as a driver: producers are to be spared them. */
class Bank extends Context.Service<
  Bank,
  {
    readonly withdraw: (account: string, cents: number) => Effect.Effect<string, Unpayable>
  }
>()("modules/Bank") {
  static readonly layer = Layer.succeed(Bank, {
    withdraw: (account, cents) =>
      cents > 10_000 ? Effect.fail(new Unpayable({ reason: "over the limit" })) : Effect.succeed(`${account}:${cents}`)
  })
}

export const HandlersLive = Tasks.toLayer(
  // built once for each worker
  Effect.gen(function* () {
    const bank = yield* Bank
    return {
      "payment.charge": ({ account, cents }) => Effect.map(bank.withdraw(account, cents), (receipt) => ({ receipt })),
      "receipt.send": ({ receipt, to }) => Effect.logInfo(`receipt ${receipt} goes to ${to}`)
    }
  })
).pipe(Layer.provide(Bank.layer))
