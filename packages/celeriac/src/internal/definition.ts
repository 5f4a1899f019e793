/**
 * What is wrong with the definition of a task. Definitions are made when modules load, so they never throw: whoever uses
 * one (`enqueue`, `Worker.layer`) is told its problems.
 */
import * as Schema from "effect/Schema"
import * as Retry from "../Retry.ts"
import * as Router from "../Router.ts"
import type { AnyWithProps, Policies } from "../Task.ts"
import { TypeId as MiddlewareId } from "../TaskMiddleware.ts"
import * as TimeLimit from "../TimeLimit.ts"
import { isObject, latest, nameProblem, shown, unknownOptions } from "./misuse.ts"

/** What a program gave to `Task.make`. */
export interface Given {
  readonly name: unknown
  readonly options: unknown
}

const schemas = { payload: true, success: true, error: true, progress: true } as const

const known = {
  ...schemas,
  queue: true,
  priority: true,
  retry: true,
  softTimeLimit: true,
  timeLimit: true,
  expires: true,
  resultTtl: true,
  ignoreResult: true,
  maxDeliveries: true,
  ack: true,
  version: true,
  upgrades: true
} as const satisfies Record<keyof Policies<never> | keyof typeof schemas, true>

/** The schema of an option: a schema, or the fields of a struct. What is neither is a problem of the definition. */
export const schemaOf = (given: unknown, otherwise: Schema.Top): Schema.Top =>
  given === undefined
    ? otherwise
    : Schema.isSchema(given)
      ? given
      : areFields(given)
        ? Schema.Struct(given)
        : Schema.Never

const areFields = (given: unknown): given is Schema.Struct.Fields =>
  isObject(given) && Reflect.ownKeys(given).every((key) => Schema.isSchema(Reflect.get(given, key)))

/** The options of a definition that may have none, or something else. */
export const optionsOf = (given: unknown): Readonly<Record<string, unknown>> => (isObject(given) ? given : {})

/** Empty when nothing is wrong. */
export const problemsOf = (given: Given, middlewares: AnyWithProps["middlewares"]): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const wrongName = nameProblem(given.name)
  if (wrongName !== undefined) problems.push(wrongName)
  if (given.options !== undefined && !isObject(given.options)) {
    problems.push(`its options must be an object, they are ${shown(given.options)}`)
  }
  const options = optionsOf(given.options)
  for (const { detail, option } of unknownOptions(options, known)) problems.push(`${option}: ${detail}`)
  for (const option of Object.keys(schemas)) {
    const schema = options[option]
    if (schema === undefined || Schema.isSchema(schema) || (option !== "error" && areFields(schema))) continue
    problems.push(
      `${option} must be a Schema${option === "error" ? "" : ", or an object whose values are Schemas"}, it is ${shown(schema)}`
    )
  }
  for (const middleware of middlewares as ReadonlyArray<unknown>) {
    if (!isMiddleware(middleware))
      problems.push(`a middleware must be a TaskMiddleware.Service, it is ${shown(middleware)}`)
  }
  return [...problems, ...policyProblems(options)]
}

const isMiddleware = (value: unknown): boolean =>
  typeof value === "function" && Reflect.get(value, MiddlewareId) === MiddlewareId

/** The values come from programs without types as well. */
const policyProblems = (options: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
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
  } = options
  const problems: Array<string> = [
    // what they are is what these two find out
    ...Retry.validate(retry as Retry.Retry<never>),
    ...TimeLimit.resolve({ task: options }).problems
  ]
  for (const [option, span] of Object.entries({ expires, resultTtl })) {
    if (span === undefined) continue
    const millis = TimeLimit.readMillis(span as number)
    if (!(millis >= 0 && millis <= latest)) {
      problems.push(`${option} must be a finite span of time of 0 or more, at most ${latest} ms`)
    }
  }
  for (const option of ["softTimeLimit", "timeLimit"]) {
    if (TimeLimit.isTooLong(options[option])) {
      problems.push(`${option} must be at most ${latest} ms; Infinity says that there is no limit`)
    }
  }
  if (ack !== undefined && ack !== "late" && ack !== "early") problems.push(`ack must be "late" or "early"`)
  if (ignoreResult !== undefined && typeof ignoreResult !== "boolean" && ignoreResult !== "success") {
    problems.push(`ignoreResult must be true, false or "success"`)
  }
  if (queue !== undefined) {
    const problem = Router.validateQueue(queue as string)
    if (problem !== undefined) problems.push(problem)
  }
  if (priority !== undefined && !(isWhole(priority) && priority >= 0 && priority <= 9)) {
    problems.push(`priority must be a whole number from 0 to 9, it is ${shown(priority)}`)
  }
  if (maxDeliveries !== undefined && !(isWhole(maxDeliveries) && maxDeliveries >= 1)) {
    problems.push(`maxDeliveries must be a whole number of 1 or more, it is ${shown(maxDeliveries)}`)
  }
  if (!(isWhole(version) && version >= 1)) {
    return [...problems, `version must be a whole number of 1 or more, it is ${shown(version)}`]
  }
  if (upgrades !== undefined && !isObject(upgrades)) {
    return [...problems, `upgrades must be an object of functions, it is ${shown(upgrades)}`]
  }
  for (const [from, upgrade] of Object.entries(upgrades ?? {})) {
    if (typeof upgrade !== "function") problems.push(`upgrades has an entry for version ${from} that is no function`)
    if (!(Number(from) >= 1 && Number(from) < version)) {
      problems.push(`upgrades has an entry for version ${from}, but the payload's version is ${version}`)
    }
  }
  return problems
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value)
