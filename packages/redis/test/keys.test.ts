import { assert, describe, it } from "@effect/vitest"
import * as TaskId from "celeriac/TaskId"
import * as Effect from "effect/Effect"
import { queueKeys } from "../src/internal/keys.ts"

const { bucket } = queueKeys("p", "q")

describe("the place of a record", () => {
  it.live("is shared by generated ids of the same time", () =>
    Effect.gen(function* () {
      const id = yield* TaskId.make
      assert.strictEqual(bucket(id), `{p:q}:records:${id.slice(0, 7)}`)
    })
  )

  it("is its own for an id that a caller chose, also of the length of a generated one", () => {
    for (const id of ["invoice-2026-000000001", "invoice-1", "bytes"]) {
      assert.strictEqual(bucket(id), `{p:q}:records:=${id}`)
    }
    // else all invoices would stand in one hash that never ends
    assert.notStrictEqual(bucket("invoice-2026-000000001"), bucket("invoice-2026-000000002"))
  })
})
