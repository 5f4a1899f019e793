/**
 * Random lives of a whole system: real workers and real clients, each in a simulated process, on a driver whose commands go
 * through a simulated network, in virtual time. Processes die, stand still, lose their connections; commands and replies are
 * lost, late, or come twice; handlers fail, block and ignore interruption. After each command all that the server holds is
 * looked at, and in the end everything must have ended.
 *
 * A seed decides everything: the same seed, the same plan, the same way to the letter. A plan that fails can be made smaller.
 * Any driver can be lived on, see `simulation/Driver`: whoever writes one runs `explore` beside the conformance suites.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as TaskRecord from "../TaskRecord.ts"
import { Coverage } from "./simulation/Coverage.ts"
import type { Driver } from "./simulation/Driver.ts"
import { Ledger } from "./simulation/Ledger.ts"
import { Network } from "./simulation/Network.ts"
import { Oracle } from "./simulation/Oracle.ts"
import * as Plan from "./simulation/Plan.ts"
import { Producers } from "./simulation/Producers.ts"
import type { Stage } from "./simulation/Stage.ts"
import { Workers } from "./simulation/Workers.ts"
import { type Violation, World } from "./simulation/World.ts"

/**
 * What came of a plan.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly plan: Plan.Plan
  /** The first promise that was broken. */
  readonly violation: Violation | undefined
  readonly coverage: Coverage
  /** How often harm was done, to commands and to processes. */
  readonly faults: number
  /** Of all that happened: equal for equal ways. */
  readonly digest: number
  /** What happened, a line each, if it was asked for. */
  readonly trace: ReadonlyArray<string>
  /** Virtual time, milliseconds. */
  readonly elapsed: number
}

/** After the calm began everything must be over within this time, milliseconds. */
const drainTime = 90_000

/**
 * Lives a plan.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  driver: Driver,
  plan: Plan.Plan,
  options?: {
    readonly trace?: boolean | undefined
    /** Called at the start: for a story that no plan tells. */
    readonly meddle?: ((stage: Stage) => void) | undefined
  }
): Effect.Effect<Outcome> => {
  const world = new World(plan.seed, options?.trace ?? false)
  const coverage = new Coverage(driver.steps)
  return Effect.scoped(livePlan(driver, plan, world, coverage, options?.meddle)).pipe(
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isFailure(exit)) world.fail("defect", Cause.pretty(exit.cause))
      return {
        plan,
        coverage,
        violation: world.violation,
        faults: Array.from(coverage.harm).reduce((sum, [, count]) => sum + count, 0),
        digest: world.digest,
        trace: world.lines,
        elapsed: world.elapsed
      }
    })
  )
}

const livePlan = Effect.fnUntraced(function* (
  driver: Driver,
  plan: Plan.Plan,
  world: World,
  coverage: Coverage,
  meddle: ((stage: Stage) => void) | undefined
) {
  const server = yield* driver.start({ now: () => world.serverNow, stores: plan.stores })
  const network = new Network(world, coverage, plan.stepFaults, plan.patience)
  const ledger = new Ledger(world)
  const oracle: Oracle = new Oracle({
    world,
    plan,
    server,
    ledger,
    network,
    coverage,
    workers: () => workers.processes
  })
  const stage: Stage = { world, plan, server, network, ledger, oracle, coverage, subscriptions: new Map() }
  const workers: Workers = new Workers(stage)
  const producers = new Producers(stage)
  network.witness = oracle
  network.quiet = server.quiet
  network.onCrash = (process, why) => {
    workers.crash(process, why)
    producers.crash(process, why)
  }
  world.onMoment = () => oracle.moment()
  for (let slot = 0; slot < plan.workers; slot++) workers.start(slot)
  for (const number of [0, 1]) producers.start(number)
  for (const fault of plan.processFaults) world.after(fault.at, () => harm(stage, workers, producers, fault))
  world.after(plan.calmAt, () => {
    world.trace(() => "from here on nothing goes wrong")
    network.calm()
    // what was scheduled while its clock was ahead stays scheduled for then
    world.serverAhead = Math.max(0, ...plan.processFaults.map(jumpOf))
    for (const process of world.processes) process.resume()
  })

  meddle?.(stage)

  const limit = plan.calmAt + drainTime
  const isOver = () => world.elapsed >= plan.calmAt && producers.isDone && nothingIsLeft(oracle) && network.late === 0
  if (!(yield* world.run(isOver, limit))) {
    return world.fail(
      "G1",
      `not over after ${world.elapsed} ms. Messages: ${Array.from(
        oracle.state.messages.values(),
        ({ holder, id, places }) => `${id} ${places[0]} ${holder ?? ""}`
      ).join(", ")}. Clients: ${producers.open.join(", ")}`
    )
  }
  // long enough for the dead to be taken off the books
  const overAt = world.elapsed
  const isQuiet = () =>
    network.late === 0 && world.elapsed >= Math.max(overAt, network.lastLateAt) + 2 * plan.lease + 3000
  yield* world.run(isQuiet, overAt + drainTime)
  workers.close()
  yield* world.run(() => workers.processes.length === 0, world.elapsed + 20_000)
  if (workers.processes.length > 0) {
    world.fail("G11", `${workers.processes.map(({ name }) => name).join(", ")} did not stop`)
  }
  producers.checkRefused()
  yield* checkEnd(stage)
})

