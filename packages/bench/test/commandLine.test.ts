import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { read, Request } from "../src/commandLine.ts"

const defaults = { plan: "full", only: [], systems: [], json: undefined, html: undefined } as const

describe("the command line", () => {
  it.each([
    ["", Request.Compare(defaults)],
    ["--quick --json a.json", Request.Compare({ ...defaults, plan: "quick", json: "a.json" })],
    ["--smoke --only idle,singles", Request.Compare({ ...defaults, plan: "smoke", only: ["idle", "singles"] })],
    ["--systems celeriac,bullmq", Request.Compare({ ...defaults, systems: ["celeriac", "bullmq"] })],
    ["memory 2000 1", Request.Single({ benchmark: "memory", numbers: [2000, 1] })],
    ["micro", Request.Single({ benchmark: "micro", numbers: [] })],
    ["--help", Request.Help()]
  ])("reads %j", (line, request) => {
    expect(read(line.split(" ").filter((word) => word !== ""))).toEqual(Result.succeed(request))
  })

  it.each([
    ["fast", 'there is no benchmark "fast"'],
    ["--fast", "Unknown option '--fast'"],
    ["--only nothing", 'there is no workload "nothing"'],
    ["--systems kue", 'there is no system "kue"'],
    ["--quick --smoke", "choose one"],
    ["memory --quick", '--quick says nothing to "memory"'],
    ["memory many", '"many" is no whole number above 0'],
    ["memory 0", '"0" is no whole number above 0'],
    ["micro 1 2", '"micro" takes 1 numbers at most'],
    ["--json", "argument missing"]
  ])("refuses %j", (line, problem) => {
    const request = read(line.split(" "))
    expect(Result.isFailure(request) && request.failure).toContain(problem)
  })
})
