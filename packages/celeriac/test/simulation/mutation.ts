/**
 * Copies of sources with a text replaced, imported side by side: a module that is imported with `?mutant=NAME` imports all
 * others of its folder so. Nothing is written to disk.
 */
import { readFileSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"

export interface Mutant {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
}

export interface Edit {
  /** Below the folder. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
}

/** By folder and name. */
const registered = new Map<string, Mutant>()

const roots = new Set<string>()

const rootOf = (url: string): string | undefined => Array.from(roots).find((root) => url.startsWith(root))

const mutantOf = (url: string): Mutant | undefined =>
  registered.get(`${rootOf(url)} ${new URL(url).searchParams.get("mutant") ?? ""}`)

let isHooked = false

const hook = (): void => {
  if (isHooked) return
  isHooked = true
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const mutant = context.parentURL === undefined ? undefined : mutantOf(context.parentURL)
      if (mutant === undefined) return nextResolve(specifier, context)
      // other packages of this workspace are not built
      const conditions = [...(context.conditions ?? []), "@celeriac/source"]
      const resolved = nextResolve(specifier, { ...context, conditions })
      if (rootOf(resolved.url) === undefined || rootOf(resolved.url) !== rootOf(context.parentURL!)) return resolved
      return { ...resolved, url: `${resolved.url}?mutant=${mutant.name}` }
    },
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const edits = mutantOf(url)?.edits.filter(({ file }) => url.startsWith(`${rootOf(url)}${file}?`)) ?? []
      if (edits.length === 0) return loaded
      // oxlint-disable-next-line typescript/no-base-to-string -- Node gives text or a Buffer
      const source = edits.reduce((text, { find, replace }) => text.replace(find, () => replace), String(loaded.source))
      return { ...loaded, source }
    }
  })
}

// what is required is loaded by Node, also where a test runner has a module system of its own
const { importNatively } = createRequire(import.meta.url)("./native.mjs") as {
  readonly importNatively: (url: string) => Promise<unknown>
}

/** The mutants of one folder. */
export const mutation = (folder: URL) => {
  const root = folder.href
  roots.add(root)
  return {
    /** How often the text stands in the source: 1 is right. */
    occurrences: ({ file, find }: Edit): number => readFileSync(new URL(file, folder), "utf8").split(find).length - 1,
    /** Imports a module of the mutated sources; the path is below the folder. */
    load: <A>(mutant: Mutant, path: string): Promise<A> => {
      hook()
      registered.set(`${root} ${mutant.name}`, mutant)
      return importNatively(`${root}${path}?mutant=${mutant.name}`) as Promise<A>
    }
  }
}
