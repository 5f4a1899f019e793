/**
 * Many small requests, few large calls, no timer.
 *
 * While `maxInFlight` calls are under way, items wait, and go together in the next call; when fewer are, the first item
 * waits for one turn of the event loop at most, so that a burst becomes one batch; or, if it is to be eager, not at all. Idle
 * there is no delay, under load the batches grow by themselves.
 *
 * - Items leave in the order in which they came. Calls that are in flight together may end in any order.
 * - A failed call fails each of its items. One that answers with another number of results than it had items is a defect
 *   of each of them.
 * - Who is interrupted takes back what is not sent yet; what is sent goes on, and nobody looks at its result.
 * - When the scope closes, items that are not sent end with `closed`, and the calls under way are waited for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { Scope } from "effect/Scope"
import { Fifo, type Member } from "./Fifo.ts"

export interface Options<A, B, E, R> {
  /** One result an item, in their order. */
  readonly run: (batch: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>
  /** Largest weight of a batch; an item that is heavier alone goes alone. */
  readonly maxBatch: number
  /** Most calls at a time; asked before each. It may rise only while a call is under way, for then it is asked again. */
  readonly maxInFlight: number | (() => number)
  /** Largest weight of the items that wait; `submit` waits until there is room. Default: no limit. */
  readonly maxWaiting?: number | undefined
  /** Weight of an item; asked once. Default 1. */
  readonly weigh?: ((item: A) => number) | undefined
  /** When nothing is under way the first item goes at once, and those of the same turn after it. Default: it waits for them. */
  readonly eager?: boolean | undefined
  /** How items end that were not sent when the scope closed. Default: a defect. */
  readonly closed?: (() => E) | undefined
}

export interface Coalescer<in A, out B, out E> {
  readonly submit: (item: A) => Effect.Effect<B, E>
  /** The same, for hot paths: what becomes of the item is turned into the result without a further step. */
  readonly submitMap: <C, E2>(item: A, map: (exit: Exit.Exit<B, E>) => Effect.Effect<C, E2>) => Effect.Effect<C, E2>
  /** Ends when all items have; if some failed, with the failure of the first of them. */
  readonly submitAll: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
  /** Takes the item whatever waits already. `onExit` must be quick; if it throws, that is logged. */
  readonly submitUnsafe: (item: A, onExit: (exit: Exit.Exit<B, E>) => void) => void
  /** Waits until no item waits or is under way. */
  readonly awaitIdle: Effect.Effect<void>
  /** Weight of the items that are not sent yet. */
  readonly waitingUnsafe: () => number
}

interface Entry<A, B, E> extends Member<Entry<A, B, E>> {
  readonly item: A
  readonly weight: number
  readonly onExit: (exit: Exit.Exit<B, E>) => void
}