/** A message that ended and was not yet let go of counts as well. */
const nothingIsLeft = ({ state }: Oracle): boolean => state.messages.size === 0

const checkEnd = Effect.fnUntraced(function* ({ oracle, server, world }: Stage) {
  const { consumers, messages } = yield* server.inspect
  for (const { id } of messages.values()) world.fail("G1", `${id} is left`)
  for (const { id } of consumers) world.fail("G11", `consumer ${id} is left on the books`)
  for (const id of oracle.lives.keys()) {
    const record = oracle.recordOf(id)
    if (record === undefined) world.fail("G1", `${id} has no record`)
    else if (Result.isFailure(TaskRecord.decode(record))) world.fail("G1", `the record of ${id} cannot be read`)
  }
  for (const what of server.leftovers === undefined ? [] : yield* server.leftovers) world.fail("left behind", what)
})

/** How far ahead the clock of the server is after this fault. */
const jumpOf = ({ kind, span }: Plan.ProcessFault): number => (kind === "jump" ? (span % 2 === 0 ? span : -span) : 0)

/** Does what the plan has against a process. */
const harm = (stage: Stage, workers: Workers, producers: Producers, fault: Plan.ProcessFault): void => {
  const { kind, span, which } = fault
  const { coverage, network, world } = stage
  const candidates = kind === "producer crash" ? producers.all : workers.processes
  const all = [...workers.processes, ...producers.all]
  const process =
    kind === "disconnect" || kind === "deafen" ? all[which % all.length] : candidates[which % candidates.length]
  if (process === undefined) return
  coverage.happened(`fault ${kind}`)
  world.trace(() => `fault: ${kind} ${kind === "outage" ? "" : process.name} ${span} ms`)
  switch (kind) {
    case "jump":
      world.serverAhead = jumpOf(fault)
      return
    case "crash":
      return workers.crash(process, "without a word")
    case "producer crash":
      return producers.crash(process, "without a word")
    case "drain":
      return workers.drain(process)
    case "stop":
      network.trouble(process, span)
      return process.stop(span)
    case "disconnect":
      return network.disconnect(process, span)
    case "deafen":
      return network.deafen(process, span)
    case "outage":
      for (const one of all) network.disconnect(one, span)
  }
}

/** So many smaller plans are tried. */
const mostTries = 600

/** Of these a plan can have fewer. */
const lists = ["processFaults", "stepFaults", "messages"] as const

/**
 * A smaller plan that breaks the same promise: without the faults, messages and workers that do not matter, and with simpler
 * messages. Lives up to 600 smaller plans.
 *
 * @category shrinking
 * @since 0.1.0
 */
export const shrink = Effect.fnUntraced(function* (driver: Driver, plan: Plan.Plan, rule: string) {
  let best = plan
  let tries = 0
  /** Keeps the change if the promise is still broken. */
  const attempt = (change: Partial<Plan.Plan>) => {
    const smaller = { ...best, ...change }
    if (tries++ >= mostTries) return Effect.succeed(false)
    return Effect.map(run(driver, smaller), ({ violation }) => {
      if (violation?.rule !== rule) return false
      best = smaller
      return true
    })
  }
  const withoutSome = Effect.fnUntraced(function* (part: (typeof lists)[number]) {
    for (let size = Math.ceil(best[part].length / 2); size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < best[part].length;) {
        const without = [...best[part].slice(0, from), ...best[part].slice(from + size)]
        if (!(yield* attempt({ [part]: without }))) from += size
      }
    }
  })

  let before: Plan.Plan
  do {
    before = best
    // a fault without which nothing else fails any more may be one too many now
    for (const part of lists) yield* withoutSome(part)
    while (best.workers > 1 && (yield* attempt({ workers: best.workers - 1 }))) continue
  } while (best !== before)
  for (const { index } of best.messages) {
    for (const simpler of Plan.simplifications) {
      const messages = best.messages.map((message) => (message.index === index ? simpler(message) : message))
      if (JSON.stringify(messages) !== JSON.stringify(best.messages)) yield* attempt({ messages })
    }
  }
  for (const setting of Plan.simplerSettings) {
    const simpler = { ...best, ...setting }
    if (JSON.stringify(simpler) !== JSON.stringify(best)) yield* attempt(setting)
  }
  return best
})

