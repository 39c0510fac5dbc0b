import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { backoff } from '../../lib/backoff.ts'
import { DeployError } from '../../model/failure.ts'
import { mismatch } from '../failures.ts'
import { verified } from '../verified.ts'
import { inParts, paysInParts } from './download-parts.ts'
import { connectionFailure, refused, stalled, Transient } from './failures.ts'
import type { RegistryCall, RegistryCalls } from './calls/registry-calls.ts'

/** Interruptions of one download after which it is given up. */
const MAX_INTERRUPTIONS = 8
/** 1 kB/s over all of an answer: less is a stall. */
const LEAST_BYTES_PER_MS = 1

/** The verified bytes of a blob: goes on by Range where the connection broke. null: the registry has no such blob. */
export async function downloadBlob(
  calls: RegistryCalls,
  repository: string,
  digest: string,
  signal: AbortSignal,
): Promise<Readable | null> {
  const call: RegistryCall = {
    method: 'GET',
    at: `/v2/${repository}/blobs/${digest}`,
    scopes: [`repository:${repository}:pull`],
    expect: [200, 404],
    what: `read ${digest} of ${repository}`,
  }
  const first = await calls.call(call, signal)
  if (first.statusCode === 404) {
    first.resume()
    return null
  }
  const length = first.headers['content-length']
  const expected = { digest, size: length === undefined ? null : Number(length) }
  const pieces = verified(new Download(calls, call, signal).bytes(first), expected, (got) => mismatch(digest, got))
  const stream = Readable.from(pieces, { objectMode: false })
  stream.once('close', () => first.destroy())
  return stream
}

/** One download: its bytes come in order, over as many answers as it takes. */
class Download {
  readonly #calls: RegistryCalls
  readonly #call: RegistryCall
  readonly #signal: AbortSignal
  #offset = 0
  #isSlow = false
  #mayUseParts = true

  constructor(calls: RegistryCalls, call: RegistryCall, signal: AbortSignal) {
    this.#calls = calls
    this.#call = call
    this.#signal = signal
  }

  async *bytes(first: IncomingMessage): AsyncGenerator<Uint8Array, void> {
    const delays = backoff(200, 5000)
    const total = Number(first.headers['content-length'] ?? Number.NaN)
    let answer: IncomingMessage | null = first
    for (let interruptions = 0; ; ) {
      try {
        yield* this.#overOne(answer ?? (await again(this.#calls, this.#call, this.#offset, this.#signal)), total)
        if (this.#isSlow) yield* this.#overSeveral(total)
        return
      } catch (failed) {
        this.#signal.throwIfAborted()
        const transient = passing(this.#calls.host, failed)
        if (++interruptions > MAX_INTERRUPTIONS) throw transient.failure
        answer = null
        await this.#calls.wait(transient, delays.next().value, this.#signal)
      }
    }
  }

  /** What one answer has, until its end or until more connections pay. */
  async *#overOne(answer: IncomingMessage, total: number): AsyncGenerator<Uint8Array, void> {
    const { clock } = this.#calls
    const startMs = clock.monotonic()
    let bytes = 0
    // A registry that does not honour the range sends everything: what is known already is passed over.
    let skip = answer.statusCode === 200 ? this.#offset : 0
    this.#isSlow = false
    for await (const piece of answer as AsyncIterable<Uint8Array>) {
      const fresh = piece.subarray(Math.min(skip, piece.length))
      skip -= piece.length - fresh.length
      this.#offset += fresh.length
      bytes += piece.length
      if (fresh.length > 0) yield fresh
      const elapsedMs = clock.monotonic() - startMs
      // A trickle is a stall that does not show as silence.
      if (elapsedMs > this.#calls.stallMs && bytes < LEAST_BYTES_PER_MS * elapsedMs) throw stalled()
      const acceptRanges = answer.headers['accept-ranges']
      this.#isSlow =
        this.#mayUseParts && paysInParts({ bytes, elapsedMs, leftBytes: total - this.#offset, acceptRanges })
      if (this.#isSlow) return
    }
  }

  /** The rest; where that fails, it is read over one connection again. */
  async *#overSeveral(total: number): AsyncGenerator<Uint8Array, void> {
    this.#mayUseParts = false
    try {
      for await (const part of inParts(this.#calls, this.#call, { from: this.#offset, total }, this.#signal)) {
        this.#offset += part.length
        yield part
      }
    } catch (failed) {
      throw failed instanceof DeployError ? new Transient(failed) : failed
    }
  }
}

/** Asks for the rest. */
async function again(calls: RegistryCalls, call: RegistryCall, offset: number, signal: AbortSignal) {
  const headers = offset === 0 ? {} : { Range: `bytes=${offset}-` }
  const answer = await calls.once({ ...call, headers, expect: [200, 206] }, signal)
  const range = answer.headers['content-range']
  if (answer.statusCode === 206 && range?.startsWith(`bytes ${offset}-`) !== true) {
    answer.destroy()
    throw refused(calls.host, `answered the range ${range} when asked for the bytes from ${offset}`)
  }
  return answer
}

/** The failure if it may pass; anything else is thrown on. */
function passing(host: string, failed: unknown): Transient {
  const known =
    failed instanceof Transient || failed instanceof DeployError ? failed : connectionFailure(host, failed, true)
  if (known instanceof Transient) return known
  throw known
}