export const make = Effect.fnUntraced(function* <A, B, E = never, R = never>(
  options: Options<A, B, E, R>
): Effect.fn.Return<Coalescer<A, B, E>, never, R | Scope> {
  const { eager = false, maxBatch, maxWaiting = Infinity, run, weigh = () => 1 } = options
  const fork = Effect.runForkWith(yield* Effect.context<R>())
  const { maxInFlight: most } = options
  const mayCall = typeof most === "number" ? () => inFlight < most : () => inFlight < most()

  const waiting = new Fifo<Entry<A, B, E>>()
  let waitingWeight = 0
  /** Items for which there is no room yet. */
  const outside = new Fifo<Entry<A, B, E>>()
  let outsideWeight = 0

  let inFlight = 0
  /** Items that have not ended. */
  let open = 0
  const idle = Latch.makeUnsafe(true)
  let waking = false
  let sending = false
  let closed = false

  const add = (item: A, bounded: boolean, onExit: (exit: Exit.Exit<B, E>) => void): Entry<A, B, E> => {
    const weight = weigh(item)
    const entry: Entry<A, B, E> = { item, weight, onExit, fifo: undefined, previous: undefined, next: undefined }
    if (closed) {
      onExit(closedExit())
      return entry
    }
    if (open++ === 0) idle.closeUnsafe()
    if (bounded && (outside.size > 0 || !hasRoom(weight))) {
      outside.append(entry)
      outsideWeight += weight
    } else {
      waiting.append(entry)
      waitingWeight += weight
      if (waking || !mayCall()) return entry
      wake()
      // those that come in the same turn go together
      if (eager && inFlight === 0) sendAll()
    }
    return entry
  }

  const hasRoom = (weight: number): boolean => waiting.size === 0 || waitingWeight + weight <= maxWaiting

  const letIn = (): void => {
    for (let entry = outside.head; entry !== undefined && hasRoom(entry.weight); entry = outside.head) {
      outside.remove(entry)
      outsideWeight -= entry.weight
      waiting.append(entry)
      waitingWeight += entry.weight
    }
  }

  const withdraw = (entry: Entry<A, B, E>): void => {
    if (entry.fifo === outside) outsideWeight -= entry.weight
    else if (entry.fifo === waiting) waitingWeight -= entry.weight
    else return
    entry.fifo.remove(entry)
    letIn()
    end(1)
  }

  const end = (count: number): void => {
    open -= count
    if (open === 0) idle.openUnsafe()
  }

  const wake = (): void => {
    waking = true
    fork(wakeUp)
  }

  const sendAll = (): void => {
    // a call that ends at once comes back here through the observer: the loop goes on instead of the stack
    if (sending) return
    sending = true
    for (let batch = takeBatch(); batch !== undefined; batch = takeBatch()) send(batch)
    sending = false
  }

  const wakeUp = Effect.andThen(
    Effect.yieldNow,
    Effect.sync(() => {
      waking = false
      sendAll()
    })
  )

  const takeBatch = (): Array<Entry<A, B, E>> | undefined => {
    if (waiting.size === 0 || !mayCall()) return undefined
    const batch: Array<Entry<A, B, E>> = []
    let weight = 0
    for (
      let entry = waiting.head;
      entry !== undefined && (batch.length === 0 || weight + entry.weight <= maxBatch);
      entry = waiting.head
    ) {
      waiting.remove(entry)
      weight += entry.weight
      batch.push(entry)
    }
    waitingWeight -= weight
    letIn()
    return batch
  }

  const send = (batch: ReadonlyArray<Entry<A, B, E>>): void => {
    inFlight++
    fork(Effect.suspend(() => run(batch.map(({ item }) => item)))).addObserver((exit) => {
      inFlight--
      // the next call first: what it carries has waited, and who submits because of this one can wait for the one after
      sendAll()
      fork(deliver(batch, exit))
    })
  }

  const deliver = (batch: ReadonlyArray<Entry<A, B, E>>, exit: Exit.Exit<ReadonlyArray<B>, E>): Effect.Effect<void> => {
    const exitOf = exitsOf(exit, batch.length)
    let at = 0
    const rest: Effect.Effect<void> = Effect.suspend(() => {
      for (let entry = batch[at]; entry !== undefined; entry = batch[at]) entry.onExit(exitOf(at++))
      end(batch.length)
      return Effect.void
    }).pipe(Effect.catchCause((cause) => Effect.andThen(Effect.logError("A callback of a batch failed", cause), rest)))
    return rest
  }

  const submitMap: Coalescer<A, B, E>["submitMap"] = (item, map) =>
    Effect.callback((resume) => {
      const entry = add(item, true, (exit) => resume(map(exit)))
      return Effect.sync(() => withdraw(entry))
    })

  const closedExit = (): Exit.Exit<never, E> =>
    options.closed === undefined
      ? Exit.die(new Error("not sent: what would have sent it is closed"))
      : Exit.fail(options.closed())

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      const unsent = [...drain(waiting), ...drain(outside)]
      waitingWeight = 0
      outsideWeight = 0
      return Effect.andThen(unsent.length === 0 ? Effect.void : deliver(unsent, closedExit()), idle.await)
    })
  )

  return {
    submit: (item) => submitMap(item, (exit) => exit),
    submitMap,
    submitAll: (items) =>
      items.length === 0
        ? Effect.succeed([])
        : Effect.callback((resume) => {
            const exits = Array.from<Exit.Exit<B, E>>({ length: items.length })
            let missing = items.length
            const entries = items.map((item, index) =>
              add(item, true, (exit) => {
                exits[index] = exit
                if (--missing === 0) resume(together(exits))
              })
            )
            return Effect.sync(() => entries.forEach(withdraw))
          }),
    submitUnsafe: (item, onExit) => {
      add(item, false, onExit)
    },
    awaitIdle: idle.await,
    waitingUnsafe: () => waitingWeight + outsideWeight
  }
})

const drain = <M>(fifo: Fifo<M>): Array<M> => {
  const members: Array<M> = []
  for (let member = fifo.head; member !== undefined; member = fifo.head) {
    fifo.remove(member)
    members.push(member)
  }
  return members
}

/** The exit of each item of a call. */
const exitsOf = <B, E>(exit: Exit.Exit<ReadonlyArray<B>, E>, count: number): ((index: number) => Exit.Exit<B, E>) => {
  if (Exit.isFailure(exit)) {
    const failure = Exit.failCause(exit.cause)
    return () => failure
  }
  const results = exit.value
  if (results.length === count) {
    // as B: there is a result for each index below the count
    return (index) => Exit.succeed(results[index] as B)
  }
  const mismatch = Exit.die(new Error(`a call with ${count} items came back with ${results.length} results`))
  return () => mismatch
}

const together = <B, E>(exits: ReadonlyArray<Exit.Exit<B, E>>): Exit.Exit<ReadonlyArray<B>, E> => {
  const results: Array<B> = []
  for (const exit of exits) {
    if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
    results.push(exit.value)
  }
  return Exit.succeed(results)
}
