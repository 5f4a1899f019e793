/**
 * Which films pay? A pipeline over 3 201 rows of a film archive, on workers one of which is killed half-way.
 *
 * Read on in `pipeline.ts` (what is enqueued), `tasks.ts` (the definitions), `handlers.ts` (what is done) and `workers.ts`.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream, SubscriptionRef } from "effect"
import { drawAlone } from "./alone.ts"
import { Archive } from "./archive.ts"
import { tally } from "./board.ts"
import { Cables, layerQueues } from "./cables.ts"
import { Display, layerLogs } from "./display.ts"
import { Gallery } from "./gallery.ts"
import { pipeline } from "./pipeline.ts"
import { genreTable, rowAccount } from "./report.ts"
import { allRounds } from "./returns.ts"
import { Screen } from "./screen.ts"
import { MeasureGenre } from "./tasks.ts"
import { Desk, employ } from "./workers.ts"

/** The demo did not show what it promises. */
class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", { message: Schema.String }) {}

/** Kills a worker while it has work in hand, and employs another in its place. */
const replaceHalfWay = Effect.fnUntraced(function* (victim: { readonly kill: Effect.Effect<void> }) {
  const { board } = yield* Display
  yield* SubscriptionRef.changes(board).pipe(
    Stream.map((board) => tally(board, MeasureGenre._tag)),
    Stream.filter(({ done, messages }) => messages > 0 && done > messages / 3),
    Stream.runHead
  )
  yield* victim.kill
  yield* Effect.logWarning("worker birch is killed with work in hand; cedar takes its place")
  yield* employ("cedar")
})

/** Queues, and what lets us see and disturb the run. */
const Surroundings = layerQueues.pipe(
  Layer.provideMerge(Layer.mergeAll(Cables.layer, Display.layer, layerLogs)),
  Layer.provideMerge(Screen.layer)
)

/** Producer and workers in one process. In a real program they would be programs of their own. */
const run = Effect.gen(function* () {
  yield* employ("alder")
  const birch = yield* employ("birch")
  const [found] = yield* Effect.all([pipeline, replaceHalfWay(birch)], { concurrency: "unbounded" })
  const { board } = yield* Display
  const { recovered } = tally(yield* SubscriptionRef.get(board))
  return { ...found, recovered }
}).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Desk, Surroundings)))

const check = Effect.fnUntraced(function* ({ path, recovered }: { readonly path: string; readonly recovered: number }) {
  if (recovered === 0) {
    return yield* new CheckFailed({ message: "no task of the killed worker was run again" })
  }
  const gallery = yield* Gallery
  if ((yield* gallery.load(path)) !== (yield* drawAlone)) {
    return yield* new CheckFailed({ message: `${path} is not the picture that is drawn without a queue` })
  }
})

const program = Effect.gen(function* () {
  const { size } = yield* Archive
  yield* Console.log(
    `Which films pay? ${size} rows of a film archive, two workers, and one will not live to see the end.\n`
  )
  const found = yield* run
  yield* Console.log(["", ...genreTable(found.picture), "", ...rowAccount(found), ""].join("\n"))
  yield* Console.log(`The soft time limit cut the ranking off after ${found.podium.rounds} of ${allRounds} rounds.`)
  yield* Console.log(`Of the worker that was killed, others ran ${found.recovered} tasks again.`)
  yield* Console.log(`\nThe picture: ${found.path}`)
  yield* check(found)
  yield* Console.log("It is the same, byte for byte, as the one drawn without a queue and without a death.")
}).pipe(
  Effect.provide(Layer.provideMerge(Layer.mergeAll(Archive.layer, Gallery.layer), NodeServices.layer)),
  Effect.tapError((error) => Console.error(`The demo failed: ${error.message}`)),
  Effect.tapDefect((defect) => Console.error("The demo failed:", defect))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
