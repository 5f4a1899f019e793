import { describe, expect, it } from "vitest"
import { orderOf } from "../src/comparison/comparison.ts"
import { plans } from "../src/comparison/plan.ts"
import { jsonLine } from "../src/report/json.ts"
import { short } from "../src/report/numbers.ts"
import { type Report, sections } from "../src/report/Report.ts"
import { systems } from "../src/systems/all.ts"
import { payload, resultOf } from "../src/systems/payload.ts"
import { main } from "../src/workloads/all.ts"

describe("rounds", () => {
  it("let everybody begin, and everybody follow everybody", () => {
    const orders = [0, 1, 2, 3, 4, 5].map((round) => orderOf(["a", "b", "c"], round).join(""))
    expect(new Set(orders.map(([first]) => first))).toEqual(new Set(["a", "b", "c"]))
    for (const pair of ["ab", "ba", "bc", "cb", "ca", "ac"]) {
      expect(orders.some((order) => order.includes(pair))).toBe(true)
    }
  })
})

describe("payloads", () => {
  it.each([
    [0, 200],
    [999_999, 200],
    [12, 10_000]
  ])("number %i takes %i bytes as JSON", (n, bytes) => {
    expect(JSON.stringify(payload(n, bytes))).toHaveLength(bytes)
    expect(JSON.stringify(payload(n, bytes, 4_123_456_789_012))).toHaveLength(bytes)
  })

  it("have a result that depends on all of it", () => {
    expect(resultOf(payload(3, 200))).not.toBe(resultOf(payload(4, 200)))
    expect(resultOf(payload(3, 200))).not.toBe(resultOf(payload(3, 201)))
  })
})

describe("the line of JSON", () => {
  const [throughput, singles, idle] = main
  const celeriac = { bulkEnqueue: 300, process: 100, bytesPerWaiting: 300, workerCpu: 10 }
  const bullmq = { bulkEnqueue: 30, process: 20, bytesPerWaiting: 900, workerCpu: 40 }
  const comparison = {
    systems,
    calibration: new Map(),
    failures: [],
    measured: [
      {
        workload: throughput!,
        samples: new Map([
          ["celeriac", [celeriac, celeriac]],
          ["bullmq", [bullmq, undefined]]
        ] as const)
      },
      { workload: singles!, samples: new Map([["celeriac", [{ "1": 5, "50": 6, "1000": 7 }]]] as const) },
      { workload: idle!, samples: new Map([["bullmq", [{ p50: 1, p99: 2 }]]] as const) }
    ]
  }
  const report: Report = {
    plan: plans.quick,
    machine: { cpu: "", cores: 2, memoryGB: 1, system: "", node: "", load: 0 },
    redis: "7",
    systems: systems.map(({ name, title }) => ({ name, title, version: "1", calibration: [] })),
    sections: sections(comparison, systems),
    memoryLayers: undefined,
    failures: [],
    seconds: 1
  }
  const line = jsonLine(report)

  it("is one line with the medians, and null for who was not measured", () => {
    expect(line).not.toContain("\n")
    expect(JSON.parse(line)).toMatchObject({
      process: { celeriac: 100, bullmq: 20, celery: null, floor: null },
      bulkEnqueue: { celeriac: 300, bullmq: 30, celery: null },
      singleEnqueue: { celeriac: { "1": 5, "50": 6, "1000": 7 }, bullmq: null },
      idleLatencyMs: { celeriac: null, bullmq: { p50: 1, p99: 2 } },
      bytesPerWaiting: { celeriac: 300, bullmq: 900 },
      workerCpuMicrosPerTask: { celeriac: 10, bullmq: 40 }
    })
  })

  it("says how many times better Celeriac is, also where less is better", () => {
    expect(JSON.parse(line)).toMatchObject({
      better: {
        process: { bullmq: { median: 5, rounds: 1 }, celery: null },
        bytesPerWaiting: { bullmq: { median: 3 } }
      }
    })
  })
})

describe("numbers", () => {
  it.each([
    [0.204, "0.20"],
    [9.996, "10.0"],
    [99.96, "100"],
    [999.6, "1.00k"],
    [72_312, "72.3k"],
    [999_600, "1.00M"],
    [1_234_567, "1.23M"]
  ])("%d is %s", (value, text) => expect(short(value)).toBe(text))
})
