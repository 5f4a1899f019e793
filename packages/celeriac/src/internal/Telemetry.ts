/**
 * Spans and metrics with the names of the OpenTelemetry semantic conventions for messaging (status: development,
 * version 1.44). Nothing is spent on spans where no tracer is installed.
 *
 * A run gets a trace of its own that links to the trace of its enqueue: it may start hours later, and more than once.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import type { Receipt } from "../Broker.ts"
import { EnqueueError } from "../EnqueueError.ts"
import type * as Message from "../Message.ts"
import type { Stop } from "../Pool.ts"
import { SoftTimeLimitExceeded, TaskSignal } from "../TaskContext.ts"

const system = "celeriac"

/** Effect's own tracer keeps spans for log lines and sends them nowhere. */
const hasTracer = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer

/** The trace context that goes into messages. */
export interface Trace {
  readonly traceparent?: string | undefined
}

const untraced: Trace = {}

/**
 * Runs a publish with a span (`send <queue>`, kind producer) whose context is given to the messages, if a tracer is installed.
 */
export const sending = <A, E, R>(
  context: Context.Context<never>,
  messages: ReadonlyArray<Message.Message>,
  publish: (trace: Trace) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const [first] = messages
  if (first === undefined || !hasTracer(context)) return publish(untraced)
  const queue = messages.every((message) => message.queue === first.queue) ? first.queue : undefined
  const single = messages.length === 1
  return Effect.useSpan(
    queue === undefined ? "send" : `send ${queue}`,
    {
      kind: "producer",
      attributes: {
        "messaging.system": system,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        ...(queue === undefined ? {} : { "messaging.destination.name": queue }),
        ...(single
          ? { "messaging.message.id": first.id, "messaging.celeriac.task.name": first.task }
          : { "messaging.batch.message_count": messages.length })
      }
    },
    (span) =>
      Effect.tapCause(publish({ traceparent: traceparentOf(span) }), (cause) =>
        Effect.sync(() => span.attribute("error.type", errorType(cause, undefined)))
      )
  )
}

/** Counts the messages that were accepted. */
export const countSent = (
  context: Context.Context<never>,
  messages: ReadonlyArray<Message.Message>,
  receipts: ReadonlyArray<Receipt>
): void => {
  let queue: string | undefined
  let count = 0
  const flush = (): void => {
    if (queue !== undefined && count > 0) metric(sent, { queue, operation: "send" }).updateUnsafe(count, context)
    count = 0
  }
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]!
    if (message.queue !== queue) {
      flush()
      queue = message.queue
    }
    if (receipts[index] === "accepted") count++
  }
  flush()
}

/**
 * Wraps runs in a span (`process <queue>`, kind consumer), or `undefined` where no tracer is installed.
 */
export const processing = (context: Context.Context<never>, worker: string) =>
  !hasTracer(context)
    ? undefined
    : <A, E, R>(
        run: Effect.Effect<A, E, R>,
        message: Message.Message,
        deliveries: number,
        /** Asked when the run has ended. */
        stopped: () => Stop | undefined
      ): Effect.Effect<A, E, R> => {
        const origin = spanOf(message.traceparent)
        if (origin?.sampled === false) return run
        const typed = Effect.onExit(run, (exit) => {
          const type = Exit.isSuccess(exit) ? undefined : errorType(exit.cause, stopped())
          return type === undefined ? Effect.void : Effect.annotateCurrentSpan("error.type", type)
        })
        return Effect.withSpan(typed, `process ${message.queue}`, {
          kind: "consumer",
          root: true,
          links: origin === undefined ? [] : [{ span: origin, attributes: {} }],
          captureStackTrace: false,
          attributes: {
            "messaging.system": system,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": message.queue,
            "messaging.message.id": message.id,
            "messaging.message.conversation_id": message.rootId ?? message.id,
            "messaging.client.id": worker,
            "messaging.celeriac.task.name": message.task,
            "messaging.celeriac.attempt": (message.attempts ?? 0) + 1,
            "messaging.celeriac.deliveries": deliveries,
            "messaging.celeriac.priority": message.priority
          }
        })
      }

