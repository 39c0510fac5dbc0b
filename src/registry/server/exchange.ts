import type { IncomingMessage } from 'node:http'
import type { Inflow } from '../body/inflow.ts'
import type { PullThrough } from '../cache/pull-through.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import type { ByteRoom } from './byte-room.ts'
import type { Visitor } from './gate.ts'
import type { Quota } from './quota.ts'
import type { Reply } from './reply.ts'

/** Limits against clients that take more than their share (A14). */
export interface RegistryLimits {
  /** A connection on which nothing moves for so long is closed. */
  readonly stallMs: number
  /** So many bytes a second an upload has to bring while it is sent, on an average of `paceMs`: less, and its connection is closed. */
  readonly leastBytesPerSecond: number
  readonly paceMs: number
  /** The most that one blob may have. */
  readonly maxBlobBytes: number
  /** All of a manifest must have arrived within this time. */
  readonly manifestMs: number
  /** All manifests that arrive at a time may take so much memory. */
  readonly manifestsBytes: number
  /** Blobs that are sent at a time take so much memory; beyond that each takes little, and goes slower. */
  readonly sendingBytes: number
}

/** What the embedded registry takes of one request unless told otherwise. */
export const DEFAULT_LIMITS: RegistryLimits = {
  stallMs: 60_000,
  leastBytesPerSecond: 1024,
  paceMs: 60_000,
  maxBlobBytes: 2 ** 36,
  manifestMs: 30_000,
  manifestsBytes: 64 * 2 ** 20,
  sendingBytes: 32 * 2 ** 20,
}

/** One request and what is needed to answer it. */
export class Exchange {
  readonly request: IncomingMessage
  /** The body, for whoever does not read the request. */
  readonly body: Inflow
  readonly reply: Reply
  readonly store: DiskStore
  readonly limits: RegistryLimits
  /** Where manifests arrive. */
  readonly room: ByteRoom
  /** From where blobs are sent. */
  readonly sendRoom: ByteRoom
  /** What fetches from other registries; null: this one is no cache. */
  readonly cache: PullThrough | null
  /** null: as much as the disk takes. */
  readonly quota: Quota | null
  readonly query: URLSearchParams
  /** Who was let in: for what else than its target a request reaches. */
  readonly visitor: Visitor
  #signal: AbortSignal | null = null

  constructor(of: Omit<Exchange, 'signal'>) {
    this.request = of.request
    this.body = of.body
    this.reply = of.reply
    this.store = of.store
    this.limits = of.limits
    this.room = of.room
    this.sendRoom = of.sendRoom
    this.cache = of.cache
    this.quota = of.quota
    this.query = of.query
    this.visitor = of.visitor
  }

  /** Aborted when the client has gone. Made when it is asked for: most answers do not need it. */
  get signal(): AbortSignal {
    this.#signal ??= goneSignal(this.reply)
    return this.#signal
  }
}

/** Aborted when the connection closes before the answer is out. */
function goneSignal({ raw }: Reply): AbortSignal {
  const gone = new AbortController()
  const abort = () => gone.abort(new Error('the client has gone'))
  if (raw.destroyed && !raw.writableFinished) abort()
  raw.once('close', () => {
    if (!raw.writableFinished) abort()
  })
  return gone.signal
}

/** The body of a request. Whoever stops reading half-way can still answer: the connection is left alone. */
export const bodyOf = (request: IncomingMessage): AsyncIterable<Uint8Array> =>
  request.iterator({ destroyOnReturn: false })

/** Waits for `work` that takes what the client sends, and closes the connection of one that sends next to nothing: a byte now and then is no stall. */
export async function paced<T>({ request, limits }: Exchange, work: () => Promise<T>): Promise<T> {
  const { socket } = request
  const least = (limits.leastBytesPerSecond * limits.paceMs) / 1000
  let before = socket.bytesRead
  const timer = setInterval(() => {
    if (socket.bytesRead - before < least) socket.destroy()
    before = socket.bytesRead
  }, limits.paceMs)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

/** Waits for work of ours, which may take longer than a client may be silent: syncing or checking a large blob. */
export async function undisturbed<T>({ request, limits }: Exchange, work: () => Promise<T>): Promise<T> {
  request.socket.setTimeout(0)
  try {
    return await work()
  } finally {
    request.socket.setTimeout(limits.stallMs)
  }
}
