import { DeployError } from '../../model/failure.ts'
import { Transient } from './failures.ts'
import type { RegistryCall, RegistryCalls } from './calls/registry-calls.ts'

/** Bytes of one request, and how many requests are under way: 16 MiB of memory for a blob. */
const PART_BYTES = 4 * 1024 * 1024
const PARALLEL = 4
/** How much of a blob is read before it is known how fast one connection is. */
const PROBE_BYTES = 4 * 1024 * 1024
/** What is left must be worth it. */
const LEAST_BYTES = 24 * 1024 * 1024
/** 50 MB/s: a connection that is faster than this is not what holds things up. */
const FAST_BYTES_PER_MS = 50_000

/** Whether the rest of a blob goes over several connections: one alone is slow, as those of far stores that limit each are. */
export function paysInParts(read: {
  /** Read over the one connection so far, and in what time. */
  readonly bytes: number
  readonly elapsedMs: number
  readonly leftBytes: number
  /** The answer's Accept-Ranges. */
  readonly acceptRanges: string | undefined
}): boolean {
  const isSlow = read.bytes >= PROBE_BYTES && read.bytes < FAST_BYTES_PER_MS * read.elapsedMs
  return isSlow && read.leftBytes >= LEAST_BYTES && read.acceptRanges?.toLowerCase() === 'bytes'
}

/** The bytes from `from` to `total`, in order, read over several connections. Ends with a DeployError where a part cannot be had. */
export async function* inParts(
  calls: RegistryCalls,
  call: RegistryCall,
  { from, total }: { readonly from: number; readonly total: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const parts: Promise<Uint8Array>[] = []
  let next = from
  const fetchNext = () => {
    if (next >= total) return
    const start = next
    next = Math.min(start + PART_BYTES, total)
    const part = fetchPart(calls, call, { start, end: next, total }, both)
    // Awaited in its turn; until then its failure is not unhandled.
    part.catch(() => {})
    parts.push(part)
  }
  try {
    for (let count = 0; count < PARALLEL; count++) fetchNext()
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const bytes = await part
      fetchNext()
      yield bytes
    }
  } finally {
    stop.abort(new Error('the rest is not wanted'))
  }
}

function fetchPart(
  calls: RegistryCalls,
  call: RegistryCall,
  { start, end, total }: { readonly start: number; readonly end: number; readonly total: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const range = `bytes ${start}-${end - 1}/${total}`
  return calls.trying(async () => {
    const headers = { ...call.headers, Range: `bytes=${start}-${end - 1}` }
    const answer = await calls.once({ ...call, headers, expect: [200, 206] }, signal)
    if (answer.statusCode === 200 || answer.headers['content-range'] !== range) {
      answer.destroy()
      throw unlike(calls.host, range)
    }
    const bytes = await calls.readBody(answer, end - start)
    if (bytes.length === end - start) return bytes
    throw new Transient(unlike(calls.host, range))
  }, signal)
}

const unlike = (host: string, range: string) =>
  new DeployError('REGISTRY_REFUSED', `the registry ${host} answered something else when asked for ${range}`, {
    hint: `Ask who runs ${host}; nothing was changed here.`,
    detail: { host },
  })
