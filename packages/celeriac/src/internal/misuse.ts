/** What programs without types get wrong: values that are not what the signatures say. Told in sentences, never thrown. */

const longest = 80

/** A value in a sentence: short, and total. */
export const shown = (value: unknown): string => {
  try {
    if (typeof value === "function") return "a function"
    const text =
      typeof value === "string" || (typeof value === "object" && value !== null) ? JSON.stringify(value) : String(value)
    return text.length > longest ? `${text.slice(0, longest)}…` : text
  } catch {
    return "something that cannot be printed"
  }
}

/** No list, no function, not `null`. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The options that are none, in a sentence each. `known`: all that there are. */
export const unknownOptions = (
  options: object,
  known: Readonly<Record<string, true>>
): ReadonlyArray<{ readonly option: string; readonly detail: string }> =>
  Object.keys(options).flatMap((option) =>
    Object.hasOwn(known, option)
      ? []
      : [{ option, detail: `there is no such option; there are ${Object.keys(known).join(", ")}` }]
  )

/** The latest time that a `Date` can hold, milliseconds since 1970. No span is longer either. */
export const latest = 8.64e15

/** Of names that people give to tasks and workers, in characters. */
export const longestName = 256

/** What is wrong with such a name. */
export const nameProblem = (name: unknown): string | undefined =>
  typeof name === "string" && name.length > 0 && name.length <= longestName
    ? undefined
    : `the name must be text of 1 to ${longestName} characters, ${
        name === "" ? "it is empty" : typeof name === "string" ? `it has ${name.length}` : `it is ${shown(name)}`
      }`