/**
 * A failed run for people: the broken promise, the plan that is left, and what happened, without what is not about
 * messages. The last line is the whole plan as JSON, to be given to `run` again.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = ({ plan, trace, violation }: Outcome): string => {
  const { messages, processFaults, stepFaults, ...settings } = plan
  const shown = trace.filter((line) => !idle.test(line))
  return [
    `seed ${plan.seed} breaks ${violation?.rule} after ${violation?.at} ms: ${violation?.detail}`,
    `${messages.length} messages, ${stepFaults.length + processFaults.length} faults, ${plan.workers} workers are left:`,
    JSON.stringify(settings),
    ...[...processFaults, ...stepFaults, ...messages].map((one) => JSON.stringify(one)),
    ...(shown.length > longestTrace ? [`… ${shown.length - longestTrace} lines …`] : []),
    ...shown.slice(-longestTrace),
    `the plan: ${JSON.stringify(plan)}`
  ].join("\n")
}

/** Renewals that brought nothing, claims that found nothing, and the like. */
const idle =
  /→ #\d+ (renew|overdue|claim) \([^)]*\)$|(renew|overdue) .* = (\{held: \d+\}|\[\])$|claim .* = \{(dueIn: \d+, )?idle/

const longestTrace = 400

/**
 * What came of many plans.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exploration {
  /** Of all of them together. */
  readonly coverage: Coverage
  readonly faults: number
  /** Faults of the plan with the fewest. */
  readonly least: number
  /** The first that broke a promise. None was lived after it. */
  readonly failed: Outcome | undefined
}

/**
 * Lives many plans, one after the other, and adds up what happened. Stops at the first that breaks a promise.
 *
 * @category running
 * @since 0.1.0
 */
export const live = Effect.fnUntraced(function* (
  driver: Driver,
  plans: Iterable<Plan.Plan>
): Effect.fn.Return<Exploration> {
  const coverage = new Coverage(driver.steps)
  let faults = 0
  let least = Infinity
  for (const plan of plans) {
    const outcome = yield* run(driver, plan)
    coverage.add(outcome.coverage)
    faults += outcome.faults
    least = Math.min(least, outcome.faults)
    if (outcome.violation !== undefined) return { coverage, faults, least, failed: outcome }
  }
  return { coverage, faults, least, failed: undefined }
})

/**
 * The plan of a seed on this driver, with harm to the driver's own steps too.
 *
 * @category running
 * @since 0.1.0
 */
export const planOf = (driver: Driver, seed: number): Plan.Plan => Plan.make(seed, driver.steps)

/**
 * Lives the plans of many seeds: see `live`.
 *
 * @category running
 * @since 0.1.0
 */
export const explore = (
  driver: Driver,
  seeds: { readonly from: number; readonly count: number }
): Effect.Effect<Exploration> =>
  live(
    driver,
    Array.from({ length: seeds.count }, (_, index) => planOf(driver, seeds.from + index))
  )

/**
 * What has to happen in the lives of many seeds beside the faults of the matrix, or they prove little. 150 seeds bring about all
 * of it, and fill the matrix.
 *
 * @category constants
 * @since 0.1.0
 */
export const events: ReadonlyArray<string> = [
  // what processes suffer
  "fault stop",
  "fault disconnect",
  "fault outage",
  "fault deafen",
  "fault jump",
  "worker crash",
  "worker drain",
  "producer crash",
  "blocked",
  "abandoned",
  "late command",
  "push lost",
  // what is done about it
  "recovered",
  "claimed alone",
  "suspect passed on",
  "claim reply lost",
  "orphan found",
  "overlap excused",
  "revoked",
  // how messages end
  "ended succeeded",
  "ended failed",
  "ended revoked",
  "ended expired",
  "ended ignored",
  "ended dead"
]

/**
 * What these lives have not shown, in sentences: a life with too few faults that were done, cells of the matrix that are empty,
 * events that did not happen. Nothing, if they have shown enough.
 *
 * @category running
 * @since 0.1.0
 */
export const gaps = (
  { coverage, least }: Pick<Exploration, "coverage" | "least">,
  expected: {
    /** So many faults were done in each life. Default 10. */
    readonly faults?: number | undefined
    /** Every step has suffered every harm. Default `true`. */
    readonly matrix?: boolean | undefined
    /** Default: `events`. */
    readonly events?: ReadonlyArray<string> | undefined
  } = {}
): ReadonlyArray<string> => [
  ...(least < (expected.faults ?? 10) ? [`a life with ${least} faults only`] : []),
  ...(expected.matrix === false ? [] : coverage.missing.map((cell) => `never done: ${cell}`)),
  ...(expected.events ?? events)
    .filter((event) => (coverage.events.get(event) ?? 0) === 0)
    .map((event) => `never happened: ${event}`)
]

/**
 * A failed life for people: the smallest plan found that breaks the same promise, and what happens in it: see `shrink` and
 * `format`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const explain = Effect.fnUntraced(function* (driver: Driver, { plan, violation }: Outcome) {
  const smaller = yield* shrink(driver, plan, violation?.rule ?? "")
  return format(yield* run(driver, smaller, { trace: true }))
})
