// What the types cost: checks a program with 50 tasks, their group, its handlers and its worker, as a user's compiler would
// (against the declarations in dist). The time differs from run to run; the instantiations do not, so they are the limit.
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { report, root, run } from "./process.mjs"

const TASKS = 50
const LIMIT = 160_000 // instantiations, a sixth above what they were when this was written (137 090, in 0.4 to 0.7 s)

const folder = join(root, "packages/examples/node_modules/.cache/typeperf")

const each = (template) => Array.from({ length: TASKS }, (_, index) => template(index)).join("\n")

// no two tasks are alike, or the compiler would take one for another
const program = `import { CeleriacMemory, Router, Task, TaskGroup, Worker } from "celeriac"
import { Context, Effect, Layer, Schema } from "effect"

class Store extends Context.Service<Store, { readonly read: (key: string) => Effect.Effect<string> }>()("Store") {}
${each(
  (n) => `
class Error${n} extends Schema.TaggedError<Error${n}>()("Error${n}", { field${n}: Schema.Number }) {}
class Task${n} extends Task.make("task${n}", {
  payload: { field${n}: Schema.String, size: Schema.Number, option: Schema.optionalKey(Schema.Boolean) },
  success: Schema.Struct({ field${n}: Schema.String, list: Schema.Array(Schema.Number) }),
  error: Error${n},
  progress: Schema.Struct({ done${n}: Schema.Number }),
  retry: { times: 3, while: (error) => error.field${n} > 1 }
}) {}`
)}

const Tasks = TaskGroup.make(
${each((n) => `  Task${n},`).slice(0, -1)}
)

const TasksLive = Tasks.toLayer({
${each(
  (n) => `  task${n}: Effect.fnUntraced(function* ({ field${n}, size }, task) {
    yield* task.progress({ done${n}: size })
    if (size < 0) return yield* new Error${n}({ field${n}: size })
    return { field${n}: yield* (yield* Store).read(field${n}), list: [size] }
  }),`
).slice(0, -1)}
})

export const routes = Router.layerTasks(Tasks, { task7: ({ field7 }) => ({ queue: field7 }) })

export const main: Layer.Layer<never, Worker.WorkerError> = Worker.layer({ tasks: [Tasks] }).pipe(
  Layer.provide(TasksLive),
  Layer.provide(Layer.succeed(Store, { read: Effect.succeed })),
  Layer.provide(CeleriacMemory.layer)
)

export const results = Effect.all([
${each((n) => `  Task${n}.execute({ field${n}: "x", size: ${n} }),`).slice(0, -1)}
])
`

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, "program.ts"), program)
writeFileSync(
  join(folder, "tsconfig.json"),
  JSON.stringify({
    extends: join(root, "tsconfig.base.json"),
    compilerOptions: { composite: false, noEmit: true, customConditions: [] },
    files: ["program.ts"]
  })
)

const { code, output } = await run(["tsc", "-p", folder, "--singleThreaded", "--extendedDiagnostics"])
const figure = (name) => Number(new RegExp(`^${name}:\\s+([\\d.]+)`, "m").exec(output)?.[1])
const instantiations = figure("Instantiations")
const problems =
  code === 0
    ? instantiations <= LIMIT
      ? []
      : [`the types of ${TASKS} tasks and their worker take ${instantiations} instantiations, more than ${LIMIT}`]
    : [output]
report(
  problems,
  `${TASKS} tasks and their worker are checked in ${figure("Check time")} s, ${instantiations} of ${LIMIT} instantiations`
)
