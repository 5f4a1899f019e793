/** Stories that random plans tell too rarely: small plans around one danger, each with a little chance in it. */
import { Dice } from "../../src/testing/simulation/Dice.ts"
import type { Behaviour, Plan, PlannedMessage, ProcessFault, StepFault } from "../../src/testing/simulation/Plan.ts"

const message = (index: number, at: number, behaviour: Behaviour): PlannedMessage => ({
  ...{ index, at, producer: 0, task: "plain", queue: "a", id: undefined, priority: 5 },
  ...{ delay: undefined, expires: undefined, ignoreResult: false, early: false },
  behaviours: [behaviour],
  ...{ revoke: undefined, again: undefined, waiting: "none", forget: false }
})

const plan = (
  seed: number,
  parts: Pick<Plan, "lease" | "messages"> & Partial<Plan> & { readonly processFaults?: ReadonlyArray<ProcessFault> }
): Plan => ({
  ...{ seed, stores: "one", workers: 3, concurrency: 4, prefetch: 0, queues: ["a"], patience: 5000 },
  ...{ jumps: false, calmAt: 12_000, stepFaults: [], processFaults: [] },
  ...parts
})

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
} satisfies Record<string, (seed: number) => Plan>
