/** The cables between the workers and the broker. One of them will be cut. */
import { CeleriacMemory } from "celeriac"
import { Unavailable } from "celeriac/Broker"
import { Transport } from "celeriac/memory/Transport"
import { Context, Effect, Layer } from "effect"

export class Cables extends Context.Service<
  Cables,
  {
    /** From now on nothing comes through: no claim, no result, no renewal of a lease, no farewell. */
    readonly cut: (worker: string) => Effect.Effect<void>
    readonly isCut: (worker: string) => boolean
  }
>()("demo/Cables") {
  static readonly layer = Layer.sync(Cables, () => {
    const cut = new Set<string>()
    return { cut: (worker) => Effect.sync(() => void cut.add(worker)), isCut: (worker) => cut.has(worker) }
  })
}

/** A worker's connection has the worker's name and a number. */
const workerOf = (connection: string) => connection.replace(/-\d+$/, "")

const transport = Layer.effect(
  Transport,
  Effect.map(Cables, ({ isCut }): Transport => ({
    send: ({ connection }, run) =>
      isCut(workerOf(connection))
        ? Effect.fail(new Unavailable({ accepted: "no", detail: "the cable is cut" }))
        : Effect.sync(run),
    push: () => true
  }))
)

/** The queues, in the memory of this process. */
export const layerQueues = Layer.provide(CeleriacMemory.layer, transport)
