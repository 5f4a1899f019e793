/** Definitions and no handlers. */
export { Greet } from "./tasks.ts"
export const limit = 3
