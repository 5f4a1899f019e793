/**
 * Stories that random plans tell too rarely: small plans around one danger, each with a little chance in it.
 *
 * @since 0.1.0
 */
import { Dice } from "./Dice.ts"
import type { Behaviour, Plan, PlannedMessage, ProcessFault, StepFault } from "./Plan.ts"

/**
 * A story: the plan of each seed.
 *
 * @category models
 * @since 0.1.0
 */
export type Scenario = (seed: number) => Plan

const message = (index: number, at: number, behaviour: Behaviour): PlannedMessage => ({
  index,
  at,
  producer: 0,
  task: "plain",
  queue: "a",
  id: undefined,
  priority: 5,
  delay: undefined,
  expires: undefined,
  ignoreResult: false,
  early: false,
  behaviours: [behaviour],
  revoke: undefined,
  again: undefined,
  waiting: "none",
  forget: false
})

const plan = (
  seed: number,
  parts: Pick<Plan, "lease" | "messages"> & Partial<Plan> & { readonly processFaults?: ReadonlyArray<ProcessFault> }
): Plan => ({
  seed,
  stores: "one",
  workers: 3,
  concurrency: 4,
  prefetch: 0,
  queues: ["a"],
  patience: 5000,
  jumps: false,
  calmAt: 12_000,
  stepFaults: [],
  processFaults: [],
  ...parts
})

/**
 * All stories, by their names: each ends well with every seed, on any driver.
 *
 * ```ts
 * import { Simulation } from "celeriac/testing"
 * import { memory } from "celeriac/testing/simulation/MemoryDriver"
 * import { scenarios } from "celeriac/testing/simulation/Scenarios"
 * import { Effect } from "effect"
 *
 * // your driver in place of `memory`
 * const { failed } = await Effect.runPromise(Simulation.live(memory, [scenarios["lost and back"](1)]))
 * console.log(failed === undefined) // => true
 * ```
 *
 * @category stories
 * @since 0.1.0
 */
export const scenarios = {
  /** A renewal is carried out, its reply is late, and then nothing comes through any more. */
  "late renewal": (seed: number): Plan => {
    const dice = new Dice(seed, "late renewal")
    const lease = 3000
    const from = dice.between(900, 2500)
    const span = dice.between(850, 980) | 1
    const delay: StepFault = { step: "renew", harm: "delay", from, span }
    const cut: ProcessFault = { kind: "disconnect", which: dice.between(0, 2), at: from + span + 150, span: 6000 }
    return plan(seed, {
      lease,
      messages: [0, 1, 2, 3, 4, 5].map((index) => message(index, 100, { manner: "tidy", millis: 9000 })),
      stepFaults: [delay],
      processFaults: [cut, { ...cut, which: dice.between(0, 2) }]
    })
  },
  /** The clock of the server jumps while a worker has no connection: it comes back to find that it was given up. */
  "lost and back": (seed: number): Plan => {
    const dice = new Dice(seed, "lost and back")
    const at = dice.between(900, 2000)
    return plan(seed, {
      lease: 4000,
      jumps: true,
      messages: [0, 1, 2, 3, 4, 5].map((index) => message(index, 100, { manner: "tidy", millis: 9000 })),
      processFaults: [
        { kind: "disconnect", which: dice.between(0, 2), at, span: dice.between(1900, 2900) },
        { kind: "jump", which: 0, at: at + 10, span: 20_000 }
      ]
    })
  },
  /** The clock of the server jumps ahead, so that all leases look as if they had ended; nothing else is wrong. */
  "the clock jumps": (seed: number): Plan => {
    const at = new Dice(seed, "the clock jumps").between(1500, 5000)
    return plan(seed, {
      lease: 3000,
      jumps: true,
      messages: [0, 1, 2, 3, 4, 5].map((index) => message(index, 100, { manner: "succeed", millis: 9000 })),
      processFaults: [{ kind: "jump", which: 0, at, span: 20_000 }]
    })
  },
  /** On two stores: messages are revoked at about the time at which their runs end. */
  "revoked at its end": (seed: number): Plan => {
    const dice = new Dice(seed, "revoked at its end")
    const millis = dice.between(100, 300)
    return plan(seed, {
      stores: "two",
      lease: 2000,
      concurrency: 10,
      messages: Array.from({ length: 30 }, (_, index) => ({
        ...message(index, 100 + 50 * index, { manner: "succeed", millis }),
        revoke: { after: millis + dice.between(-8, 8), waitingOnly: false },
        waiting: dice.pick(["await", "poll"])
      }))
    })
  },
  /** A message is lost, run elsewhere, and comes back while its first run still ignores that it was interrupted. */
  "back to the same": (seed: number): Plan => {
    const dice = new Dice(seed, "back to the same")
    const lease = 1000
    return plan(seed, {
      lease,
      workers: 2,
      messages: [0, 1, 2, 3, 4].map((index) => message(index, 100 + 10 * index, { manner: "stubborn", millis: 9000 })),
      processFaults: [
        { kind: "disconnect", which: 0, at: dice.between(400, 700), span: 1100 },
        { kind: "disconnect", which: 1, at: dice.between(1300, 1800), span: 1500 }
      ]
    })
  },
  /** A claim is under way when a worker wakes up too late and gives up its lease; then nothing comes through any more. */
  "given up while claiming": (seed: number): Plan => {
    const dice = new Dice(seed, "given up while claiming")
    const lease = 1500
    const at = dice.between(500, 1200)
    return plan(seed, {
      lease,
      workers: 2,
      concurrency: 30,
      messages: Array.from({ length: 60 }, (_, index) =>
        message(index, 100 + 40 * index, { manner: "succeed", millis: 2500 })
      ),
      stepFaults: [{ step: "reconcile", harm: "reply lost", from: at, span: 5500 }],
      processFaults: [{ kind: "stop", which: 0, at, span: dice.between(900, 1400) }]
    })
  },
  /** A message has killed two workers when all of them are busy, each with runs that take far longer than a lease. */
  "poison among long runs": (seed: number): Plan => {
    const dice = new Dice(seed, "poison among long runs")
    const crash: Behaviour = { manner: "crash", millis: 10 }
    const from = dice.between(1500, 2600)
    return plan(seed, {
      lease: 1000,
      workers: dice.between(1, 2),
      concurrency: 2,
      messages: [
        { ...message(0, 100, crash), behaviours: [crash, crash] },
        ...Array.from({ length: 8 }, (_, index) =>
          message(1 + index, from + 10 * index, { manner: "succeed", millis: dice.between(2500, 9000) })
        )
      ]
    })
  },
  /** A running message is revoked, and nobody is told by a push. */
  "deaf worker": (seed: number): Plan => {
    const dice = new Dice(seed, "deaf worker")
    return plan(seed, {
      lease: 2000,
      messages: [0, 1, 2, 3].map((index) => ({
        ...message(index, 100, { manner: "succeed", millis: 9000 }),
        revoke: { after: dice.between(300, 1500), waitingOnly: false },
        waiting: "await"
      })),
      processFaults: [0, 1, 2].map((which) => ({ kind: "deafen", which, at: 200, span: 9000 }))
    })
  }
} satisfies Record<string, Scenario>

/**
 * What some stories have to bring about within ten seeds, or they prove little: see `Simulation.gaps`.
 *
 * @category stories
 * @since 0.1.0
 */
export const turns: Partial<Record<keyof typeof scenarios, ReadonlyArray<string>>> = {
  "poison among long runs": ["suspect passed on", "claimed beside others", "worker crash"],
  "back to the same": ["overlap excused", "recovered"],
  "deaf worker": ["ended revoked"]
}
