/** The workers: which tasks they serve, from which queues, how many at a time. */
import { Worker } from "celeriac"
import { type Duration, Layer } from "effect"
import {
  CleanPartLive,
  DrawPictureLive,
  MeasureGenreLive,
  MendRowLive,
  RankGenresLive,
  SplitArchiveLive
} from "./handlers.ts"
import { Reported } from "./reports.ts"
import { Tasks } from "./tasks.ts"

/** `lease`: how long the others wait for a dead worker's messages. */
export const layerWorker = ({ lease, name }: { readonly name: string; readonly lease: Duration.Input }) =>
  Worker.layer({
    name,
    tasks: Tasks,
    queues: ["desk", "cleaning", "analysis"],
    concurrency: 4,
    prefetch: 0,
    progressInterval: "50 millis",
    visibilityTimeout: lease,
    drainLimit: 0,
    grace: "100 millis"
  }).pipe(
    Layer.provide([SplitArchiveLive, CleanPartLive, MendRowLive, MeasureGenreLive, RankGenresLive, DrawPictureLive]),
    Layer.provide(Reported.layer)
  )
