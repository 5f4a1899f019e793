/** The sources of this driver, with mutants. */
import { type Mutant, mutation } from "../../../celeriac/test/simulation/mutation.ts"
import type * as DatabaseModule from "./Database.ts"
import type { Prey } from "./hunt.ts"
import type * as RedisDriverModule from "./RedisDriver.ts"

const { load, occurrences } = mutation(new URL("../../", import.meta.url))

export { occurrences }

/** This driver, made of the mutated sources. */
export const preyOf = async (mutant: Mutant): Promise<Prey> => {
  const [Database, RedisDriver] = await Promise.all([
    load<typeof DatabaseModule>(mutant, "test/simulation/Database.ts"),
    load<typeof RedisDriverModule>(mutant, "test/simulation/RedisDriver.ts")
  ])
  return { Database, RedisDriver, edit: undefined }
}
