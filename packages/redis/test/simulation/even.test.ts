/** Random lives on a real server, those of even seeds: see `lives.ts`. The other half runs beside it, on a server of its own. */
import { describe, it } from "@effect/vitest"
import { checkSeeds, checkStory, checkWays, seedsOf, storiesOf } from "./lives.ts"

describe("simulation on Redis", () => {
  const seeds = seedsOf("even")
  it.live(`${seeds.length} even seeds keep every promise`, () => checkSeeds(seeds), 60_000 + 4000 * seeds.length)

  it.live.each(storiesOf("even"))("the story of %s ends well", (story) => checkStory(story), 60_000)

  it.live("the same seed goes the same way to the letter, on every server", () => checkWays(seeds.slice(0, 2)), 60_000)
})
