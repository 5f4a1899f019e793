/** Runs each argument as a command line, and prints what became of it. Node's own loader is part of what is tested. */
import * as Effect from "effect/Effect"
import { run } from "../src/celeriac.ts"

const results: Array<unknown> = []
for (const args of process.argv.slice(2)) {
  const printed = { stdout: "", stderr: "" }
  console.log = (text: string) => (printed.stdout += `${text}\n`)
  console.error = (text: string) => (printed.stderr += `${text}\n`)
  const code = await Effect.runPromise(run(args.split(" ")))
  results.push({ code, ...printed })
}
process.stdout.write(JSON.stringify(results))
process.exit(0)
