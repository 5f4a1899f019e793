/**
 * Commands and replies in a few words.
 *
 * @since 0.1.0
 */
import type { Command } from "./Driver.ts"

/**
 * @category formatting
 * @since 0.1.0
 */
export const describe = ({ about, connection, step }: Command): string =>
  `${step} (${connection})${about.map(({ fence, id }) => ` ${id}${fence === undefined ? "" : `~${fence}`}`).join("")}`

/**
 * A value in one short line: ids and numbers say most.
 *
 * @category formatting
 * @since 0.1.0
 */
export const preview = (value: unknown): string => {
  if (value === undefined) return "nothing"
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? typeof value
  if (Array.isArray(value)) return `[${value.map(preview).join(", ")}]`
  if ("id" in value && "fence" in value) return `${String(value.id)}~${String(value.fence)}`
  return `{${Object.entries(value)
    .flatMap(([key, member]) => (member === undefined || isEmpty(member) ? [] : [`${key}: ${preview(member)}`]))
    .join(", ")}}`
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0
