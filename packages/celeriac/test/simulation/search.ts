/** Looks for the seeds that catch the mutants: `node --conditions=@celeriac/source search.ts [SEEDS] [NAME]`. */
import { hunt } from "./hunt.ts"
import { mutants } from "./mutants.ts"
import { occurrences } from "./sources.ts"

const [seeds = "200", only = ""] = process.argv.slice(2)
for (const mutant of mutants.filter(({ name }) => name.includes(only))) {
  const missing = mutant.edits.filter((edit) => occurrences(edit) !== 1)
  for (const { file, find } of missing) console.log(`${mutant.name}: not once in ${file}: ${find}`)
  if (missing.length > 0) continue
  const started = performance.now()
  // from 1, so that the first one is found
  const by = "seed" in mutant.by ? { ...mutant.by, seed: 1 } : mutant.by
  const caught = await hunt({ ...mutant, by }, Number(seeds))
  const time = `${Math.round(performance.now() - started)} ms`
  console.log(
    `${mutant.name.padEnd(52)}${time.padStart(9)}  ${caught === undefined ? "NOT CAUGHT" : `${caught.seed}  ${caught.detail.slice(0, 120)}`}`
  )
}
