/** Log lines of the library and of the program, as the demo shows them. */
import { Logger, References } from "effect"

/** Without those that tell how single runs end: that is on the board. */
export const loggerTo = (print: (text: string, warning: boolean) => void) =>
  Logger.make(({ fiber, logLevel, message }) => {
    if ("task" in fiber.getRef(References.CurrentLogAnnotations)) return
    print(Array.isArray(message) ? message.join(" ") : String(message), logLevel === "Warn")
  })
