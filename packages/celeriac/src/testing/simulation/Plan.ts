/**
 * What a seed stands for: messages, the ways in which their handlers will behave, and what will go wrong when. A plan is
 * data, so that a failing one can be made smaller.
 *
 * @since 0.1.0
 */
import type { Priority } from "../../Defaults.ts"
import { type Harm, harms, steps } from "./Coverage.ts"
import { Dice } from "./Dice.ts"

/**
 * What one run of a handler does; `millis` is how long it takes.
 *
 * - `tidy`: a finalizer takes a while after an interruption. `stubborn`: ignores interruption.
 * - `block`: keeps the whole process for itself. `crash`: kills its process.
 * - `chatty`: reports progress. `hang`: never ends; its task has a hard limit.
 *
 * @category models
 * @since 0.1.0
 */
export type Manner =
  | "succeed"
  | "fail"
  | "die"
  | "snooze"
  | "retry"
  | "requeue"
  | "reject"
  | "ignore"
  | "tidy"
  | "stubborn"
  | "block"
  | "crash"
  | "chatty"
  | "hang"

/**
 * @category models
 * @since 0.1.0
 */
export interface Behaviour {
  readonly manner: Manner
  readonly millis: number
}

/**
 * How the producer waits for the result. `follow`: by the stream of changes.
 *
 * @category models
 * @since 0.1.0
 */
export type Waiting = "await" | "follow" | "poll" | "none"

/**
 * A message to be sent. All times in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlannedMessage {
  readonly index: number
  /** Since the start. */
  readonly at: number
  readonly producer: number
  readonly task: "plain" | "limited"
  readonly queue: string
  /** Own id. */
  readonly id: string | undefined
  readonly priority: Priority
  readonly delay: number | undefined
  readonly expires: number | undefined
  readonly ignoreResult: boolean
  readonly early: boolean
  /** One for each run; then it succeeds. */
  readonly behaviours: ReadonlyArray<Behaviour>
  /** So much after it was accepted. */
  readonly revoke: { readonly after: number; readonly waitingOnly: boolean } | undefined
  /** Sent again under its own id. */
  readonly again: number | undefined
  readonly waiting: Waiting
  readonly forget: boolean
}

/**
 * Harm to the first command of the step that is sent after `from` milliseconds. `span`: how long a delay is, or how late a
 * copy; odd ones concern the reply. After a loss: how long the process has no connection at all, in so far as it is more than
 * `briefLoss`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepFault {
  readonly step: string
  readonly harm: Harm
  readonly from: number
  readonly span: number
}

/**
 * See `StepFault`.
 *
 * @category constants
 * @since 0.1.0
 */
export const briefLoss = 2500

/**
 * Harm to a process, or to all of them. `drain`: a worker is asked to stop. `outage`: nobody reaches the server. `jump`: the
 * clock of the server is put forward, or back when the span is odd.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcessFault {
  readonly kind: "crash" | "stop" | "disconnect" | "deafen" | "drain" | "outage" | "producer crash" | "jump"
  /** Which of those that live then. */
  readonly which: number
  readonly at: number
  readonly span: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly seed: number
  readonly stores: "one" | "two"
  /** Milliseconds. */
  readonly lease: number
  readonly workers: number
  readonly concurrency: number
  readonly prefetch: number
  readonly queues: ReadonlyArray<string> | Readonly<Record<string, number>>
  /** How long a command waits for its reply, milliseconds. */
  readonly patience: number
  /** The clock of the server jumps at times, so that no bound in time can be asked for. */
  readonly jumps: boolean
  /** From here on nothing goes wrong any more, milliseconds since the start. */
  readonly calmAt: number
  readonly messages: ReadonlyArray<PlannedMessage>
  readonly stepFaults: ReadonlyArray<StepFault>
  readonly processFaults: ReadonlyArray<ProcessFault>
}

/**
 * Names of the queues.
 *
 * @category constants
 * @since 0.1.0
 */
export const queues = ["a", "b"] as const

const sendingTime = 8000
const faultyTime = 14_000

/**
 * The plan of a seed. `further`: steps of the driver to which harm is done too; the rest of the plan does not depend on them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (seed: number, further: ReadonlyArray<string> = []): Plan => {
  const dice = new Dice(seed, "plan")
  const lease = dice.pick([1500, 2000, 3000, 4000])
  const messages = Array.from({ length: dice.between(30, 36) }, (_, index) =>
    message(new Dice(seed, "message", index), index, lease)
  )
  const jumps = dice.chance(0.12)
  const burstAt = dice.chance(0.06) ? dice.between(500, sendingTime) : undefined
  return {
    seed,
    stores: dice.chance(0.35) ? "two" : "one",
    lease,
    workers: dice.between(3, 4),
    concurrency: dice.between(1, 4),
    prefetch: dice.pick([0, 0, 2, 4]),
    queues: dice.pick([["a", "b"], ["b", "a"], { a: 2, b: 1 }]),
    patience: dice.pick([400, 1000, 2500]),
    jumps,
    calmAt: faultyTime + 1000,
    messages: [...messages, ...burst(burstAt, messages.length)],
    stepFaults: [
      ...Array.from({ length: dice.between(18, 22) }, () => stepFault(dice, steps)),
      ...(burstAt === undefined ? [] : burstFaults(dice, burstAt)),
      ...furtherFaults(new Dice(seed, "further"), further)
    ],
    processFaults: [
      ...Array.from({ length: dice.between(6, 8) }, () => processFault(dice, lease)),
      ...Array.from({ length: jumps ? dice.between(1, 3) : 0 }, () => jump(dice))
    ]
  }
}

/**
 * Ways to make a message simpler.
 *
 * @category shrinking
 * @since 0.1.0
 */
