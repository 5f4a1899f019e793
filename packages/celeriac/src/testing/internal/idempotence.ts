/** Runs a handler twice for one message and compares. */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import { format } from "effect/Formatter"
import * as Schema from "effect/Schema"
import type * as Task from "../../Task.ts"
import * as TaskId from "../../TaskId.ts"
import { type Ran, run, type RunOptions } from "./run.ts"

/**
 * Two runs of the same message did not come to the same: `first` and `second` are the results, or what was observed after
 * each.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotIdempotent extends Schema.TaggedError<NotIdempotent>()("NotIdempotent", {
  task: Schema.String,
  what: Schema.Literals(["result", "observation"]),
  first: Schema.String,
  second: Schema.String
}) {
  override get message(): string {
    const what = this.what === "result" ? "another result" : "something else behind"
    return `task "${this.task}" is not idempotent: run twice for one message, it leaves ${what} the second time\n  first:  ${this.first}\n  second: ${this.second}`
  }
}

export const check = Effect.fnUntraced(function* <E, R>(
  task: Task.AnyWithProps,
  payload: unknown,
  options: RunOptions & { readonly observe?: Effect.Effect<unknown, E, R> | undefined } = {}
) {
  const { observe = Effect.void, ...call } = options
  const id = call.id ?? (yield* TaskId.make)
  const first = yield* run(task, payload, { ...call, id })
  // as text at once: what is observed may be changed by the second run
  const afterFirst = format(yield* observe)
  const second = yield* run(task, payload, { ...call, id, deliveries: (call.deliveries ?? 1) + 1 })
  const afterSecond = format(yield* observe)
  if (!Equal.equals(said(first), said(second))) {
    return yield* differs(task, "result", format(said(first)), format(said(second)))
  }
  if (afterFirst !== afterSecond) return yield* differs(task, "observation", afterFirst, afterSecond)
  return second
})

const differs = (task: Task.AnyWithProps, what: NotIdempotent["what"], first: string, second: string) =>
  new NotIdempotent({ task: task._tag, what, first, second })

const said = ({ ending, state }: Ran) => ({ state, ending })
