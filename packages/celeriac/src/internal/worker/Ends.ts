/** The end of a run: what follows for its message, by the table of outcomes; counted, and logged. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { Disposition } from "../../Broker.ts"
import type { Settings as Defaults } from "../../Defaults.ts"
import * as Outcome from "../../Outcome.ts"
import { keeping } from "../endings.ts"
import * as Telemetry from "../Telemetry.ts"
import { endLog } from "./endLog.ts"
import type { Held } from "./Holdings.ts"
import type { Settings } from "./options.ts"
import { type Kept, runsOnce } from "./policies.ts"
import { died } from "./Run.ts"

export class Ends {
  private readonly context: Context.Context<never>
  private readonly fork: (effect: Effect.Effect<void>) => unknown
  private readonly settings: Pick<Settings, "name" | "unknownTaskWindow">
  private readonly defaults: Defaults
  /** Of tasks that this worker does not know. */
  private readonly kept: Kept
  /** Whether anybody reads of what went well. */
  private readonly verbose: boolean
  private readonly meters = new Map<string, (millis: number | undefined) => void>()

  constructor(options: {
    readonly context: Context.Context<never>
    readonly fork: (effect: Effect.Effect<void>) => unknown
    readonly settings: Pick<Settings, "name" | "unknownTaskWindow">
    readonly defaults: Defaults
  }) {
    const { context, defaults, fork, settings } = options
    this.context = context
    this.fork = fork
    this.settings = settings
    this.defaults = defaults
    this.kept = keeping(undefined, undefined, defaults)
    this.verbose = LogLevel.isLessThanOrEqualTo(Context.get(context, References.MinimumLogLevel), "Debug")
  }

  /** `endedAt` in whole milliseconds since 1970. */
  settlementOf(held: Held, outcome: Outcome.Outcome, endedAt: number): Disposition {
    const { delivery, message, policies, startedAt } = held
    const kept = policies?.kept ?? this.kept
    const final = outcome._tag === "Released" && startedForGood(held) ? stoppedOnce : outcome
    const { disposition, instead: counted = final } = consequenceOf(final, {
      message,
      wire: delivery.wire,
      // a message that is dead after too many deliveries is not delivered once more
      deliveries: (final._tag === "TooManyDeliveries" ? 0 : 1) + delivery.crashes + (message?.requeues ?? 0),
      maxDeliveries: policies?.maxDeliveries ?? this.defaults.maxDeliveries,
      worker: this.settings.name,
      startedAt,
      endedAt,
      resultTtl: message?.resultTtl ?? kept.resultTtl,
      dedupeWindow: kept.dedupeWindow,
      ignoreResult: message?.ignoreResult ?? kept.ignoreResult,
      unknownTaskWindow: this.settings.unknownTaskWindow,
      maxResultSize: this.defaults.maxResultSize
    })
    // nothing for a message that has not run
    const took = held.run === undefined ? undefined : Math.max(0, endedAt - startedAt)
    this.meterOf(held, counted._tag)(took)
    if (this.verbose || counted._tag !== "Succeeded") {
      const line = endLog(counted, { delivery, message, lost: held.lost, disposition, took }, this.verbose)
      if (line !== undefined) this.fork(line)
    }
    return disposition
  }

  private meterOf(
    { delivery, message, policies }: Held,
    outcome: Outcome.Outcome["_tag"]
  ): (millis: number | undefined) => void {
    // a name that only messages know would make one more series for each
    const task = message === undefined || policies === undefined ? Telemetry.other : message.task
    const key = `${delivery.queue} ${task} ${outcome}`
    let meter = this.meters.get(key)
    if (meter === undefined) {
      meter = Telemetry.runMetrics(this.context, delivery.queue, task, outcome)
      this.meters.set(key, meter)
    }
    return meter
  }
}

/** It has started, so that it cannot be given to others. */
const startedForGood = ({ message, policies, run }: Held): boolean =>
  run !== undefined && message !== undefined && policies !== undefined && runsOnce(message, policies)

const stoppedOnce: Outcome.Outcome = {
  _tag: "WorkerLost",
  detail: "its worker stopped while it ran, and it may run at most once"
}

/** What the table says; an outcome that cannot be written (a bigint in an untyped value, a cycle) is a defect of the task. */
const consequenceOf = (outcome: Outcome.Outcome, run: Outcome.Run): Outcome.Consequence => {
  try {
    return Outcome.settle(outcome, run)
  } catch (thrown) {
    const instead = died(new Error("the outcome of the run is no JSON", { cause: thrown }))
    return { ...Outcome.settle(instead, run), instead }
  }
}
