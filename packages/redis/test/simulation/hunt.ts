/** Lets a mutant live until it breaks a promise. */
import { Conformance } from "celeriac/testing"
import * as Simulation from "celeriac/testing/Simulation"
import type { Driver } from "celeriac/testing/simulation/Driver"
import { scenarios } from "celeriac/testing/simulation/Scenarios"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Scope } from "effect/Scope"
import * as DatabaseModule from "./Database.ts"
import { directed } from "./directed.ts"
import type { Hunter } from "./mutants.ts"
import * as RedisDriverModule from "./RedisDriver.ts"
import { type Services, servicesOf } from "./services.ts"

/** Modules of this driver, perhaps a mutant's, and what is done to its scripts. */
export interface Prey {
  readonly Database: typeof DatabaseModule
  readonly RedisDriver: typeof RedisDriverModule
  readonly edit: DatabaseModule.EditScript | undefined
}

/** The driver as it is. */
export const unchanged: Prey = { Database: DatabaseModule, RedisDriver: RedisDriverModule, edit: undefined }

/** Something that fails with a mutant, and does not otherwise. */
export interface Catch {
  readonly by: Hunter
  /** What was seen. */
  readonly detail: string
}

export const rules = new Map<string, Conformance.Case<Services>>(
  [...Conformance.broker, ...Conformance.resultBackend, ...Conformance.together].map((one) => [one.name, one])
)

type Story = Effect.Effect<void, unknown, Services | Scope>

/** What a mutant never ends is caught as well. The server answers in a millisecond. */
const patience = "10 seconds"

/** Where to look: with a seed the one given, and then as many as are allowed, from 1 on. */
export type Ground = readonly [by: Hunter, seeds: number]

/** The first that fails on these grounds, in their order. */
export const hunt = Effect.fnUntraced(function* (url: string, prey: Prey, grounds: Iterable<Ground>) {
  const { Database, edit } = prey
  const first = yield* Database.open(url, 0, edit)
  const second = yield* Database.open(url, 1, edit)
  let driver: Driver | undefined

  /** Why it fails; `undefined`: it does not. */
  const failureOf = Effect.fnUntraced(function* (story: Story, stores: "two" | undefined) {
    const services = yield* servicesOf(Database, first, stores === "two" ? second : undefined)
    const exit = yield* Effect.exit(Effect.timeout(Effect.provide(Effect.scoped(story), services), patience))
    return Exit.isSuccess(exit) ? undefined : Cause.pretty(exit.cause)
  }, Effect.scoped)

  for (const [by, seeds] of grounds) {
    if ("rule" in by || "directed" in by) {
      const story: Story | undefined = "rule" in by ? rules.get(by.rule)?.effect : directed[by.directed]
      if (story === undefined) return yield* Effect.die(new Error(`there is no such story: ${JSON.stringify(by)}`))
      const detail = yield* failureOf(story, "rule" in by ? by.stores : undefined)
      if (detail !== undefined) return { by, detail } satisfies Catch
      continue
    }
    driver ??= yield* prey.RedisDriver.make(url, edit)
    for (const seed of [by.seed, ...Array.from({ length: seeds }, (_, index) => index + 1)]) {
      const plan = "scenario" in by ? scenarios[by.scenario](seed) : Simulation.planOf(driver, seed)
      const { violation } = yield* Simulation.run(driver, plan)
      if (violation !== undefined) {
        return { by: { ...by, seed }, detail: `${violation.rule}: ${violation.detail}` } satisfies Catch
      }
    }
  }
  return undefined
}, Effect.scoped)
