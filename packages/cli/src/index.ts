/**
 * The command line of Celeriac as a value, for programs that have commands of their own.
 *
 * @since 0.1.0
 */
export { celeriac, run } from "./celeriac.ts"
