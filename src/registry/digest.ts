import { createHash, type Hash } from 'node:crypto'

/** The algorithms of the OCI image specification that Naru checks. */
export type DigestAlgorithm = 'sha256' | 'sha512'

/** The algorithm of a digest that passed `isDigest`. */
export const algorithmOf = (digest: string): DigestAlgorithm => (digest.startsWith('sha512:') ? 'sha512' : 'sha256')

/** A hash that will give a digest of the same algorithm as `digest`. */
export const hashLike = (digest: string): Hash => createHash(algorithmOf(digest))

/** `sha256:…` (or sha512) of some bytes. */
export const digestOf = (bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
