/**
 * What the films of a genre return, and how sure that is. All of it is a function of its input and of the random numbers
 * in its context: give these a seed, and it says the same on every machine and in every order of events.
 */
import { Array as Arr, Effect, Order, Random, Ref, Result, Schema } from "effect"
import type { Film } from "./film.ts"

/** Box office per dollar of budget. */
export const returnOf = ({ budget, gross }: Film): number => gross / budget

/** The films of one genre, as what they returned, ascending. */
export const GenreFilms = Schema.Struct({ genre: Schema.String, returns: Schema.Array(Schema.Number) })
export type GenreFilms = typeof GenreFilms.Type

export const GenreReturn = Schema.Struct({
  genre: Schema.String,
  films: Schema.Int,
  median: Schema.Number,
  /** Ends of the interval that holds 90 % of the resampled medians. */
  low: Schema.Number,
  high: Schema.Number,
  /** Share of the films that took in less than they had cost. */
  lost: Schema.Number
})
export type GenreReturn = typeof GenreReturn.Type

/** A genre with fewer films than this is left out: its median would be an anecdote. */
const fewestFilms = 30

/** The input holds no genre that could be measured. */
export class NoGenre extends Schema.TaggedError<NoGenre>()("NoGenre", { films: Schema.Int }) {
  override get message(): string {
    return `among ${this.films} films no genre has ${fewestFilms}`
  }
}

/** Sorts the films into genres. Those that nobody gave a genre are left out. */
export const byGenre = (films: ReadonlyArray<Film>): Result.Result<Arr.NonEmptyReadonlyArray<GenreFilms>, NoGenre> => {
  const shelves = Arr.groupBy(films, ({ genre }) => genre ?? "")
  const genres = Object.keys(shelves)
    .filter((genre) => genre !== "" && (shelves[genre] ?? []).length >= fewestFilms)
    .toSorted()
    .map((genre) => ({ genre, returns: Arr.sort((shelves[genre] ?? []).map(returnOf), Order.Number) }))
  return Arr.isReadonlyArrayNonEmpty(genres)
    ? Result.succeed(genres)
    : Result.fail(new NoGenre({ films: films.length }))
}

/** The value below which the share lies; a value that occurred, and no mean of two. */
const quantile = (ascending: ReadonlyArray<number>, share: number): number =>
  ascending[Math.floor((ascending.length - 1) * share)] ?? Number.NaN

/** The median of as many values, drawn from these with replacement. */
const resampledMedian = (ascending: ReadonlyArray<number>, random: Random.Random): number => {
  const size = ascending.length
  const drawn = new Uint16Array(size)
  for (let draw = 0; draw < size; draw++) {
    const index = Math.floor(random.nextDoubleUnsafe() * size)
    drawn[index] = (drawn[index] ?? 0) + 1
  }
  const half = Math.ceil(size / 2)
  let index = 0
  for (let seen = drawn[0] ?? 0; seen < half; seen += drawn[index] ?? 0) index++
  return ascending[index] ?? Number.NaN
}

/** Rounds between two reports; after each report others may run, and an interruption is heard. */
const slice = 100

export const measureRounds = 5_000

/** The median return of a genre, with an interval from `measureRounds` bootstrap resamplings. */
export const measureGenre = Effect.fnUntraced(
  function* ({ genre, returns }: GenreFilms, report: (done: number) => Effect.Effect<void>) {
    const random = yield* Random.Random
    const medians: Array<number> = []
    while (medians.length < measureRounds) {
      for (let round = 0; round < slice; round++) medians.push(resampledMedian(returns, random))
      yield* report(medians.length)
      yield* Effect.yieldNow
    }
    const ascending = Arr.sort(medians, Order.Number)
    const measured: GenreReturn = {
      genre,
      films: returns.length,
      median: quantile(returns, 0.5),
      low: quantile(ascending, 0.05),
      high: quantile(ascending, 0.95),
      lost: returns.filter((value) => value < 1).length / returns.length
    }
    return measured
  },
  (effect, { genre }) => Random.withSeed(effect, genre)
)

/** How often each genre was among the three with the best median, when the films of all genres were drawn anew. */
export const Podium = Schema.Struct({ rounds: Schema.Int, seats: Schema.ReadonlyMap(Schema.String, Schema.Int) })
export type Podium = typeof Podium.Type

export const emptyPodium: Podium = { rounds: 0, seats: new Map() }

const afterSlice = (podium: Podium, genres: ReadonlyArray<GenreFilms>, random: Random.Random): Podium => {
  const seats = new Map(podium.seats)
  for (let round = 0; round < slice; round++) {
    const ranking = genres
      .map(({ genre, returns }) => ({ genre, median: resampledMedian(returns, random) }))
      .toSorted((one, other) => other.median - one.median)
    for (const { genre } of ranking.slice(0, 3)) seats.set(genre, (seats.get(genre) ?? 0) + 1)
  }
  return { rounds: podium.rounds + slice, seats }
}

/** Goes on from what `podium` holds until it holds so many rounds. Cut off at any time, what it holds then is good. */
export const samplePodium = Effect.fnUntraced(function* (
  genres: ReadonlyArray<GenreFilms>,
  podium: Ref.Ref<Podium>,
  rounds: number,
  report: (done: number) => Effect.Effect<void>
) {
  const random = yield* Random.Random
  while ((yield* Ref.get(podium)).rounds < rounds) {
    const { rounds } = yield* Ref.updateAndGet(podium, (podium) => afterSlice(podium, genres, random))
    yield* report(rounds)
    yield* Effect.yieldNow
  }
})

export const podiumSeed = "podium"

/**
 * From here on more rounds make the shares finer, and leave the tenths what they are: so it is with this archive and this
 * seed, up to `allRounds`. Wherever a time limit cuts in between, the tenths are the same.
 */
export const enoughRounds = 2_000

/** Would take a minute or two. */
export const allRounds = 1_000_000

/** In how many of ten rounds each genre was on the podium. */
export const tenths = ({ rounds, seats }: Podium): ReadonlyMap<string, number> =>
  new Map([...seats].map(([genre, taken]) => [genre, Math.round((taken / rounds) * 10)]))
