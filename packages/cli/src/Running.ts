/** The runs under way, as the handlers themselves tell: for the count at a stop, and for what a hard stop leaves behind. */
import { Task } from "celeriac"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { started } from "./taskLog.ts"

/** Most runs that are named one by one. */
const mostNamed = 20

export class Running {
  private readonly runs = new Set<{ readonly id: string; readonly task: string }>()

  get count(): number {
    return this.runs.size
  }

  /** The same handlers, watched. */
  watch(handlers: ReadonlyMap<string, Task.Registered>): Context.Context<never> {
    return Task.registered(
      Array.from(handlers.values(), (handler) => ({
        ...handler,
        run: (payload, context) =>
          Effect.suspend(() => {
            const run = { id: context.id, task: context.task }
            this.runs.add(run)
            return Effect.onExit(
              Effect.andThen(
                started(context.task),
                // a handler that throws before it has made an effect ends too
                Effect.suspend(() => handler.run(payload, context))
              ),
              () => Effect.sync(() => this.runs.delete(run))
            )
          })
      }))
    )
  }

  /** What happens to them when the process ends now. */
  leaves(): ReadonlyArray<string> {
    const { count } = this
    if (count === 0) return ["nothing was running"]
    const named = Array.from(this.runs).slice(0, mostNamed)
    return [
      `left behind, to be delivered again when the lease of this worker ends: ${count} running`,
      ...named.map(({ id, task }) => `  ${task} ${id}`),
      ...(count > named.length ? [`  and ${count - named.length} more`] : [])
    ]
  }
}
