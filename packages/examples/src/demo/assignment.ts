/** What the process of a worker is told when it starts: by its environment, which other users of the machine cannot read. */
import { Config, Redacted } from "effect"

export interface Assignment {
  readonly worker: string
  /** Of the Redis server. It may hold a password. */
  readonly url: Redacted.Redacted<string>
  readonly prefix: string
}

export const environmentOf = ({ prefix, url, worker }: Assignment): Readonly<Record<string, string>> => ({
  DEMO_WORKER: worker,
  DEMO_REDIS_URL: Redacted.value(url),
  DEMO_REDIS_PREFIX: prefix
})

export const assignment: Config.Config<Assignment> = Config.all({
  worker: Config.String("DEMO_WORKER"),
  url: Config.Redacted("DEMO_REDIS_URL"),
  prefix: Config.String("DEMO_REDIS_PREFIX")
})
