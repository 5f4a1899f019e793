/** What the set-up of the tests provides. */
import { inject, vi } from "vitest"

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string
  }
}

/** Processes take their time on a machine that is busy with other tests. */
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

/** A server for all tests: each takes a prefix of its own. */
export const url: string = inject("redisUrl")
