/** The workers: which tasks they serve, from which queues, how many at a time. */
import { Worker } from "celeriac"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { Cables } from "./cables.ts"
import {
  CleanPartLive,
  DrawPictureLive,
  MeasureGenreLive,
  MendRowLive,
  RankGenresLive,
  SplitArchiveLive
} from "./handlers.ts"
import { CleanPart, DrawPicture, MeasureGenre, MendRow, RankGenres, SplitArchive } from "./tasks.ts"

/** Splits the input and draws the picture. */
export const Desk = Worker.layer({ name: "desk", tasks: [SplitArchive, DrawPicture] }).pipe(
  Layer.provide([SplitArchiveLive, DrawPictureLive])
)

/** Does the work in between. The lease is the shortest there is, so that nobody has to watch a dead worker for long. */
const Hand = (name: string) =>
  Worker.layer({
    name,
    tasks: [CleanPart, MendRow, MeasureGenre, RankGenres],
    queues: ["cleaning", "analysis"],
    concurrency: 4,
    prefetch: 0,
    progressInterval: "50 millis",
    visibilityTimeout: "1 second",
    drainLimit: 0,
    grace: "100 millis"
  }).pipe(Layer.provide([CleanPartLive, MendRowLive, MeasureGenreLive, RankGenresLive]))

/** Starts a worker that can be killed. Without that it ends with the scope. */
export const employ = Effect.fnUntraced(function* (name: string) {
  const cables = yield* Cables
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  yield* Layer.buildWithScope(Hand(name), scope).pipe(
    Effect.provideService(Logger.CurrentLoggers, new Set([yield* aliveLogger(() => !cables.isCut(name))]))
  )
  return {
    /** What it held is lost to it, and the broker does not hear of its end: as if its process had been killed. */
    kill: Effect.andThen(cables.cut(name), Effect.forkDetach(Scope.close(scope, Exit.void)))
  }
})

/** The dead have nothing to say. */
const aliveLogger = (isAlive: () => boolean) =>
  Effect.map(Logger.CurrentLoggers, (loggers) =>
    Logger.make((options) => {
      if (isAlive()) loggers.forEach((logger) => logger.log(options))
    })
  )
