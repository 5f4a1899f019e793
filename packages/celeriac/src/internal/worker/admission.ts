/** Whether a claimed message may run here and now. Decides, and does nothing. */
import * as Result from "effect/Result"
import type { Delivery } from "../../Broker.ts"
import * as Message from "../../Message.ts"
import type { Outcome } from "../../Outcome.ts"
import { type Policies, runsOnce } from "./policies.ts"

/** `Refused`: the message has this outcome without a run. What could be found out about it is there in either case. */
export type Admission =
  | { readonly _tag: "Admitted"; readonly message: Message.Message; readonly policies: Policies }
  | {
      readonly _tag: "Refused"
      readonly message: Message.Message | undefined
      readonly policies: Policies | undefined
      readonly outcome: Outcome
    }

export const admit = (
  delivery: Delivery,
  tasks: ReadonlyMap<string, Policies>,
  options: {
    /** Milliseconds since 1970. */
    readonly now: number
    /** Of tasks that this worker does not know. */
    readonly maxDeliveries: number
  }
): Admission => {
  const { crashes, queue, wire } = delivery
  const decoded = Message.decode(delivery, wire)
  if (Result.isFailure(decoded)) {
    const { detail, newer } = decoded.failure
    return refused({ _tag: newer ? "Unknown" : "Undecodable", detail }, undefined, undefined)
  }
  const message = decoded.success
  const policies = tasks.get(message.task)
  if (hasExpired(message, options.now)) return refused({ _tag: "Expired" }, message, policies)
  const lost = crashes + (message.requeues ?? 0)
  if (lost >= (policies?.maxDeliveries ?? options.maxDeliveries)) {
    return refused({ _tag: "TooManyDeliveries" }, message, policies)
  }
  if (policies === undefined) {
    const detail = `no worker of queue "${queue}" knows task "${message.task}"`
    return refused({ _tag: "Unknown", detail }, message, policies)
  }
  if (crashes > 0 && runsOnce(message, policies)) {
    return refused({ _tag: "WorkerLost", detail: "its worker died, and it may run at most once" }, message, policies)
  }
  return { _tag: "Admitted", message, policies }
}

const refused = (
  outcome: Outcome,
  message: Message.Message | undefined,
  policies: Policies | undefined
): Admission => ({ _tag: "Refused", message, policies, outcome })

/** `expires` is about messages of which no run has ended; one that was cut off has left no trace. */
export const hasExpired = (
  { attempts = 0, expiresAt, requeues = 0, snoozes = 0 }: Message.Message,
  now: number
): boolean => expiresAt !== undefined && expiresAt <= now && attempts + requeues + snoozes === 0
