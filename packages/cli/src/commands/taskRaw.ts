/** `celeriac task raw <id>`: all that is in Redis about one message. */
import * as RawTask from "@celeriac/redis/RawTask"
import { Argument, Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CommandFailure } from "../failure.ts"
import { connection, queue, type Servers, serversOf } from "../flags.ts"
import { paint, print } from "../output.ts"
import { rawTaskText } from "../rawTaskText.ts"

export const taskRaw = Command.make(
  "raw",
  {
    id: Argument.String("id").pipe(Argument.withDescription("The whole id of the message")),
    ...connection,
    queue: queue("queue").pipe(
      Flag.withAlias("q"),
      Flag.withDescription("Look there only. Default: all queues"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(
    function* (input) {
      const { id } = input
      const servers = serversOf(input, "celeriac-cli")
      const { found, queues } = yield* look(servers, id, Option.getOrUndefined(input.queue))
      if (input.json) {
        yield* print(JSON.stringify({ id, queues, found }, undefined, 2))
      } else if (found.length > 0) {
        const painter = yield* paint
        yield* print(found.map((one) => rawTaskText(one, painter)).join("\n\n"))
      }
      if (found.length === 0) return yield* unknown(id, queues, servers.broker.prefix)
    },
    Effect.catchTag("RedisError", (error) =>
      Effect.fail(new CommandFailure({ detail: `${error.message} (${error.reason})` }))
    )
  )
).pipe(
  Command.withDescription("Show all that is in Redis about one message, and where it stands"),
  Command.withExamples([
    { command: "celeriac task raw 0RQ8Yd2kZ1fHc5nUa9mB3w", description: "Wherever it is" },
    { command: "celeriac task raw order-17 --queue mail --json", description: "For other programs" }
  ])
)

/** Records may be on a server of their own, which need not know the names of the queues. */
const look = Effect.fnUntraced(function* (servers: Servers, id: string, queue: string | undefined) {
  const given = queue === undefined ? undefined : [queue]
  const first = yield* RawTask.find({ id, server: servers.broker, queues: given })
  if (servers.together) return first
  const other = yield* RawTask.find({ id, server: servers.resultBackend, queues: first.queues })
  // two ways to write the address of one server
  const known = new Set(first.found.map(({ queue, server }) => `${server} ${queue}`))
  const more = other.found.filter(({ queue, server }) => !known.has(`${server} ${queue}`))
  return { queues: first.queues, found: [...first.found, ...more] }
})

const unknown = (id: string, queues: ReadonlyArray<string>, prefix: string) =>
  new CommandFailure(
    queues.length === 0
      ? {
          detail: `there is no queue with the prefix "${prefix}"`,
          advice: "Is it the right server, database and prefix? See --broker and --prefix."
        }
      : {
          detail: `nothing is known of "${id}" in ${queues.length === 1 ? `queue "${queues[0]}"` : `${queues.length} queues`}`,
          advice: "Is the id whole? A record that had its time is forgotten, and so is the message."
        }
  )
