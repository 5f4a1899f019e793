/**
 * Which reason counts when a run is stopped more than once. The rules:
 *
 * - A revoke counts whenever it comes: the message has ended, and its record says so.
 * - Of limit and release the first counts. A run that went beyond its limit is an attempt, also when its worker stops while
 *   it tidies up; a run that was cut off by a release is none, and its limit comes no more.
 * - The hard limit counts where the soft one had come.
 */
import type { Stop } from "../Pool.ts"

/** By the reason so far, then by the one that comes. */
const table: Readonly<Record<Stop, Readonly<Record<Stop, Stop>>>> = {
  soft: { soft: "soft", hard: "hard", revoked: "revoked", released: "soft" },
  hard: { soft: "hard", hard: "hard", revoked: "revoked", released: "hard" },
  revoked: { soft: "revoked", hard: "revoked", revoked: "revoked", released: "revoked" },
  released: { soft: "released", hard: "released", revoked: "revoked", released: "released" }
}

export const reasonThatCounts = (soFar: Stop | undefined, now: Stop): Stop =>
  soFar === undefined ? now : table[soFar][now]