/** Of low cardinality: a tag or the name of a class, never a message. `undefined`: the handler's verdict is no error. */
const errorType = (cause: Cause.Cause<unknown>, stop: Stop | undefined): string | undefined => {
  if (stop !== undefined && cause.reasons.some(Cause.isInterruptReason)) {
    return stop === "soft" || stop === "hard" ? "timeout" : "cancelled"
  }
  const error = Cause.squash(cause)
  if (error instanceof TaskSignal) return undefined
  if (error instanceof SoftTimeLimitExceeded) return "timeout"
  try {
    if (error instanceof EnqueueError) return error.reason._tag
    return error instanceof Error && error.name.length > 0 ? error.name : other
  } catch {
    return other
  }
}

/** As the conventions call what has no name of its own; also tasks that a worker does not know: messages can name any. */
export const other = "_OTHER"

const traceparentOf = (span: Tracer.Span): string =>
  `00-${span.traceId.padStart(32, "0")}-${span.spanId.padStart(16, "0")}-${span.sampled ? "01" : "00"}`

/** https://www.w3.org/TR/trace-context/#traceparent-header; ids of zeros and the version `ff` are none. */
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/

const spanOf = (value: string | undefined): Tracer.ExternalSpan | undefined => {
  const match = value === undefined ? null : traceparent.exec(value)
  const [, traceId, spanId, flags] = match ?? []
  return traceId === undefined || spanId === undefined || flags === undefined
    ? undefined
    : Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

const sent = Metric.counter("messaging.client.sent.messages", { incremental: true })

const consumed = Metric.counter("messaging.client.consumed.messages", { incremental: true })

const duration = Metric.histogram("messaging.process.duration", {
  description: "How long runs took",
  attributes: { unit: "s" },
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
})

const abandoned = Metric.counter("messaging.celeriac.abandoned.messages", {
  description: "Runs that did not end within the grace after they were interrupted",
  incremental: true
})

const standstill = Metric.histogram("messaging.celeriac.standstill.duration", {
  description: "How long workers could do nothing: a handler blocked the event loop, or the process was stopped",
  attributes: { unit: "s", "messaging.system": system },
  boundaries: [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})

interface Labels {
  readonly queue: string
  readonly operation: "send" | "process"
  readonly task?: string
  readonly outcome?: string
}

const series = new WeakMap<object, Map<string, Metric.Metric<number, unknown>>>()

/** One series of a metric: looked up once for each set of labels, which are few (no ids). */
const metric = (base: Metric.Metric<number, unknown>, labels: Labels): Metric.Metric<number, unknown> => {
  let known = series.get(base)
  if (known === undefined) series.set(base, (known = new Map<string, Metric.Metric<number, unknown>>()))
  const key = `${labels.queue} ${labels.task} ${labels.outcome}`
  let found = known.get(key)
  if (found === undefined) {
    found = Metric.withAttributes(base, {
      "messaging.system": system,
      "messaging.operation.name": labels.operation,
      "messaging.destination.name": labels.queue,
      ...(labels.task === undefined ? {} : { "messaging.celeriac.task.name": labels.task }),
      ...(labels.outcome === undefined ? {} : { "messaging.celeriac.outcome": labels.outcome })
    })
    known.set(key, found)
  }
  return found
}

/**
 * Counts one ended message, for the worker's hot path: the series of a task and outcome is kept by the caller. The time is
 * that of its run, in milliseconds; `undefined` if it did not run.
 */
export const runMetrics = (context: Context.Context<never>, queue: string, task: string, outcome: string) => {
  const labels = { queue, task, outcome, operation: "process" } as const
  const count = metric(consumed, labels)
  const time = metric(duration, labels)
  return (millis: number | undefined): void => {
    count.updateUnsafe(1, context)
    if (millis !== undefined) time.updateUnsafe(millis / 1000, context)
  }
}

/** Counts a run that did not end within the grace. */
export const countAbandoned = (context: Context.Context<never>, queue: string, task: string): void =>
  metric(abandoned, { queue, task, operation: "process" }).updateUnsafe(1, context)

/** Records that the process of a worker stood still. */
export const recordStandstill = (millis: number): Effect.Effect<void> => Metric.update(standstill, millis / 1000)
