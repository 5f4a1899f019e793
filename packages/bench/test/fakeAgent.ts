/** A process that answers the harness without doing anything: `fakeAgent.ts <role> <fault>`. */
import { createInterface } from "node:readline"

const [role, fault] = process.argv.slice(2)
const count = 10

const figures = (command: string): Readonly<Record<string, number>> => {
  switch (command) {
    case "Fill":
      if (fault === "dies") {
        console.error("out of order")
        process.exit(3)
      }
      return { nanos: 1e6, cpu: 10 }
    case "Start":
      return { at: Number(process.hrtime.bigint()), cpu: 0 }
    case "Report":
      return { runs: fault === "ran twice" ? count + 1 : fault === "lost" ? count - 1 : count, cpu: 50 }
    case "Check":
      return { count, missing: fault === "lost" ? 1 : 0, wrong: fault === "wrong" ? 1 : 0 }
    default:
      return {}
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { _tag } = JSON.parse(line) as { readonly _tag: string }
  const refuses = fault === "refuses" && role === "worker" && _tag === "Start"
  console.log(JSON.stringify(refuses ? { error: "it will not" } : { figures: figures(_tag) }))
}
