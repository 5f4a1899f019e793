import { delayed } from "./delayed.ts"
import { depth } from "./depth.ts"
import { idle, steady } from "./latency.ts"
import { payloads } from "./payloads.ts"
import { singles } from "./singles.ts"
import { durable, throughput } from "./throughput.ts"
import { work } from "./work.ts"
import { workers } from "./workers.ts"
import type { Workload } from "./Workload.ts"

/** These are in `--quick`, too. */
export const main: ReadonlyArray<Workload> = [throughput, singles, idle]

export const further: ReadonlyArray<Workload> = [steady, work, payloads, delayed, depth, workers, durable]

export const workloads: ReadonlyArray<Workload> = [...main, ...further]
