/**
 * Which harm was done to which step, counted.
 *
 * @since 0.1.0
 */

/**
 * The atomic steps that a worker and a client send.
 *
 * @category constants
 * @since 0.1.0
 */
export const steps = [
  "publish",
  "register",
  "claim",
  "settle",
  "renew",
  "recover",
  "reconcile",
  "close",
  "end",
  "locate",
  "overdue",
  "commit",
  "note",
  "read",
  "watch",
  "forget"
] as const

/**
 * What can happen to a command. `copy`: it arrives later, when its caller has long been told that its connection broke, or
 * it is carried out twice. `crash`: the process that sent it dies, before it arrives or after it was carried out.
 *
 * @category constants
 * @since 0.1.0
 */
export const harms = ["command lost", "reply lost", "copy", "delay", "crash before", "crash after"] as const

/**
 * @category models
 * @since 0.1.0
 */
export type Step = (typeof steps)[number]

/**
 * @category models
 * @since 0.1.0
 */
export type Harm = (typeof harms)[number]

/**
 * @category models
 * @since 0.1.0
 */
export class Coverage {
  private readonly steps: ReadonlyArray<string>
  private readonly cells = new Map<string, number>()
  private readonly commands = new Map<string, number>()
  /** What happened beside the steps: crashes, stops, overlapping runs that were excused, late copies … */
  readonly events = new Map<string, number>()

  /** `further`: the steps of a driver besides those that all have. */
  constructor(further: ReadonlyArray<string> = []) {
    this.steps = [...steps, ...further]
  }

  sent(step: string): void {
    this.commands.set(step, (this.commands.get(step) ?? 0) + 1)
  }

  bitten(step: string, harm: Harm): void {
    const cell = `${step} × ${harm}`
    this.cells.set(cell, (this.cells.get(cell) ?? 0) + 1)
  }

  happened(event: string, times = 1): void {
    this.events.set(event, (this.events.get(event) ?? 0) + times)
  }

  add(other: Coverage): void {
    for (const [step, count] of other.commands) this.commands.set(step, (this.commands.get(step) ?? 0) + count)
    for (const [cell, count] of other.cells) this.cells.set(cell, (this.cells.get(cell) ?? 0) + count)
    for (const [event, count] of other.events) this.happened(event, count)
  }

  count(step: string, harm: Harm): number {
    return this.cells.get(`${step} × ${harm}`) ?? 0
  }

  /** Everything that went wrong: each cell, and each fault of a process. */
  get harm(): ReadonlyArray<readonly [string, number]> {
    return [...this.cells, ...Array.from(this.events).filter(([event]) => event.startsWith("fault "))]
  }

  /** Cells that stayed empty. */
  get missing(): ReadonlyArray<string> {
    return this.steps.flatMap((step) =>
      harms.flatMap((harm) => (this.count(step, harm) === 0 ? [`${step} × ${harm}`] : []))
    )
  }

  /** The matrix as text. */
  toString(): string {
    const head = ["", "commands", ...harms]
    const rows = this.steps.map((step) => [
      step,
      String(this.commands.get(step) ?? 0),
      ...harms.map((harm) => String(this.count(step, harm)))
    ])
    const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)))
    return [head, ...rows]
      .map((row) =>
        row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      )
      .map((row) => row.join("  "))
      .join("\n")
  }
}