export const simplifications: ReadonlyArray<(message: PlannedMessage) => PlannedMessage> = [
  (message) => ({ ...message, behaviours: [] }),
  (message) => ({ ...message, behaviours: message.behaviours.slice(0, 1) }),
  (message) => ({ ...message, revoke: undefined, again: undefined, forget: false }),
  (message) => ({ ...message, delay: undefined, expires: undefined }),
  (message) => ({ ...message, ignoreResult: false, early: false, id: undefined, again: undefined }),
  (message) => ({ ...message, waiting: "none" })
]

/**
 * Settings that make a plan simpler.
 *
 * @category shrinking
 * @since 0.1.0
 */
export const simplerSettings: ReadonlyArray<Partial<Plan>> = [
  { stores: "one" },
  { prefetch: 0 },
  { concurrency: 1 },
  { queues }
]

/** So many batches one after the other that a publisher's first answers are forgotten while a copy is under way. */
const burst = (from: number | undefined, first: number): ReadonlyArray<PlannedMessage> =>
  from === undefined
    ? []
    : Array.from({ length: 40 }, (_, number) => ({
        index: first + number,
        at: from + 30 * number,
        producer: 0,
        task: "plain",
        queue: "a",
        id: number % 4 === 0 ? `m${first + number}` : undefined,
        priority: 5,
        delay: undefined,
        expires: undefined,
        ignoreResult: false,
        early: false,
        behaviours: [{ manner: "succeed", millis: 0 }],
        revoke: undefined,
        again: undefined,
        waiting: "none",
        forget: false
      }))

const burstFaults = (dice: Dice, from: number): ReadonlyArray<StepFault> => {
  const copy: StepFault = { step: "publish", harm: "copy", from: from + 15, span: 2 * dice.between(500, 900) }
  return dice.chance(0.5) ? [copy] : [{ ...copy, harm: "command lost", span: 20 }, copy]
}

const manners = {
  succeed: 30,
  fail: 12,
  die: 5,
  snooze: 6,
  retry: 5,
  requeue: 5,
  reject: 2,
  ignore: 2,
  tidy: 10,
  stubborn: 4,
  block: 3,
  crash: 1.5,
  chatty: 8,
  hang: 0
} satisfies Record<Manner, number>

const message = (dice: Dice, index: number, lease: number): PlannedMessage => {
  const task = dice.chance(0.15) ? "limited" : "plain"
  const own = dice.chance(0.4)
  const poison = dice.chance(0.01)
  return {
    index,
    at: dice.between(0, sendingTime),
    producer: dice.between(0, 1),
    task,
    queue: dice.pick(queues),
    id: own ? `m${index}` : undefined,
    // the digits of a priority
    priority: dice.pick([0, 3, 5, 5, 5, 9]) as Priority,
    delay: dice.chance(0.25) ? dice.between(0, 6000) : undefined,
    expires: dice.chance(0.12) ? dice.between(50, 6000) : undefined,
    ignoreResult: dice.chance(0.08),
    early: dice.chance(0.06),
    behaviours: Array.from({ length: poison ? 6 : dice.between(1, 3) }, () =>
      poison ? { manner: "crash" as const, millis: 10 } : behaviour(dice, task, lease)
    ),
    revoke: dice.chance(0.15) ? { after: dice.between(0, 4000), waitingOnly: dice.chance(0.4) } : undefined,
    again: own && dice.chance(0.3) ? dice.between(0, 5000) : undefined,
    waiting: dice.pick(["await", "await", "await", "follow", "poll", "none"]),
    forget: dice.chance(0.06)
  }
}

const behaviour = (dice: Dice, task: PlannedMessage["task"], lease: number): Behaviour => {
  const manner = dice.weighted(task === "limited" ? { ...manners, hang: 40 } : manners)
  switch (manner) {
    // a finalizer must be over before somebody else may start: see the margin of a lease
    case "tidy":
      return { manner, millis: dice.between(100, 2 * lease) }
    case "block":
      return { manner, millis: dice.between(50, 2 * lease) }
    case "stubborn":
      return { manner, millis: dice.between(100, 2 * lease) }
    default:
      return {
        manner,
        millis: dice.chance(0.3) ? 0 : dice.chance(0.15) ? dice.between(1000, 2 * lease) : dice.between(1, 800)
      }
  }
}

/** As many to a step as the others get. */
const furtherFaults = (dice: Dice, further: ReadonlyArray<string>): ReadonlyArray<StepFault> =>
  further.map(() => stepFault(dice, further))

const stepFault = (dice: Dice, among: ReadonlyArray<string>): StepFault => ({
  step: dice.pick(among),
  harm: dice.pick(harms),
  from: dice.between(0, faultyTime - 2000),
  span: dice.chance(0.5) ? dice.between(20, 500) : dice.between(500, 6000)
})

const jump = (dice: Dice): ProcessFault => ({
  kind: "jump",
  which: 0,
  at: dice.between(1000, faultyTime),
  span: dice.between(5000, 300_000)
})

const processFault = (dice: Dice, lease: number): ProcessFault => {
  const kind = dice.weighted({
    crash: 4,
    stop: 5,
    disconnect: 5,
    deafen: 2,
    drain: 3,
    outage: 1.5,
    "producer crash": 1.5
  })
  return {
    kind,
    which: dice.between(0, 11),
    at: dice.between(200, faultyTime),
    span: dice.chance(0.5) ? dice.between(20, lease) : dice.between(lease, Math.floor(2.2 * lease))
  }
}
