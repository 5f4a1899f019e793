/** One server for all test files that need no special one. */
import type { TestProject } from "vitest/node"
// plain JavaScript: it also runs before anything is installed
// @ts-expect-error it has no types
import { startRedis } from "../../../scripts/redis-server.mjs"

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const server: { readonly url: string; readonly stop: () => Promise<void> } = await startRedis()
  provide("redisUrl", server.url)
  return server.stop
}
