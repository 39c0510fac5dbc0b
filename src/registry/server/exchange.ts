import type { FastifyReply, FastifyRequest } from 'fastify'
import type { DiskStore } from '../disk/disk-store.ts'

/** Limits against clients that take more than their share (A14). */
export interface RegistryLimits {
  /** A connection on which nothing moves for so long is closed. */
  readonly stallMs: number
  /** The most that one blob may have. */
  readonly maxBlobBytes: number
  /** All of a manifest must have arrived within this time. */
  readonly manifestMs: number
}

export const DEFAULT_LIMITS: RegistryLimits = { stallMs: 60_000, maxBlobBytes: 2 ** 36, manifestMs: 30_000 }

/** One request and what is needed to answer it. */
export interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly store: DiskStore
  readonly limits: RegistryLimits
  readonly query: URLSearchParams
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
}
