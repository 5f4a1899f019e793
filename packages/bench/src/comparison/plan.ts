/** How much is measured. */

export interface Plan {
  readonly name: "full" | "quick" | "smoke"
  /** Rounds before those that count. */
  readonly warmUps: number
  /** Rounds of the workloads that `--quick` has too. */
  readonly rounds: number
  /** Rounds of the others. */
  readonly furtherRounds: number
  /** Tasks of a round are as many as a system runs in so many seconds, but no more than `mostTasks`. */
  readonly seconds: number
  readonly mostTasks: number
  /** How long single enqueues are measured for each number of callers. */
  readonly singlesMillis: number
  /** Calls in a round of the idle latency. */
  readonly calls: number
  /** How long steady load goes on. */
  readonly steadyMillis: number
  readonly delayed: number
  readonly backlog: number
}

export const plans: Readonly<Record<Plan["name"], Plan>> = {
  full: {
    name: "full",
    warmUps: 1,
    rounds: 9,
    furtherRounds: 4,
    seconds: 2,
    mostTasks: 200_000,
    singlesMillis: 500,
    calls: 300,
    steadyMillis: 5000,
    delayed: 1_000_000,
    backlog: 1_000_000
  },
  quick: {
    name: "quick",
    warmUps: 1,
    rounds: 7,
    furtherRounds: 0,
    seconds: 1,
    mostTasks: 200_000,
    singlesMillis: 200,
    calls: 80,
    steadyMillis: 1000,
    delayed: 20_000,
    backlog: 50_000
  },
  smoke: {
    name: "smoke",
    warmUps: 0,
    rounds: 1,
    furtherRounds: 1,
    seconds: 0.02,
    mostTasks: 1000,
    singlesMillis: 10,
    calls: 5,
    steadyMillis: 50,
    delayed: 200,
    backlog: 2000
  }
}
