/** Fails while it is loaded. */
import { Greet } from "./tasks.ts"

const settings = (name: string): string => {
  throw new Error(`no setting "${name}" for ${Greet._tag}`)
}

export const handlers = settings("smtp")
