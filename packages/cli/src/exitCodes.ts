/** How the process tells its end. */

/** Of any command. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, SIGINT: 130, SIGTERM: 143 } as const

/** Signals that end a command. */
export type StopSignal = "SIGINT" | "SIGTERM"
