import * as Effect from "effect/Effect"

/**
 * Sends items grouped by their queue, and puts the answers into the order of the items. Nearly always there is one queue.
 */
export const byQueue = <A, B, E>(
  items: ReadonlyArray<A>,
  queueOf: (item: A) => string,
  send: (queue: string, items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): Effect.Effect<ReadonlyArray<B>, E> => {
  const first = items[0]
  if (first === undefined) return Effect.succeed([])
  const only = queueOf(first)
  if (items.every((item) => queueOf(item) === only)) return send(only, items)
  const groups = new Map<string, { readonly items: Array<A>; readonly places: Array<number> }>()
  for (const [place, item] of items.entries()) {
    const queue = queueOf(item)
    const group = groups.get(queue) ?? { items: [], places: [] }
    groups.set(queue, group)
    group.items.push(item)
    group.places.push(place)
  }
  return Effect.map(
    Effect.forEach(
      // not an iterator: whoever retries runs this once more
      Array.from(groups),
      ([queue, group]) => Effect.map(send(queue, group.items), (answers) => ({ answers, places: group.places })),
      // all of them before anything that is sent later: servers take a batch with a lower number for a late copy
      { concurrency: "unbounded" }
    ),
    (parts) => {
      const inOrder = Array.from<B>({ length: items.length })
      for (const { answers, places } of parts)
        for (const [index, place] of places.entries()) inOrder[place] = answers[index]!
      return inOrder
    }
  )
}
