import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { backoff } from '../../lib/backoff.ts'
import { DeployError } from '../../model/failure.ts'
import { mismatch } from '../failures.ts'
import { verified } from '../verified.ts'
import { connectionFailure, refused, Transient } from './failures.ts'
import type { RegistryCall, RegistryCalls } from './registry-calls.ts'

/** Interruptions of one download after which it is given up. */
const MAX_INTERRUPTIONS = 8

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
  const pieces = verified(resumed(calls, call, first, signal), expected, (got) => mismatch(digest, got))
  const stream = Readable.from(pieces, { objectMode: false })
  stream.once('close', () => first.destroy())
  return stream
}

/** The bytes of all answers that it took. */
async function* resumed(
  calls: RegistryCalls,
  call: RegistryCall,
  first: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const delays = backoff(200, 5000)
  let offset = 0
  let answer: IncomingMessage | null = first
  for (let interruptions = 0; ; ) {
    try {
      answer ??= await again(calls, call, offset, signal)
      // A registry that does not honour the range sends everything: what is known already is passed over.
      let skip = answer.statusCode === 200 ? offset : 0
      for await (const piece of answer as AsyncIterable<Uint8Array>) {
        const fresh = piece.subarray(Math.min(skip, piece.length))
        skip -= piece.length - fresh.length
        offset += fresh.length
        if (fresh.length > 0) yield fresh
      }
      return
    } catch (failed) {
      signal.throwIfAborted()
      const transient = passing(calls.host, failed)
      if (++interruptions > MAX_INTERRUPTIONS) throw transient.failure
      answer = null
      await calls.wait(transient, delays.next().value, signal)
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
