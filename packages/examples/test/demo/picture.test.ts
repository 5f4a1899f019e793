import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { drawPicture } from "../../src/demo/chart.ts"
import type { Film } from "../../src/demo/film.ts"
import { compose } from "../../src/demo/picture.ts"
import type { GenreReturn } from "../../src/demo/returns.ts"

const film = (title: string, genre: string | null, gross: number): Film => ({
  title,
  year: 1990,
  genre,
  budget: 10,
  gross
})

const measured = (genre: string, median: number): GenreReturn => ({
  genre,
  films: 2,
  median,
  low: median / 2,
  high: median * 2,
  lost: 0.5
})

const films = [film("One", "Drama", 5), film("Two", "Horror", 100), film("Three", null, 20), film("Four", "Other", 1)]
const mended = [{ film: film("Five", "Drama", 20), taken: ["restored the accents"] }]
const podium = new Map([["Horror", 9]])

describe("compose", () => {
  it("puts the best genre first, and shows the films of measured genres", () => {
    const picture = compose({ films, mended, measured: [measured("Drama", 1.2), measured("Horror", 2.7)], podium })
    assert.deepStrictEqual(
      picture.rows.map(({ genre, podium }) => [genre, podium]),
      [
        ["Horror", 9],
        ["Drama", 0]
      ]
    )
    assert.deepStrictEqual(
      picture.dots.map(({ mended, returned, title }) => [title, returned, mended]),
      [
        ["One", 0.5, false],
        ["Five", 2, true],
        ["Two", 10, false]
      ]
    )
  })

  it("does not depend on the order in which results come in", () => {
    const one = compose({ films, mended, measured: [measured("Drama", 1.2), measured("Horror", 2.7)], podium })
    const other = compose({
      films: films.toReversed(),
      mended,
      measured: [measured("Horror", 2.7), measured("Drama", 1.2)],
      podium
    })
    assert.deepStrictEqual(one, other)
  })
})

describe("drawPicture", () => {
  const picture = compose({ films, mended, measured: [measured("Drama", 1.2), measured("Horror", 2.7)], podium })

  it.effect("tells the finding", () =>
    Effect.gen(function* () {
      const svg = yield* drawPicture(picture)
      assert.match(svg, /^<svg [^>]*width="1000"/)
      assert.include(svg, "Horror pays: the middle horror film took in 2.7 times its budget")
      assert.include(svg, "9 of 10")
    })
  )

  it.effect("draws the same bytes each time", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* drawPicture(picture), yield* drawPicture(picture))
    })
  )
})
