/** The options of a worker: defaults, and the checks that refuse a start. */
import type * as Duration from "effect/Duration"
import * as Router from "../../Router.ts"
import { type AnyWithProps, isTask, type Registered } from "../../Task.ts"
import { isGroup } from "../../TaskGroup.ts"
import * as TimeLimit from "../../TimeLimit.ts"
import type { Options } from "../../Worker.ts"
import { isObject, nameProblem, shown, unknownOptions } from "../misuse.ts"

const ofWorker = {
  name: true,
  queues: true,
  concurrency: true,
  prefetch: true,
  maxBytes: true,
  visibilityTimeout: true,
  drainLimit: true,
  grace: true,
  softTimeLimit: true,
  timeLimit: true,
  unknownTaskWindow: true,
  progressInterval: true
} as const satisfies Record<keyof Options, true>

/** The options of `Worker.layer` and of `Worker.layerModule`. */
const known = {
  layer: { tasks: true, ...ofWorker },
  layerModule: { module: true, export: true, ...ofWorker }
} as const

/** What a worker is asked to serve. */
export interface Served {
  readonly tasks: ReadonlyArray<AnyWithProps>
  readonly problems: ReadonlyArray<string>
}

/** The tasks of a program's list of tasks and groups; groups may share tasks. */
export const servedBy = (tasks: unknown): Served => {
  if (!Array.isArray(tasks)) {
    return { tasks: [], problems: [`tasks must be a list of tasks and groups, it is ${shown(tasks)}`] }
  }
  const items = tasks.flatMap((item: unknown): ReadonlyArray<unknown> =>
    isGroup(item) ? Array.from(new Set<unknown>(item["~all"])) : [item]
  )
  const problems = items.flatMap((item) =>
    isTask(item) ? [] : [`tasks holds something that is neither a task nor a group: ${shown(item)}`]
  )
  return {
    tasks: items.filter(isTask),
    problems: items.length === 0 ? ["tasks is empty: name at least one task or group"] : problems
  }
}

/** What is wrong with the names of the options; told first, for the rest reads them. */
export const unreadable = (options: unknown, of: keyof typeof known): ReadonlyArray<string> =>
  isObject(options)
    ? unknownOptions(options, known[of]).map(({ detail, option }) => `${option}: ${detail}`)
    : [`the options of a worker must be an object, they are ${shown(options)}`]

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
    problems.push(
      `${option} must be a ${most === Infinity ? "" : "finite "}span of time of ${least} ms or more, it is ${shown(input)}`
    )
    return fallback
  }
  const whole = (option: keyof Options, value: number | undefined, fallback: number, least: number, or = "") => {
    if (value === undefined) return fallback
    if (Number.isSafeInteger(value) && value >= least) return value
    problems.push(`${option} must be a whole number of ${least} or more${or}, it is ${shown(value)}`)
    return fallback
  }

  const wrongName = nameProblem(name)
  if (wrongName !== undefined) problems.push(`name: ${wrongName}`)
  const queues = queuesOf(options.queues, tasks, defaultQueue)
  if (queues === undefined) {
    const given: unknown = options.queues
    problems.push(
      `queues must be a list of names or an object of weights, it is ${shown(given)}${
        typeof given === "string" ? `: write [${shown(given)}]` : ""
      }`
    )
  } else if (queues.length === 0) {
    problems.push("queues is empty: name at least one queue, or leave the option out")
  }
  problems.push(...(queues ?? []).flatMap(problemsOfQueue))
  const repeated = queues?.find(({ name }, index) => queues.findIndex((other) => other.name === name) < index)
  if (repeated !== undefined) problems.push(`queue "${repeated.name}" is named twice`)
  problems.push(...TimeLimit.resolve({ worker: options }).problems)

  return {
    problems,
    settings: {
      name,
      queues: queues ?? [],
      strict: options.queues === undefined || Array.isArray(options.queues),
      concurrency: whole("concurrency", options.concurrency, 20, 1),
      prefetch:
        options.prefetch === undefined || options.prefetch === "auto"
          ? "auto"
          : whole("prefetch", options.prefetch, 0, 0, ` or "auto"`),
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

const problemsOfQueue = ({ name, weight }: Settings["queues"][number]): ReadonlyArray<string> => {
  const problem = Router.validateQueue(name)
  return [
    ...(problem === undefined ? [] : [problem]),
    ...(Number.isFinite(weight) && weight > 0
      ? []
      : [`the weight of queue "${name}" must be a number above 0, it is ${shown(weight)}`])
  ]
}

/** Default: the queues that the tasks name, in their order. `undefined`: neither names nor weights. */
const queuesOf = (
  queues: Options["queues"],
  tasks: ReadonlyArray<AnyWithProps>,
  defaultQueue: string
): Settings["queues"] | undefined => {
  if (queues === undefined) {
    const names = new Set(tasks.map((task) => task.options.queue ?? defaultQueue))
    return Array.from(names, (name) => ({ name, weight: 1 }))
  }
  if (isList(queues)) return queues.map((name) => ({ name, weight: 1 }))
  return isObject(queues) ? Object.entries(queues).map(([name, weight]) => ({ name, weight })) : undefined
}

const isList = (queues: NonNullable<Options["queues"]>): queues is ReadonlyArray<string> => Array.isArray(queues)

/** What is wrong with a task on a worker with these limits, each in a sentence. */
const problemsOf = ({ task, worker }: { readonly task: AnyWithProps; readonly worker: TimeLimit.Options }) => {
  const ofTask = task["~problems"]()
  // what is wrong with the worker's own limits is told once, not for each task
  const alone =
    TimeLimit.resolve({ task: task.options }).problems.length + TimeLimit.resolve({ worker }).problems.length
  return alone > 0 ? ofTask : [...ofTask, ...TimeLimit.resolve({ task: task.options, worker }).problems]
}

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
    for (const problem of problemsOf({ task, worker })) problems.push(`task "${task._tag}": ${problem}`)
    if (handler !== undefined && typeof handler.run !== "function") {
      problems.push(`task "${task._tag}": its handler must be a function, it is ${shown(handler.run)}`)
    }
  }
  return { handlers, missing, duplicates, problems }
}
