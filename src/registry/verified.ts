import { algorithmOf, hashLike } from './digest.ts'

/** What some bytes must be. `size` null: not known beforehand. */
export interface Expected {
  readonly digest: string
  readonly size: number | null
}

/**
 * Passes bytes on while hashing them, and holds the last chunk back until the digest is right: wrong content is never
 * passed on to its end. `refuse` makes the error from what came instead (`got` is a digest, or says that it was longer).
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: Expected,
  refuse: (got: string) => unknown,
): AsyncGenerator<Uint8Array, void> {
  const hash = hashLike(expected.digest)
  let size = 0
  let last: Uint8Array | null = null
  for await (const chunk of source) {
    size += chunk.length
    if (expected.size !== null && size > expected.size) throw refuse(`more than ${expected.size} bytes`)
    if (last !== null) yield last
    hash.update(chunk)
    last = chunk
  }
  const got = `${algorithmOf(expected.digest)}:${hash.digest('hex')}`
  if (got !== expected.digest) throw refuse(`${got} of ${size} bytes`)
  if (expected.size !== null && size !== expected.size) throw refuse(`${size} bytes instead of ${expected.size}`)
  if (last !== null) yield last
}
