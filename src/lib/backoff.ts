/** Delays that double from `firstMs` up to `mostMs`: 20, 40, 80 … 250. Where no event exists, this is how often to look. */
export function* backoff(firstMs = 20, mostMs = 250): Generator<number, never> {
  let delay = firstMs
  while (true) {
    yield delay
    delay = Math.min(delay * 2, mostMs)
  }
}
