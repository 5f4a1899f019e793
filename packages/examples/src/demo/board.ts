/** What is known of the messages of a run. No clock and no terminal: `display.ts` has them. */
import type { TaskHandle } from "celeriac"
import { HashMap } from "effect"
import type { Progress } from "./tasks.ts"

export interface Entry {
  readonly task: string
  readonly state: "waiting" | "running" | "succeeded" | "failed"
  /** From 0 to 1, of the run that goes on now. */
  readonly done: number
}

/** By the message's id. */
export type Board = HashMap.HashMap<string, Entry>

export const empty: Board = HashMap.empty()

export const enqueued = (board: Board, { id, task }: { readonly id: string; readonly task: string }): Board =>
  HashMap.set(board, id, { task, state: "waiting", done: 0 })

type Change = TaskHandle.Change<unknown, unknown, Progress>

const afterChange = (entry: Entry, change: Change): Entry => {
  switch (change._tag) {
    case "State":
      return change.state === "active" ? { ...entry, state: "running" } : { ...entry, state: "waiting", done: 0 }
    case "Progress":
      return { ...entry, done: change.value.done / change.value.of }
    case "Retrying":
      return { ...entry, state: "waiting", done: 0 }
    case "Ended":
      return { ...entry, state: change.state === "succeeded" ? "succeeded" : "failed", done: 1 }
  }
}

export const changed = (board: Board, id: string, change: Change): Board =>
  HashMap.modify(board, id, (entry) => afterChange(entry, change))

/** The messages of one task, added up. */
export interface Tally {
  readonly messages: number
  readonly running: number
  readonly succeeded: number
  readonly failed: number
  /** From 0 to `messages`. */
  readonly done: number
}

const nothing: Tally = { messages: 0, running: 0, succeeded: 0, failed: 0, done: 0 }

const plus = (tally: Tally, { done, state }: Entry): Tally => ({
  messages: tally.messages + 1,
  running: tally.running + Number(state === "running"),
  succeeded: tally.succeeded + Number(state === "succeeded"),
  failed: tally.failed + Number(state === "failed"),
  done: tally.done + done
})

/** Without a task: of all messages. */
export const tally = (board: Board, task?: string): Tally =>
  HashMap.reduce(board, nothing, (sum, entry) => (task === undefined || entry.task === task ? plus(sum, entry) : sum))
