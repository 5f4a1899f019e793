/**
 * Copies of the sources with a text replaced, imported side by side: a module that is imported with `?mutant=NAME` imports
 * all others of the package so. Nothing is written to disk.
 */
import { readFileSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"
import type * as SimulationModule from "../../src/testing/Simulation.ts"
import type * as MemoryModule from "../../src/testing/simulation/MemoryDriver.ts"
import type * as PlanModule from "../../src/testing/simulation/Plan.ts"

export interface Mutant {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
}

export interface Edit {
  /** Below `src`. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
}

const root = new URL("../../src/", import.meta.url).href

const registered = new Map<string, Mutant>()

const mutantOf = (url: string): Mutant | undefined =>
  url.startsWith(root) ? registered.get(new URL(url).searchParams.get("mutant") ?? "") : undefined

let isHooked = false

const hook = (): void => {
  if (isHooked) return
  isHooked = true
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const resolved = nextResolve(specifier, context)
      const mutant = context.parentURL === undefined ? undefined : mutantOf(context.parentURL)
      if (mutant === undefined || !resolved.url.startsWith(root)) return resolved
      return { ...resolved, url: `${resolved.url}?mutant=${mutant.name}` }
    },
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const edits = mutantOf(url)?.edits.filter(({ file }) => url.startsWith(`${root}${file}?`)) ?? []
      if (edits.length === 0) return loaded
      // oxlint-disable-next-line typescript/no-base-to-string -- Node gives text or a Buffer
      const source = edits.reduce((text, { find, replace }) => text.replace(find, () => replace), String(loaded.source))
      return { ...loaded, source }
    }
  })
}

/** How often the text stands in the source: 1 is right. */
export const occurrences = ({ file, find }: Edit): number =>
  readFileSync(new URL(file, root), "utf8").split(find).length - 1

// what is required is loaded by Node, also where a test runner has a module system of its own
const { importNatively } = createRequire(import.meta.url)("./native.mjs") as {
  readonly importNatively: (url: string) => Promise<unknown>
}

/** Imports a module of the mutated sources; the path is below `src`. */
export const load = <A>(mutant: Mutant, path: string): Promise<A> => {
  hook()
  registered.set(mutant.name, mutant)
  return importNatively(`${root}${path}?mutant=${mutant.name}`) as Promise<A>
}

export interface Simulation {
  readonly Simulation: typeof SimulationModule
  readonly Plan: typeof PlanModule
  readonly memory: (typeof MemoryModule)["memory"]
}

/** The simulation on the mutated sources. */
export const simulation = async (mutant: Mutant): Promise<Simulation> => {
  const [Simulation, Plan, { memory }] = await Promise.all([
    load<typeof SimulationModule>(mutant, "testing/Simulation.ts"),
    load<typeof PlanModule>(mutant, "testing/simulation/Plan.ts"),
    load<typeof MemoryModule>(mutant, "testing/simulation/MemoryDriver.ts")
  ])
  return { Simulation, Plan, memory }
}
