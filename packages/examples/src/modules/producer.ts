/** A producer: it knows names and schemas, and no handler. */
import { Effect } from "effect"
import { Charge, SendReceipt } from "./tasks.ts"

export const checkOut = Effect.fn("checkOut")(function* (account: string, cents: number) {
  const { receipt } = yield* Charge.execute({ account, cents })
  const mail = yield* SendReceipt.enqueue({ to: account, receipt })
  yield* mail.await
  return receipt
})
