/** The runs under way, as the handlers themselves tell: for the count at a stop, and for what a hard stop leaves behind. */
import { Task } from "celeriac"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { started } from "./taskLog.ts"

/** Most runs that are named one by one. */
const mostNamed = 20

interface Run {
  readonly id: string
  readonly task: string
}

export class Running {
  private readonly runs = new Set<Run>()

  get count(): number {
    return this.runs.size
  }

  /** The same handlers, watched. `starts`: each start is logged. */
  watch(
    handlers: ReadonlyMap<string, Task.Registered>,
    { starts }: { readonly starts: boolean }
  ): Context.Context<never> {
    return Task.registered(
      Array.from(handlers.values(), (handler) => {
        // in an effect, for a middleware may run it twice, or not at all
        const watched: Task.HandlerFunction = (payload, context) =>
          Effect.suspend(() => {
            const effect = handler.run(payload, context)
            // it has run already
            if (Exit.isExit(effect)) return effect
            const run: Run = { id: context.id, task: context.task }
            this.runs.add(run)
            return Effect.onExit(effect, () => {
              this.runs.delete(run)
              return Effect.void
            })
          })
        const run: Task.HandlerFunction = starts
          ? (payload, context) => Effect.andThen(started(context.task), watched(payload, context))
          : watched
        return { ...handler, run }
      })
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
