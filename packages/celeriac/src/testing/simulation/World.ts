/**
 * Virtual time for many processes in one program.
 *
 * `TestClock` moves one time for all fibers. Here each process has a `Clock` and a `Scheduler` of its own on a common time, so
 * that a process can be stopped (nothing in it runs; when it goes on, all that came due is there at once, and its clock has
 * jumped), blocked by a handler, or dead (nothing in it ever runs again, and no finalizer does), as an operating system
 * does it. Between two moments of the time everything runs that can run, without waiting, in an order that depends on the
 * seed alone.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { DueHeap, type Node } from "../../memory/DueHeap.ts"
import { Dice } from "./Dice.ts"
import { Process } from "./Process.ts"

/**
 * A rule that was broken: the simulation ends with the first one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Violation {
  /** `G1` … as in the design, or a word. */
  readonly rule: string
  readonly detail: string
  /** Milliseconds since the start. */
  readonly at: number
}

/**
 * Something that happens at its time; an effect is waited for before anything else happens.
 *
 * @category models
 * @since 0.1.0
 */
export type Action = () => Effect.Effect<void> | void

const start = 1_700_000_000_000

/** So much work in one moment is a loop that spins. */
const mostTasks = 200_000

/**
 * @category models
 * @since 0.1.0
 */
export class World {
  readonly seed: number
  readonly processes: Array<Process> = []
  violation: Violation | undefined
  /** Called when all that could happen at a moment has happened. */
  onMoment: () => void = () => {}
  readonly lines: Array<string> = []
  /** Of everything that was traced: two runs with equal digests went the same way. */
  digest = 0
  private readonly keepsLines: boolean
  /** How far the clock of the server is ahead, milliseconds. */
  serverAhead = 0
  private millis = start
  private readonly events = new DueHeap<Action>()
  private tasks = 0

  constructor(seed: number, keepsLines: boolean) {
    this.seed = seed
    this.keepsLines = keepsLines
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.millis
  }

  /** The same by the clock of the server. */
  get serverNow(): number {
    return this.millis + this.serverAhead
  }

  /** Milliseconds since the start. */
  get elapsed(): number {
    return this.millis - start
  }

  dice(...labels: ReadonlyArray<string | number>): Dice {
    return new Dice(this.seed, ...labels)
  }

  process(name: string): Process {
    const process = new Process(this, name)
    this.processes.push(process)
    return process
  }

  after(millis: number, action: Action): Node<Action> {
    return this.events.add(this.millis + Math.max(0, millis), action)
  }

  cancel(node: Node<Action>): void {
    if (node.index >= 0) this.events.remove(node)
    node.index = -1
  }

  trace(line: () => string): void {
    const text = `${String(this.elapsed).padStart(6)} ${line()}`
    for (let at = 0; at < text.length; at++) this.digest = (Math.imul(this.digest, 31) + text.charCodeAt(at)) | 0
    if (this.keepsLines) this.lines.push(text)
  }

  fail(rule: string, detail: string): void {
    if (this.violation !== undefined) return
    this.violation = { rule, detail, at: this.elapsed }
    this.trace(() => `VIOLATION of ${rule}: ${detail}`)
  }

  /** Lets things happen until `isDone`, a violation, or the limit (milliseconds since the start). Answers whether it is done. */
  run(isDone: () => boolean, limit: number): Effect.Effect<boolean> {
    const world = this
    return Effect.gen(function* () {
      while (true) {
        world.runProcesses()
        if (world.violation !== undefined) return false
        if (isDone()) return true
        const next = world.events.peek()
        if (next === undefined || next.time - start > limit) return false
        if (next.time > world.millis) {
          world.onMoment()
          world.millis = next.time
          world.tasks = 0
        }
        world.cancel(next)
        const effect = next.value()
        if (effect !== undefined) yield* effect
      }
    })
  }

  private runProcesses(): void {
    for (let idle = 0, index = 0; idle < this.processes.length; index = (index + 1) % this.processes.length) {
      const process = this.processes[index]!
      idle = process.runTasks((count) => this.count(process, count)) ? 0 : idle + 1
    }
  }

  private count(process: Process, count: number): boolean {
    this.tasks += count
    if (this.tasks > mostTasks) this.fail("G12", `${process.name} spins: ${this.tasks} tasks in one moment`)
    return this.violation === undefined
  }
}
