/** What is printed at the end: the figures of the picture, and an account of the rows. */
import { Array as Arr, HashSet } from "effect"
import type { MalformedRow, MendedFilm } from "./film.ts"
import type { Picture } from "./picture.ts"
import { members, type Roster } from "./roster.ts"
import { table } from "./table.ts"

export const genreTable = ({ rows }: Picture): ReadonlyArray<string> =>
  table(
    [
      { title: "genre", align: "left", text: ({ genre }) => genre },
      { title: "films", align: "right", text: ({ films }) => String(films) },
      { title: "median", align: "right", text: ({ median }) => `${median.toFixed(2)}×` },
      { title: "90 % interval", align: "right", text: ({ high, low }) => `${low.toFixed(2)} – ${high.toFixed(2)}` },
      { title: "lost money", align: "right", text: ({ lost }) => `${(lost * 100).toFixed(0)} %` },
      { title: "in top 3", align: "right", text: ({ podium }) => `${podium} of 10` }
    ],
    rows
  )

/** How often each text occurs, the most frequent first. */
const frequencies = (texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  Object.entries(Arr.groupBy(texts, (text) => text))
    .toSorted(([, one], [, other]) => other.length - one.length)
    .map(([text, same]) => `${String(same.length).padStart(5)} × ${text}`)

export const rowAccount = (found: {
  readonly mended: ReadonlyArray<MendedFilm>
  readonly rejected: ReadonlyArray<MalformedRow>
}): ReadonlyArray<string> => [
  `${found.mended.length} malformed rows were mended:`,
  ...frequencies(found.mended.flatMap(({ taken }) => taken)),
  `${found.rejected.length} could not be, and are left out:`,
  ...frequencies(found.rejected.flatMap(({ problems }) => Object.values(problems))),
  `  for example ${found.rejected
    .slice(0, 3)
    .map(({ row, title }) => `row ${row} (${title})`)
    .join(", ")}`
]

/** Who died, and who did its work. */
export const deathAccount = (roster: Roster): ReadonlyArray<string> => {
  const all = members(roster)
  return all
    .filter(({ state }) => state === "killed" || state === "died")
    .map(({ lost, name, state }) => {
      const heirs = all
        .map((heir) => ({ name: heir.name, count: HashSet.size(HashSet.intersection(heir.takenOver, lost)) }))
        .filter(({ count }) => count > 0)
        .map((heir) => `${heir.name} ran ${heir.count} again`)
      const end = state === "killed" ? "was killed" : "died"
      return `Worker ${name} ${end} with ${tasks(HashSet.size(lost))} in hand: ${heirs.join(", ") || "nobody ran them again"}.`
    })
}

/** A number of tasks. */
export const tasks = (count: number): string => (count === 1 ? "1 task" : `${count} tasks`)
