import type { RegistryCalls } from './calls/registry-calls.ts'
import { pushScopes } from './scopes.ts'

/** Nobody waits longer for a registry to forget an upload: it does so by itself after a while. */
const CANCEL_MS = 5_000

/** Where an upload goes on. */
export async function beginUpload(
  calls: RegistryCalls,
  repository: string,
  what: string,
  signal: AbortSignal,
): Promise<URL> {
  const at = `/v2/${repository}/blobs/uploads/`
  const headers = { 'Content-Length': 0 }
  const call = { method: 'POST', at, scopes: pushScopes(repository), headers, expect: [202], what } as const
  const answer = await calls.onceForHead(call, signal)
  return calls.locationOf(answer, calls.url(at))
}

/** Takes an upload back. A registry that does not let us forgets it by itself. */
export async function cancelUpload(
  calls: RegistryCalls,
  place: URL,
  scopes: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const call = { method: 'DELETE', at: place, scopes, expect: [204], what: 'take an upload back' } as const
  await calls.onceForHead(call, signal).catch(() => signal.throwIfAborted())
}

/** An upload that begins before its bytes are known. */
export class BegunUpload {
  readonly #calls: RegistryCalls
  readonly #repository: string
  #place: Promise<URL | null> | null

  constructor(calls: RegistryCalls, repository: string, signal: AbortSignal) {
    this.#calls = calls
    this.#repository = repository
    // Whoever needs it begins again, and is told why that fails.
    this.#place = beginUpload(calls, repository, `begin an upload to ${repository}`, signal).catch(() => null)
  }

  /** Where it goes on, for the first who asks; null: begin another one. */
  take(): Promise<URL | null> {
    const place = this.#place ?? Promise.resolve(null)
    this.#place = null
    return place
  }

  /** Takes it back where nobody took it. */
  async discard(): Promise<void> {
    const place = await this.take()
    const signal = AbortSignal.timeout(CANCEL_MS)
    if (place !== null) await cancelUpload(this.#calls, place, pushScopes(this.#repository), signal).catch(() => {})
  }
}
