/** Where the demo is seen: a terminal, on which a picture of the state is kept up to date, or a file, one line a time. */
import { Config, Context, Effect, Layer } from "effect"
import { createLogUpdate } from "log-update"

const hideCursor = "\u001b[?25l"
const showCursor = "\u001b[?25h"

export class Screen extends Context.Service<
  Screen,
  {
    /** Whether what was written can be changed. */
    readonly live: boolean
    /** Writes lines that stay. */
    readonly print: (text: string) => void
    /** Replaces what `draw` wrote last, below all lines that stay. */
    readonly draw: (text: string) => void
    /** How long a line may be. */
    readonly columns: () => number
  }
>()("demo/Screen") {
  static readonly layerLines = Layer.succeed(Screen, {
    live: false,
    print: (text) => console.log(text),
    draw: () => {},
    columns: () => Infinity
  })

  /** The cursor is hidden while the picture lives. */
  static readonly layerOn = (terminal: NodeJS.WritableStream & { readonly columns?: number }) =>
    Layer.effect(
      Screen,
      Effect.acquireRelease(
        Effect.sync(() => {
          terminal.write(hideCursor)
          // left to itself it hides the cursor of stderr, which may be another terminal or none
          return createLogUpdate(terminal, { showCursor: true })
        }),
        (log) =>
          Effect.sync(() => {
            log.done()
            terminal.write(showCursor)
          })
      ).pipe(
        Effect.map((log) => ({
          live: true,
          print: (text: string) => log.persist(text),
          draw: log,
          columns: () => terminal.columns ?? 80
        }))
      )
    )

  /** Live on a terminal, unless the environment asks for plain text. */
  static readonly layer = Layer.unwrap(
    Effect.gen(function* () {
      const plain = yield* Config.all([Config.String("NO_COLOR"), Config.String("CI")].map(Config.option))
      return process.stdout.isTTY && plain.every((set) => set._tag === "None")
        ? Screen.layerOn(process.stdout)
        : Screen.layerLines
    })
  )
}
