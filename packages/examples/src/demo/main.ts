/**
 * Which films pay? A pipeline over 3 201 rows of a film archive, on three workers one of which is killed half-way.
 *
 * ```sh
 * npm start                                # all in one process
 * npm start -- --redis                     # workers in processes of their own, and a Redis server between them
 * npm start -- --redis redis://host:port   # the same on a server that is there already
 * ```
 *
 * Read on in `pipeline.ts` (what is enqueued), `tasks.ts` (the definitions), `handlers.ts` (what is done), `workers.ts`, and
 * `story.ts` (what you see). Where all this takes place is a Layer: `memory.ts` or `redis.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer } from "effect"
import { Archive } from "./archive.ts"
import { type Choice, readChoice } from "./choice.ts"
import { Gallery } from "./gallery.ts"
import { inMemory } from "./memory.ts"
import { onRedis } from "./redis.ts"
import { tell } from "./story.ts"

const surroundings = (choice: Choice) => (choice._tag === "Memory" ? Effect.succeed(inMemory) : onRedis(choice.address))

/** Whoever reads has seen enough (`npm start | head`), or the terminal was closed. */
const nobodyWatches = Effect.callback<void>((resume) => {
  const end = () => resume(Effect.void)
  // both stay: what is printed on the way to the end fails as well
  process.stdout.on("error", end)
  process.on("SIGHUP", end)
})

const program = Effect.fromResult(readChoice(process.argv.slice(2))).pipe(
  Effect.flatMap(surroundings),
  Effect.flatMap(tell),
  Effect.scoped,
  Effect.provide(Layer.provideMerge(Layer.mergeAll(Archive.layer, Gallery.layer), NodeServices.layer)),
  Effect.raceFirst(nobodyWatches),
  Effect.tapError((error) =>
    Console.error(error._tag === "Misuse" ? error.message : `The demo failed: ${error.message}`)
  ),
  Effect.tapDefect((defect) => Console.error("The demo failed:", defect))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
