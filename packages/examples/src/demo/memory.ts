/** Queues, producer and workers in one process and its memory. */
import type { Broker } from "celeriac/Broker"
import type { Notifier } from "celeriac/Notifier"
import type { ResultBackend } from "celeriac/ResultBackend"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import type { Archive } from "./archive.ts"
import { Cables, layerQueues } from "./cables.ts"
import { Crew, NotEmployed } from "./crew.ts"
import { Display } from "./display.ts"
import type { Gallery } from "./gallery.ts"
import { Reports } from "./reports.ts"
import type { Event } from "./roster.ts"
import type { Surroundings } from "./story.ts"
import { layerWorker } from "./workers.ts"

/** The shortest there is: nobody has to watch a dead worker for long. */
const lease = "1 second"

const layerCrew = Layer.effect(
  Crew,
  Effect.gen(function* () {
    const cables = yield* Cables
    const { hear } = yield* Display
    const services = yield* Effect.context<Broker | ResultBackend | Notifier | Archive | Gallery>()

    const employ = Effect.fnUntraced(function* (name: string) {
      yield* hear(name, { _tag: "Employed", place: "this process" })
      // the dead have nothing to say
      const isAlive = Effect.sync(() => !cables.isCut(name))
      const hearAlive = (event: Event) => Effect.asVoid(Effect.when(hear(name, event), isAlive))
      const reports = Layer.succeed(Reports, { tell: hearAlive })
      const scope = yield* Scope.make()
      yield* Effect.addFinalizer((exit) =>
        Effect.andThen(Scope.close(scope, exit), hearAlive({ _tag: "Gone", how: "stopped" }))
      )
      yield* Layer.buildWithScope(Layer.provide(layerWorker({ name, lease }), reports), scope).pipe(
        Effect.provideService(Logger.CurrentLoggers, new Set([yield* aliveLogger(() => !cables.isCut(name))])),
        Effect.provideContext(services),
        Effect.mapError(({ message }) => new NotEmployed({ worker: name, problem: message }))
      )
      yield* hear(name, { _tag: "Ready" })
      return {
        // what it held is lost to it, and the broker does not hear of its end: as if its process had been killed
        kill: cables
          .cut(name)
          .pipe(
            Effect.andThen(hear(name, { _tag: "Gone", how: "killed" })),
            Effect.andThen(Effect.forkDetach(Scope.close(scope, Exit.void)))
          )
      }
    })
    return { employ }
  })
)

const aliveLogger = (isAlive: () => boolean) =>
  Effect.map(Logger.CurrentLoggers, (loggers) =>
    Logger.make((options) => {
      if (isAlive()) loggers.forEach((logger) => logger.log(options))
    })
  )

export const inMemory: Surroundings = {
  description: "All of it is in one process and its memory.",
  lost: Effect.never,
  layer: layerCrew.pipe(Layer.provideMerge(layerQueues), Layer.provide(Cables.layer))
}
