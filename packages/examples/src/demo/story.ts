/** The demo, wherever it takes place: what is shown, who is killed, what is checked. */
import type { Client } from "celeriac/Client"
import { Console, Effect, HashMap, HashSet, Layer, Option, Schema, Stream, SubscriptionRef } from "effect"
import { drawAlone } from "./alone.ts"
import { Archive } from "./archive.ts"
import { Crew, type Hand } from "./crew.ts"
import { Display, layerLogs, type State } from "./display.ts"
import { Gallery } from "./gallery.ts"
import { pipeline } from "./pipeline.ts"
import { deathAccount, genreTable, rowAccount, tasks } from "./report.ts"
import { allRounds } from "./returns.ts"
import { deserted, recovered, type Roster } from "./roster.ts"
import { Screen } from "./screen.ts"
import { RankGenres } from "./tasks.ts"

/** Where the queues are, and where the workers work. */
export interface Surroundings {
  /** One line for the reader. */
  readonly description: string
  readonly layer: Layer.Layer<Client | Crew, never, Display | Archive | Gallery>
  /** Fails when the queues are gone for good. */
  readonly lost: Effect.Effect<never, QueuesLost>
}

/** Nothing that was enqueued is there any more. */
export class QueuesLost extends Schema.TaggedError<QueuesLost>()("QueuesLost", { message: Schema.String }) {}

/** The demo did not show what it promises. */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", { message: Schema.String }) {}

/** Nobody is there to do the work. */
export class Deserted extends Schema.TaggedError<Deserted>()("Deserted", {}) {
  override get message(): string {
    return "no worker is left"
  }
}

const firstState = <A>(choose: (state: State) => Option.Option<A>) =>
  Effect.flatMap(Display, ({ state }) =>
    SubscriptionRef.changes(state).pipe(
      Stream.map(choose),
      Stream.filter(Option.isSome),
      Stream.runHead,
      // the state lives as long as the program
      Effect.map((found) => Option.getOrThrow(Option.flatten(found)))
    )
  )

/** Who is in the middle of the ranking. It takes long enough to be killed with it. */
const ranker = ({ board, roster }: State): Option.Option<string> =>
  HashMap.findFirst(board, ({ done, task }) => task === RankGenres._tag && done > 0).pipe(
    Option.flatMap(([id]) => HashMap.get(roster.runs, id)),
    Option.map(({ worker }) => worker)
  )

/** Kills a worker while it has work in hand. */
const killHalfWay = Effect.fnUntraced(function* (hands: ReadonlyMap<string, Hand>) {
  const { say, state } = yield* Display
  const victim = yield* firstState(ranker)
  yield* hands.get(victim)?.kill ?? Effect.void
  const { roster } = yield* SubscriptionRef.get(state)
  const lost = HashMap.get(roster.members, victim).pipe(Option.map(({ lost }) => HashSet.size(lost)))
  yield* say(`worker ${victim} is killed with ${tasks(Option.getOrElse(lost, () => 0))} in hand`, true)
})

const nobodyLeft = firstState(({ roster }) => (deserted(roster) ? Option.some(roster) : Option.none())).pipe(
  Effect.andThen(new Deserted())
)

const names = ["alder", "birch", "cedar"]

const run = Effect.gen(function* () {
  const { employ } = yield* Crew
  const hands = yield* Effect.forEach(names, (name) => Effect.map(employ(name), (hand) => [name, hand] as const), {
    concurrency: "unbounded"
  })
  yield* Effect.forkScoped(killHalfWay(new Map(hands)))
  const found = yield* Effect.raceFirst(pipeline, nobodyLeft)
  const { state } = yield* Display
  const { roster } = yield* SubscriptionRef.get(state)
  return { ...found, roster }
}).pipe(Effect.scoped)

/** On the screen. */
const shown = ({ layer, lost }: Surroundings) =>
  Effect.raceFirst(run, lost).pipe(
    Effect.provide(
      layer.pipe(Layer.provideMerge(layerLogs), Layer.provideMerge(Display.layer), Layer.provideMerge(Screen.layer))
    )
  )

const check = Effect.fnUntraced(function* ({ path, roster }: { readonly path: string; readonly roster: Roster }) {
  if (recovered(roster) === 0) {
    return yield* new CheckFailed({ message: "no task of the killed worker was run again" })
  }
  const gallery = yield* Gallery
  if ((yield* gallery.load(path)) !== (yield* drawAlone)) {
    return yield* new CheckFailed({ message: `${path} is not the picture that is drawn without a queue` })
  }
})

export const tell = Effect.fnUntraced(function* (surroundings: Surroundings) {
  const { size } = yield* Archive
  yield* Console.log(
    `Which films pay? ${size} rows of a film archive, three workers, and one of them\nwill not live to see the end. ${surroundings.description}\n`
  )
  const found = yield* shown(surroundings)
  yield* Console.log(["", ...genreTable(found.picture), "", ...rowAccount(found), ""].join("\n"))
  yield* Console.log(`The soft time limit cut the ranking off after ${found.podium.rounds} of ${allRounds} rounds.`)
  yield* Console.log(deathAccount(found.roster).join("\n"))
  yield* Console.log(`\nThe picture: ${found.path}`)
  yield* check(found)
  yield* Console.log("It is the same, byte for byte, as the one drawn without a queue and without a death.")
})
