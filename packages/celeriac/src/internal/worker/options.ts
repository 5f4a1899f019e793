/** The options of a worker: defaults, and the checks that refuse a start. */
import type * as Duration from "effect/Duration"
import * as Retry from "../../Retry.ts"
import * as Router from "../../Router.ts"
import type { AnyWithProps, Registered } from "../../Task.ts"
import * as TimeLimit from "../../TimeLimit.ts"
import type { Options } from "../../Worker.ts"

/** All times in milliseconds. */
export interface Settings {
  readonly name: string
  /** Names and weights in their order; no weights: strict order. */
  readonly queues: ReadonlyArray<{ readonly name: string; readonly weight: number }>
  readonly strict: boolean
  readonly concurrency: number
  readonly prefetch: number | "auto"
  readonly maxBytes: number
  readonly lease: number
  readonly drainLimit: number
  readonly grace: number
  readonly unknownTaskWindow: number
  readonly progressInterval: number
  readonly limits: TimeLimit.Options
}

export const settingsOf = (
  options: Options,
  name: string,
  tasks: ReadonlyArray<AnyWithProps>,
  defaultQueue: string
): { readonly settings: Settings; readonly problems: ReadonlyArray<string> } => {
  const problems: Array<string> = []

  const millis = (
    option: keyof Options,
    input: Duration.Input | undefined,
    fallback: number,
    least: number,
    most = Infinity
  ) => {
    if (input === undefined) return fallback
    const value = TimeLimit.readMillis(input)
    if (value >= least && value <= most) return value
    problems.push(`${option} must be a ${most === Infinity ? "" : "finite "}span of time of ${least} ms or more`)
    return fallback
  }
  const whole = (option: keyof Options, value: number | undefined, fallback: number, least: number) => {
    if (value === undefined) return fallback
    if (Number.isSafeInteger(value) && value >= least) return value
    problems.push(`${option} must be a whole number of ${least} or more, it is ${value}`)
    return fallback
  }

  const queues = queuesOf(options.queues, tasks, defaultQueue)
  if (queues.length === 0) problems.push("queues is empty: name at least one queue, or leave the option out")
  for (const { name, weight } of queues) {
    const problem = Router.validateQueue(name)
    if (problem !== undefined) problems.push(problem)
    if (!(Number.isFinite(weight) && weight > 0)) {
      problems.push(`the weight of queue "${name}" must be a number above 0, it is ${weight}`)
    }
  }
  const repeated = queues.find(({ name }, index) => queues.findIndex((other) => other.name === name) < index)
  if (repeated !== undefined) problems.push(`queue "${repeated.name}" is named twice`)
  problems.push(...TimeLimit.resolve({ worker: options }).problems)

  return {
    problems,
    settings: {
      name,
      queues,
      strict: options.queues === undefined || Array.isArray(options.queues),
      concurrency: whole("concurrency", options.concurrency, 20, 1),
      prefetch:
        options.prefetch === undefined || options.prefetch === "auto"
          ? "auto"
          : whole("prefetch", options.prefetch, 0, 0),
      maxBytes: whole("maxBytes", options.maxBytes, 64 * 1024 * 1024, 1),
      lease: millis("visibilityTimeout", options.visibilityTimeout, 30_000, 1000, Number.MAX_SAFE_INTEGER),
      drainLimit: millis("drainLimit", options.drainLimit, 25_000, 0),
      grace: millis("grace", options.grace, 5000, 0),
      unknownTaskWindow: millis("unknownTaskWindow", options.unknownTaskWindow, 600_000, 0),
      progressInterval: millis("progressInterval", options.progressInterval, 100, 0),
      limits: options
    }
  }
}

/** Default: the queues that the tasks name, in their order. */
const queuesOf = (
  queues: Options["queues"],
  tasks: ReadonlyArray<AnyWithProps>,
  defaultQueue: string
): Settings["queues"] => {
  if (queues === undefined) {
    const names = new Set(tasks.map((task) => task.options.queue ?? defaultQueue))
    return Array.from(names, (name) => ({ name, weight: 1 }))
  }
  return isList(queues)
    ? queues.map((name) => ({ name, weight: 1 }))
    : Object.entries(queues).map(([name, weight]) => ({ name, weight }))
}

const isList = (queues: NonNullable<Options["queues"]>): queues is ReadonlyArray<string> => Array.isArray(queues)

/** What is wrong with the definition of a task. */
export const problemsOf = (task: AnyWithProps, worker: TimeLimit.Options): ReadonlyArray<string> => {
  const {
    ack,
    expires,
    ignoreResult,
    maxDeliveries,
    priority,
    queue,
    resultTtl,
    retry,
    upgrades,
    version = 1
  } = task.options
  // what is wrong with the worker's own limits is told once, not for each task
  const ofWorker = TimeLimit.resolve({ worker }).problems.length === 0 ? worker : undefined
  const problems = [...Retry.validate(retry), ...TimeLimit.resolve({ task: task.options, worker: ofWorker }).problems]
  for (const [option, span] of Object.entries({ expires, resultTtl })) {
    if (span === undefined) continue
    const millis = TimeLimit.readMillis(span)
    if (!(millis >= 0 && millis < Infinity)) problems.push(`${option} must be a finite span of time of 0 or more`)
  }
  if (ack !== undefined && ack !== "late" && ack !== "early") problems.push(`ack must be "late" or "early"`)
  if (ignoreResult !== undefined && typeof ignoreResult !== "boolean" && ignoreResult !== "success") {
    problems.push(`ignoreResult must be true, false or "success"`)
  }
  if (task._tag.length === 0) problems.push("its name is empty")
  if (queue !== undefined) problems.push(...listOf(Router.validateQueue(queue)))
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 9)) {
    problems.push(`priority must be a whole number from 0 to 9, it is ${String(priority)}`)
  }
  if (maxDeliveries !== undefined && !(Number.isInteger(maxDeliveries) && maxDeliveries >= 1)) {
    problems.push(`maxDeliveries must be a whole number of 1 or more, it is ${maxDeliveries}`)
  }
  if (!(Number.isInteger(version) && version >= 1)) {
    problems.push(`version must be a whole number of 1 or more, it is ${version}`)
  }
  for (const [from, upgrade] of Object.entries(upgrades ?? {})) {
    if (typeof upgrade !== "function") problems.push(`upgrades has an entry for version ${from} that is no function`)
    if (!(Number(from) >= 1 && Number(from) < version)) {
      problems.push(`upgrades has an entry for version ${from}, but the payload's version is ${version}`)
    }
  }
  return problems
}

const listOf = (problem: string | undefined): ReadonlyArray<string> => (problem === undefined ? [] : [problem])

/** The handlers of the tasks that the worker serves, and what is wrong with them. */
export const handlersOf = (
  tasks: ReadonlyArray<AnyWithProps>,
  registered: ReadonlyMap<string, Registered>,
  worker: TimeLimit.Options
): {
  readonly handlers: ReadonlyMap<string, Registered>
  readonly missing: ReadonlyArray<string>
  readonly duplicates: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
} => {
  const handlers = new Map<string, Registered>()
  const missing: Array<string> = []
  const duplicates: Array<string> = []
  const problems: Array<string> = []
  for (const task of tasks) {
    const handler = registered.get(task._tag)
    if (handlers.has(task._tag)) duplicates.push(task._tag)
    else if (handler === undefined) missing.push(task._tag)
    else handlers.set(task._tag, handler)
    for (const problem of problemsOf(task, worker)) problems.push(`task "${task._tag}": ${problem}`)
  }
  return { handlers, missing, duplicates, problems }
}
