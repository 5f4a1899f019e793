/** What is known of the workers, and of what they ran. No clock and no terminal: `display.ts` has them. */
import { HashMap, HashSet, Option } from "effect"
import type { Report } from "./reports.ts"

export interface Member {
  /** Where it runs. */
  readonly place: string
  readonly state: "starts" | "works" | "killed" | "died" | "stopped"
  /** Ids of the messages that it runs now. */
  readonly running: HashSet.HashSet<string>
  /** How many runs are over. */
  readonly ended: number
  /** Ids of the messages that it had in hand when its end came. */
  readonly lost: HashSet.HashSet<string>
  /** Ids of the messages that it ran after another worker had died with them. */
  readonly takenOver: HashSet.HashSet<string>
}

export interface Roster {
  /** By their names. */
  readonly members: HashMap.HashMap<string, Member>
  /** The last run of each message, by the message's id. */
  readonly runs: HashMap.HashMap<string, Run>
}

export interface Run {
  readonly worker: string
  readonly task: string
  /** 1 on the first run; a run that ended with its worker does not count. */
  readonly attempt: number
  readonly delivery: number
}

export const empty: Roster = { members: HashMap.empty(), runs: HashMap.empty() }

export type Event =
  | Report
  | { readonly _tag: "Employed"; readonly place: string }
  | { readonly _tag: "Gone"; readonly how: "killed" | "died" | "stopped" }

const newcomer = (place: string): Member => ({
  place,
  state: "starts",
  running: HashSet.empty(),
  ended: 0,
  lost: HashSet.empty(),
  takenOver: HashSet.empty()
})

/** The dead worker from whom another one takes a message over with this event, if that is what it does. */
export const predecessor = ({ runs }: Roster, worker: string, event: Event): Option.Option<string> =>
  event._tag === "Started" && event.delivery > 1
    ? HashMap.get(runs, event.id).pipe(
        Option.filter((run) => run.worker !== worker && run.delivery < event.delivery),
        Option.map((run) => run.worker)
      )
    : Option.none()

const afterEvent = (member: Member, event: Event): Member => {
  switch (event._tag) {
    case "Employed":
      return newcomer(event.place)
    case "Ready":
      return { ...member, state: "works" }
    case "Started":
      return {
        ...member,
        running: HashSet.add(member.running, event.id),
        takenOver: event.delivery > 1 ? HashSet.add(member.takenOver, event.id) : member.takenOver
      }
    case "Left":
      return { ...member, running: HashSet.remove(member.running, event.id), ended: member.ended + 1 }
    case "Gone":
      return {
        ...member,
        state: event.how,
        running: HashSet.empty(),
        lost: event.how === "stopped" ? member.lost : HashSet.union(member.lost, member.running)
      }
    case "Logged":
    case "Failed":
      return member
  }
}

export const changed = (roster: Roster, worker: string, event: Event): Roster => {
  const member = HashMap.get(roster.members, worker).pipe(Option.getOrElse(() => newcomer("")))
  const members = HashMap.set(roster.members, worker, afterEvent(member, event))
  if (event._tag !== "Started") return { ...roster, members }
  const { attempt, delivery, id, task } = event
  const run: Run = { worker, task, attempt, delivery }
  return {
    // the end of a run that was reported, and did not reach the queues any more, was lost as well
    members: Option.match(predecessor(roster, worker, event), {
      onNone: () => members,
      onSome: (dead) => HashMap.modify(members, dead, (dead) => ({ ...dead, lost: HashSet.add(dead.lost, id) }))
    }),
    runs: HashMap.modifyAt(roster.runs, id, (known) => Option.some(later(run, known)))
  }
}

/** Reports of one worker come in their order, those of two workers do not. */
const later = (run: Run, known: Option.Option<Run>): Run =>
  Option.match(known, {
    onNone: () => run,
    onSome: (known) =>
      known.delivery > run.delivery || (known.delivery === run.delivery && known.attempt > run.attempt) ? known : run
  })

/** In the order of their names. */
export const members = ({ members }: Roster): ReadonlyArray<Member & { readonly name: string }> =>
  [...members].map(([name, member]) => ({ name, ...member })).toSorted((one, other) => (one.name < other.name ? -1 : 1))

/** How many messages were run by another worker because theirs had died. */
export const recovered = (roster: Roster): number =>
  members(roster)
    .reduce((ids, { takenOver }) => HashSet.union(ids, takenOver), HashSet.empty<string>())
    .pipe(HashSet.size)

/** Whether there were workers, and none is left. */
export const deserted = (roster: Roster): boolean =>
  HashMap.size(roster.members) > 0 && members(roster).every(({ state }) => state === "killed" || state === "died")

/** Without a task: of all messages. */
export const retries = ({ runs }: Roster, task?: string): number =>
  HashMap.reduce(runs, 0, (sum, run) => (task === undefined || run.task === task ? sum + run.attempt - 1 : sum))
