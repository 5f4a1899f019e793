/** What a benchmark ran on. */
import { cpus, loadavg, release, totalmem, type } from "node:os"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGB: number
  readonly system: string
  readonly node: string
  /** Of the last minute, before the benchmark began: above 0, others were at work, too. */
  readonly load: number
}

export const machine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  system: `${type()} ${release()}`,
  node: process.version,
  load: Math.round((loadavg()[0] ?? 0) * 100) / 100
})

export const described = ({ cores, cpu, load, memoryGB, node, system }: Machine): string =>
  `${cores} cores of ${cpu}, ${memoryGB} GB, ${system}, Node ${node}, load ${load} before it began`
