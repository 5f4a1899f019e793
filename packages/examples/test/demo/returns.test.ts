import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Array as Arr, Effect, Layer, Order, Random, Ref, Result } from "effect"
import { Archive, split } from "../../src/demo/archive.ts"
import { type Film, liberties, mendFilm } from "../../src/demo/film.ts"
import {
  byGenre,
  emptyPodium,
  enoughRounds,
  measureGenre,
  measureRounds,
  podiumSeed,
  samplePodium,
  tenths
} from "../../src/demo/returns.ts"

const films = (genre: string | null, returns: ReadonlyArray<number>): ReadonlyArray<Film> =>
  returns.map((gross) => ({ title: `${genre} ${gross}`, year: 2000, genre, budget: 1, gross }))

const silent = () => Effect.void
const byName = Order.mapInput(Order.String, ([name]: readonly [string, number]) => name)

describe("split", () => {
  it("covers every row once", () => {
    assert.deepStrictEqual(split(7, 3), [
      { from: 1, to: 3 },
      { from: 4, to: 6 },
      { from: 7, to: 7 }
    ])
    assert.deepStrictEqual(split(6, 3).at(-1), { from: 4, to: 6 })
    assert.deepStrictEqual(split(0, 3), [])
  })
})

describe("byGenre", () => {
  it("sorts genres and their returns, and leaves out small and nameless ones", () => {
    const genres = byGenre([
      ...films("Western", Arr.range(1, 30).toReversed()),
      ...films("Drama", Arr.range(1, 31)),
      ...films("Musical", Arr.range(1, 29)),
      ...films(null, Arr.range(1, 50))
    ])
    assert.deepStrictEqual(
      genres,
      Result.succeed([
        { genre: "Drama", returns: Arr.range(1, 31) },
        { genre: "Western", returns: Arr.range(1, 30) }
      ])
    )
  })

  it("says when there is nothing to measure", () => {
    assert.strictEqual(
      Result.getOrThrow(Result.flip(byGenre(films("Drama", [1, 2])))).message,
      "among 2 films no genre has 30"
    )
  })
})

describe("measureGenre", () => {
  it.effect("finds the median, an interval around it, and the share of losses", () =>
    Effect.gen(function* () {
      const returns = Arr.range(0, 100).map((value) => value / 50)
      const reports: Array<number> = []
      const measured = yield* measureGenre({ genre: "Drama", returns }, (done) => Effect.sync(() => reports.push(done)))
      assert.strictEqual(measured.films, 101)
      assert.strictEqual(measured.median, 1)
      assert.isTrue(measured.low > 0.7 && measured.low < 0.95, `low ${measured.low}`)
      assert.isTrue(measured.high > 1.05 && measured.high < 1.3, `high ${measured.high}`)
      assert.strictEqual(measured.lost, 50 / 101)
      assert.strictEqual(reports.at(-1), measureRounds)
    })
  )

  it.effect("says the same whenever it is asked, and whatever else draws random numbers", () =>
    Effect.gen(function* () {
      const input = { genre: "Drama", returns: Arr.range(1, 40) }
      const [one, other] = yield* Effect.all([measureGenre(input, silent), measureGenre(input, () => Random.next)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(one, other)
    })
  )
})

describe("samplePodium", () => {
  const genres = ["Drama", "Horror", "Musical", "Western"].map((genre, index) => ({
    genre,
    returns: Arr.range(1, 30).map((value) => value + 100 * index)
  }))

  it.effect("seats the three best", () =>
    Effect.gen(function* () {
      const podium = yield* Ref.make(emptyPodium)
      yield* samplePodium(genres, podium, 100, silent)
      assert.deepStrictEqual(
        [...tenths(yield* Ref.get(podium))],
        [
          ["Western", 10],
          ["Musical", 10],
          ["Horror", 10]
        ]
      )
    })
  )

  it.effect("is as far after two parts as after the whole", () =>
    Effect.gen(function* () {
      const close = genres.map(({ genre, returns }, index) => ({
        genre,
        returns: returns.map((value) => value - 99 * index)
      }))
      const sample = (parts: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          const podium = yield* Ref.make(emptyPodium)
          for (const rounds of parts) yield* samplePodium(close, podium, rounds, silent)
          return yield* Ref.get(podium)
        }).pipe(Random.withSeed("a"))
      assert.deepStrictEqual(yield* sample([300, 700]), yield* sample([700]))
    })
  )
})

layer(Archive.layer.pipe(Layer.provide(NodeFileSystem.layer)))("the archive", (it) => {
  it.effect("gives the same tenths wherever the ranking is cut off after enoughRounds", () =>
    Effect.gen(function* () {
      const archive = yield* Archive
      const readable = archive
        .part({ from: 1, to: archive.size })
        .flatMap((row) => Arr.fromOption(Result.getSuccess(mendFilm(row, liberties.length))))
      assert.strictEqual(readable.length, 3145)
      const genres = yield* Effect.fromResult(byGenre(readable.map(({ film }) => film)))
      const podium = yield* Ref.make(emptyPodium)
      const seen = new Set<string>()
      // `allRounds` takes minutes; it was tried
      yield* samplePodium(genres, podium, 4 * enoughRounds, (done) =>
        Effect.map(Ref.get(podium), (podium) => {
          const named = [...tenths(podium)].filter(([, tenths]) => tenths > 0)
          if (done >= enoughRounds) seen.add(JSON.stringify(named.toSorted(byName)))
        })
      ).pipe(Random.withSeed(podiumSeed))
      assert.deepStrictEqual(
        [...seen],
        [
          JSON.stringify([
            ["Action", 1],
            ["Adventure", 7],
            ["Documentary", 6],
            ["Horror", 9],
            ["Musical", 6],
            ["Romantic Comedy", 1]
          ])
        ]
      )
    })
  )
})
