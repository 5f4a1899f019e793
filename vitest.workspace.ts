import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

// Workspace packages resolve to their TypeScript sources, so that tests need no build.
const conditions = ["@celeriac/source"]

const project = (name: string, folder: string, setup?: string) => ({
  extends: true as const,
  test: {
    name,
    root: `packages/${folder}`,
    include: ["{src,test}/**/*.test.ts"],
    ...(setup !== undefined && { globalSetup: [setup] })
  }
})

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    // on two cores the default is one
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      project("celeriac", "celeriac"),
      project("redis", "redis", "test/globalSetup.ts"),
      project("cli", "cli", "../redis/test/globalSetup.ts"),
      project("examples", "examples"),
      project("bench", "bench")
    ]
  }
})
