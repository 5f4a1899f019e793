import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type ArchiveRow, liberties, mendFilm, readFilm } from "../../src/demo/film.ts"

const row: ArchiveRow = {
  Title: "Clerks",
  "Release Date": "Oct 19 1994",
  "Major Genre": "Comedy",
  "Production Budget": 27000,
  "Worldwide Gross": 3073428
}

const film = { title: "Clerks", year: 1994, genre: "Comedy", budget: 27000, gross: 3073428 }

describe("readFilm", () => {
  it("reads a row as it stands", () => {
    assert.deepStrictEqual(readFilm({ number: 1, row }), Result.succeed(film))
    assert.deepStrictEqual(
      readFilm({ number: 1, row: { ...row, "Major Genre": null } }),
      Result.succeed({ ...film, genre: null })
    )
  })

  const malformed: ReadonlyArray<readonly [ArchiveRow, string, mendable: boolean]> = [
    [{ Title: 1776 }, "the title is not a text", true],
    [{ Title: null }, "the title is not a text", false],
    [{ Title: "LÈon" }, "the title is garbled", true],
    [{ "Release Date": "Dec 15 2039" }, "the release date lies in the future", true],
    [{ "Release Date": "1939-12-15" }, "the release date is not a date", true],
    [{ "Production Budget": null }, "the budget is missing", false],
    [{ "Worldwide Gross": 0 }, "the gross is missing", false],
    [{ Title: 1776, "Worldwide Gross": 0 }, "the title is not a text, the gross is missing", false]
  ]
  for (const [change, message, mendable] of malformed) {
    it(`refuses ${JSON.stringify(change)}`, () => {
      const error = Result.getOrThrow(Result.flip(readFilm({ number: 7, row: { ...row, ...change } })))
      assert.strictEqual(error.row, 7)
      assert.strictEqual(error.message, message)
      assert.strictEqual(error.mendable, mendable)
    })
  }
})

describe("mendFilm", () => {
  const mended: ReadonlyArray<readonly [ArchiveRow, needed: number, Partial<typeof film>]> = [
    [{}, 0, {}],
    [{ Title: 300 }, 1, { title: "300" }],
    [{ Title: "Le Fabuleux destin d'AmÈlie Poulain" }, 2, { title: "Le Fabuleux destin d'Amélie Poulain" }],
    [{ Title: "The Naked Gun 2Ω: The Smell of Fear" }, 2, { title: "The Naked Gun 2½: The Smell of Fear" }],
    [{ Title: "I Love You Ö Don't Touch Me!" }, 2, { title: "I Love You … Don't Touch Me!" }],
    [{ Title: "Alien³" }, 0, { title: "Alien³" }],
    [{ Title: "Ri¢hie Ri¢h" }, 0, { title: "Ri¢hie Ri¢h" }],
    [{ "Release Date": "Dec 15 2039" }, 3, { year: 1939 }],
    [{ Title: 9, "Release Date": "Sep 09 2009" }, 1, { title: "9", year: 2009 }]
  ]
  for (const [change, needed, expected] of mended) {
    it(`makes a film of ${JSON.stringify(change)} with ${needed} liberties and not with fewer`, () => {
      const numbered = { number: 1, row: { ...row, ...change } }
      for (let allowed = 0; allowed < needed; allowed++) assert.isTrue(Result.isFailure(mendFilm(numbered, allowed)))
      for (let allowed = needed; allowed <= liberties.length; allowed++) {
        const taken = needed === 0 ? [] : [liberties[needed - 1]?.name]
        assert.deepStrictEqual(Result.getOrThrow(mendFilm(numbered, allowed)), {
          film: { ...film, ...expected },
          taken
        } as never)
      }
    })
  }

  it("invents no money", () => {
    const result = mendFilm({ number: 1, row: { ...row, "Release Date": "Dec 23 2011", "Worldwide Gross": 0 } }, 3)
    assert.strictEqual(Result.getOrThrow(Result.flip(result)).message, "the gross is missing")
  })
})
