/** What a command that runs on and on has to say about its end by a signal. */
import * as Context from "effect/Context"
import type { StopSignal } from "./exitCodes.ts"

/** Plain and mutable: it is read when a signal comes, whatever the fibers do then. */
export interface Shutdown {
  /** The first signal, once it came. */
  signal: StopSignal | undefined
  /** To be stopped by a signal is the ordinary end of the command: it counts as success. */
  graceful: boolean
  /** What the second signal leaves behind, in lines for people. */
  leaves: () => ReadonlyArray<string>
}

export const make = (): Shutdown => ({ signal: undefined, graceful: false, leaves: () => [] })

export const Shutdown: Context.Reference<Shutdown> = Context.Reference<Shutdown>("@celeriac/cli/Shutdown", {
  defaultValue: make
})
