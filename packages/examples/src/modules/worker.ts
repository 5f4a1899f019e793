/** A worker that knows its handlers by their address: the module is imported when the Layer is built. */
import { Worker } from "celeriac"

export const WorkerLive = Worker.layerModule({
  module: new URL("./handlers.ts", import.meta.url),
  export: "HandlersLive",
  queues: { payments: 3, mail: 1 } // three payments for each mail while both wait
})
