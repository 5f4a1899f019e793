/**
 * A store with the few words that the directed tests of its steps are written in. Time stands still unless a test moves it.
 */
import { assert } from "@effect/vitest"
import { wakeChannel } from "../../src/Broker.ts"
import type { Batch, Delivery, Demand, Disposition, Meant, Publication, Settlement } from "../../src/Broker.ts"
import * as Leases from "../../src/memory/Leases.ts"
import * as Records from "../../src/memory/Records.ts"
import * as Store from "../../src/memory/Store.ts"
import type { Note } from "../../src/ResultBackend.ts"

export const lease = 8_000
export const ttl = 60_000

export const ack: Disposition = { _tag: "Ack" }
export const ackWith = (value: string): Disposition => ({ _tag: "Ack", record: { value, ttl } })
export const release = { _tag: "Reschedule", delay: 0, to: "head", ran: false } satisfies Disposition

/** The wire form of a message of this priority; the broker reads nothing else of it. */
export const wire = (priority: number, text = ""): string => `1${priority}${text}`

export interface Rig {
  now: number
  readonly store: Store.Store
  /** All pushes so far, the oldest first. */
  readonly pushes: Array<readonly [channel: string, message: string]>
  /** Consumers that nobody can reach any more. */
  readonly deaf: Set<string>
  /** The names of the consumers that were woken since the last call. */
  readonly woken: () => ReadonlyArray<string>
  readonly register: (...consumers: ReadonlyArray<string>) => void
  readonly publish: (
    messages: ReadonlyArray<string | Partial<Publication>>,
    batch?: Partial<Pick<Batch, "publisher" | "sequence" | "resend">>
  ) => ReadonlyArray<string>
  readonly claim: (consumer: string, count?: number, demand?: Partial<Demand>) => ReadonlyArray<Delivery>
  /** As `claim`, with everything that the answer says. */
  readonly ask: (
    consumer: string,
    count?: number,
    demand?: Partial<Demand>
  ) => NonNullable<ReturnType<typeof Store.claim>>
  readonly settle: (
    consumer: string,
    deliveries: ReadonlyArray<Delivery>,
    disposition?: Disposition,
    continuations?: Settlement["continuations"]
  ) => ReadonlyArray<string> | undefined
  /** Lets the lease of a consumer end and gives everything back that it holds. */
  readonly crash: (consumer: string) => void
  /** The deliveries that a consumer holds. */
  readonly heldBy: (consumer: string) => ReadonlyArray<Delivery>
  /** Closes a consumer that knew of these deliveries. Default: of none. */
  readonly leave: (consumer: string, known?: ReadonlyArray<Delivery>) => void
  readonly end: (id: string, options?: { readonly meant?: Meant; readonly record?: string }) => string
  readonly locate: (id: string, queue?: string) => ReturnType<typeof Store.locate>
  readonly note: (delivery: Delivery, consumer: string, value: string, kind?: Note["kind"]) => string
  readonly record: (id: string) => string | undefined
  readonly counts: () => readonly [queued: number, scheduled: number, active: number]
}

export const queue = "q"

export const rig = (): Rig => {
  const pushes: Array<readonly [string, string]> = []
  const deaf = new Set<string>()
  const store = Store.make((channel, message) => {
    if (Array.from(deaf).some((consumer) => channel === wakeChannel(consumer))) return 0
    pushes.push([channel, message])
    return 1
  })
  let sequence = 0
  let read = 0
  const self: Rig = {
    now: 1_700_000_000_000,
    store,
    pushes,
    deaf,
    woken: () => {
      const fresh = pushes.slice(read)
      read = pushes.length
      return fresh.filter(([channel]) => channel.startsWith("wake:")).map(([channel]) => channel.slice("wake:".length))
    },
    register: (...consumers) => {
      for (const consumer of consumers) Leases.register(store, self.now, queue, consumer, lease)
    },
    publish: (messages, batch) =>
      Store.publish(store, self.now, queue, {
        publisher: "p",
        sequence: ++sequence,
        resend: false,
        ...batch,
        messages: messages.map((message) => ({
          id: "",
          queue,
          wire: wire(5),
          ...(typeof message === "string" ? { id: message } : message)
        }))
      }),
    claim: (consumer, count, demand) => self.ask(consumer, count, demand).deliveries,
    ask: (consumer, count = 1, demand) => {
      const claim = Store.claim(store, self.now, consumer, { queue, count, bytes: 1_000_000, ...demand })
      assert(claim !== undefined, `${consumer} is lost`)
      return claim
    },
    settle: (consumer, deliveries, disposition = ack, continuations) =>
      Store.settle(
        store,
        self.now,
        queue,
        consumer,
        deliveries.map((delivery) => ({ delivery, disposition, continuations }))
      ),
    crash: (consumer) => {
      const { leaseEnd } = store.queues.get(queue)!.consumers.get(consumer)!
      self.now = Math.max(self.now, leaseEnd)
      const { more } = Leases.recover(store, self.now, { queue, consumer, leaseEnd, endsIn: 0 })
      assert.isFalse(more)
    },
    heldBy: (consumer) => Leases.reconcile(store, self.now, queue, consumer, lease, []).found,
    leave: (consumer, known = []) => Leases.close(store, self.now, queue, consumer, known),
    end: (id, { meant = "any", record } = {}) =>
      Store.end(
        store,
        self.now,
        [{ id, queue, record: record === undefined ? undefined : { value: record, ttl } }],
        meant
      )[0]!,
    locate: (id, of = queue) => Store.locate(store, self.now, { id, queue: of }),
    note: (delivery, consumer, value, kind = "progress") =>
      Store.note(store, self.now, [{ id: delivery.id, queue, kind, consumer, fence: delivery.fence, value, ttl }])[0]!,
    record: (id) => Records.read(store.records, self.now, [{ id, queue }])[0]!.record,
    counts: () => {
      const { active, queued, scheduled } = Store.counts(store, queue)
      return [queued, scheduled, active]
    }
  }
  return self
}

export const ids = (deliveries: ReadonlyArray<Delivery>): ReadonlyArray<string> => deliveries.map(({ id }) => id)
