/**
 * The program of the measured processes that run on Node: `agent.ts <system> <producer|worker>`. It does what it is told on
 * stdin (`protocol.ts`) and ends when that is closed. Only the modules of its own system are loaded.
 */
import { Console } from "node:console"
import { createInterface } from "node:readline"
import { Schema } from "effect"
import { nanos, type Payload, payload, resultOf } from "./payload.ts"
import { ProducerCommand, type Reply, type Role, WorkerCommand } from "./protocol.ts"
import type { MakeProducer, MakeWorker, Producer, Worker } from "./roles.ts"

type Answer = Pick<Reply, "figures" | "samples">

const done: Answer = {}
const cpu = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}
const millisSince = (start: number): number => (nanos() - start) / 1e6

/** Payloads are made in portions before the time is taken, so that a million of them do not fill the memory. */
const portion = 200_000

/** No result takes so long: it was lost. */
const longestCall = 20_000

const inTime = (call: Promise<number>): Promise<number> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("a caller was not told of its result")), longestCall)
  })
  return Promise.race([call, late]).finally(() => clearTimeout(timer))
}

const producing = (make: MakeProducer) => {
  let producer: Producer | undefined
  /** Results that must be there at the end. */
  let expected: Array<number> = []
  const open = (): Producer => {
    if (producer === undefined) throw new Error("it is not open")
    return producer
  }
  const next = (bytes: number, sentAt?: number): Payload => {
    const made = payload(expected.length, bytes, sentAt)
    expected.push(resultOf(made))
    return made
  }
  const many = (count: number, bytes: number) => Array.from({ length: count }, () => next(bytes))

  /** Enqueues what is due by now, again and again; never waits for the one before. */
  const steadily = async (
    { bytes, count, delay, rate, watch }: Extract<ProducerCommand, { _tag: "Steady" }>,
    { call, enqueue }: Producer
  ): Promise<Answer> => {
    const start = nanos()
    const pending: Array<Promise<unknown>> = []
    const result: Array<number> = []
    const every = call !== undefined && watch > 0 ? Math.max(1, Math.round(rate / watch)) : Infinity
    let sent = 0
    while (sent < count) {
      const due = Math.min(count, Math.floor((millisSince(start) * rate) / 1000))
      for (; sent < due; sent++) {
        const sentAt = nanos()
        // the start of a delayed message is compared with when it falls due
        const made = next(bytes, sentAt + (delay ?? 0) * 1e6)
        pending.push(
          call !== undefined && sent % every === 0
            ? inTime(call(made)).then(() => result.push(millisSince(sentAt)))
            : enqueue(made, delay)
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const sending = nanos() - start
    await Promise.all(pending)
    return { figures: { count: sent, nanos: sending }, samples: { result } }
  }

  return async (input: unknown): Promise<Answer> => {
    const command = Schema.decodeUnknownSync(ProducerCommand)(input)
    switch (command._tag) {
      case "Open":
        expected = []
        producer = await make(command)
        return done
      case "Fill": {
        const { bytes, count, dueIn } = command
        let [time, used] = [0, 0]
        const opened = nanos()
        for (let left = count; left > 0; left -= portion) {
          const payloads = many(Math.min(left, portion), bytes)
          const [cpuBefore, start] = [cpu(), nanos()]
          await open().enqueueAll(payloads, dueIn === undefined ? undefined : dueIn - millisSince(opened))
          time += nanos() - start
          used += cpu() - cpuBefore
        }
        return { figures: { nanos: time, cpu: used } }
      }
      case "Singles": {
        const before = expected.length
        const start = nanos()
        await open().enqueueFrom(command.callers, () =>
          millisSince(start) < command.millis ? next(command.bytes) : undefined
        )
        return { figures: { count: expected.length - before, nanos: nanos() - start } }
      }
      case "Steady":
        return steadily(command, open())
      case "Calls": {
        const { call } = open()
        if (call === undefined) throw new Error("it tells nobody of results")
        const result: Array<number> = []
        for (let index = 0; index < command.count; index++) {
          const sentAt = nanos()
          const made = next(command.bytes, sentAt)
          const value = await inTime(call(made))
          result.push(millisSince(sentAt))
          if (value !== resultOf(made)) throw new Error(`the caller of message ${made.n} was told ${value}`)
        }
        return { samples: { result } }
      }
      case "Check": {
        const results = await open().results(expected.length)
        const missing = expected.filter((_, n) => results[n] === undefined || results[n] === null).length
        const right = expected.filter((value, n) => results[n] === value || results[n] === "succeeded").length
        return { figures: { count: expected.length, missing, wrong: expected.length - missing - right } }
      }
      case "RawPush": {
        const { rawPush } = open()
        if (rawPush === undefined) throw new Error("only the floor pushes raw messages")
        const payloads = Array.from({ length: command.count }, (_, n) => payload(n, command.bytes))
        const start = nanos()
        await rawPush(payloads)
        return { figures: { nanos: nanos() - start } }
      }
      case "Close":
        await producer?.close()
        producer = undefined
        expected = []
        return done
    }
  }
}

const working = (make: MakeWorker) => {
  let worker: Worker | undefined
  let runs = 0
  let start: Array<number> = []
  const run = (payload: Payload): number => {
    runs++
    if (payload.sentAt > 0) start.push(millisSince(payload.sentAt))
    return resultOf(payload)
  }
  const open = (): Worker => {
    if (worker === undefined) throw new Error("it is not open")
    return worker
  }
  return async (input: unknown): Promise<Answer> => {
    const command = Schema.decodeUnknownSync(WorkerCommand)(input)
    switch (command._tag) {
      case "Open": {
        runs = 0
        start = []
        const { concurrency, work } = command
        worker = await make(command, { run, work, concurrency: concurrency === 0 ? undefined : concurrency })
        return done
      }
      case "Start": {
        const figures = { at: nanos(), cpu: cpu() }
        await open().start()
        return { figures }
      }
      case "Report":
        return { figures: { runs, cpu: cpu(), heap: process.memoryUsage().heapUsed }, samples: { start } }
      case "Stop":
        await open().stop()
        return done
      case "Close":
        await worker?.close()
        worker = undefined
        return done
    }
  }
}

// what a system logs is no reply
globalThis.console = new Console(process.stderr)

const [system, role] = process.argv.slice(2) as [string, Role]
const { make } = (await import(new URL(`${system}/${role}.ts`, import.meta.url).href)) as {
  readonly make: MakeProducer & MakeWorker
}
const perform = role === "producer" ? producing(make) : working(make)

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await perform(JSON.parse(line)).catch((error: unknown) => ({
    error: error instanceof Error ? (error.stack ?? error.message) : String(error)
  }))
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
// whatever a system still has open: nobody needs this process any more
process.exit()
