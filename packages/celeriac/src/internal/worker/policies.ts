/** What holds for the messages of each task on this worker, worked out once. What a call says itself wins over it. */
import type { Settings as Defaults } from "../../Defaults.ts"
import type * as Message from "../../Message.ts"
import type { AnyWithProps, Registered } from "../../Task.ts"
import * as TimeLimit from "../../TimeLimit.ts"
import { keeping } from "../endings.ts"
import type { Settings } from "./options.ts"

export interface Policies {
  readonly task: AnyWithProps
  readonly limits: TimeLimit.Limits
  readonly workerLimits: TimeLimit.Options
  readonly maxDeliveries: number
  readonly kept: Kept
}

/** How long a record is kept, and whether, where the message itself says nothing. */
export type Kept = ReturnType<typeof keeping>

export const policiesOf = (
  handlers: ReadonlyMap<string, Registered>,
  settings: Settings,
  defaults: Defaults
): ReadonlyMap<string, Policies> =>
  new Map(
    Array.from(handlers, ([name, { task }]) => [
      name,
      {
        task,
        limits: TimeLimit.resolve({ task: task.options, worker: settings.limits }).limits,
        workerLimits: settings.limits,
        maxDeliveries: task.options.maxDeliveries ?? defaults.maxDeliveries,
        kept: keeping(undefined, task.options, defaults)
      }
    ])
  )

export const limitsOf = (message: Message.Message, { limits, task, workerLimits }: Policies): TimeLimit.Limits =>
  message.softTimeLimit === undefined && message.timeLimit === undefined
    ? limits
    : TimeLimit.resolve({ call: TimeLimit.decode(message), task: task.options, worker: workerLimits }).limits

/** It is not given to others once it has started. */
export const runsOnce = (message: Message.Message, { task }: Policies): boolean =>
  (message.ack ?? task.options.ack) === "early"
