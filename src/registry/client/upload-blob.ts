import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { DeployError } from '../../model/failure.ts'
import { mismatch } from '../failures.ts'
import { skipping } from '../skipping.ts'
import { type Expected, verified } from '../verified.ts'
import { type BegunUpload, beginUpload } from './begun-upload.ts'
import { refused, Transient } from './failures.ts'
import type { RegistryCalls } from './calls/registry-calls.ts'
import { pushScopes } from './scopes.ts'

/** Blobs up to this size are sent whole in one request; longer ones so that an interrupted upload can go on. */
const WHOLE_BYTES = 4 * 1024 * 1024

interface Place {
  readonly url: URL
  readonly offset: number
}

/** Sends one blob. Its bytes are verified while they are sent: wrong ones never reach the registry to their end. */
export class BlobUpload {
  readonly #calls: RegistryCalls
  readonly #repository: string
  readonly #blob: { readonly digest: string; readonly size: number }
  readonly #open: () => Readable
  readonly #scopes: readonly string[]
  #place: Place | null = null
  /** Whether some of it was sent, or it was begun, in an earlier request: the registry may have forgotten it. */
  #isResumed = false
  #begun: BegunUpload | null

  constructor(
    calls: RegistryCalls,
    repository: string,
    blob: { readonly digest: string; readonly size: number },
    open: () => Readable,
    begun: BegunUpload | null = null,
  ) {
    this.#begun = begun
    this.#calls = calls
    this.#repository = repository
    this.#blob = blob
    this.#open = open
    this.#scopes = pushScopes(repository)
  }

  /** Sends all of it; goes on where it was interrupted. */
  async send(signal: AbortSignal): Promise<void> {
    await this.#calls.trying(
      () => (this.#blob.size <= WHOLE_BYTES ? this.#sendWhole(signal) : this.#sendRest(signal)),
      signal,
    )
  }

  async #sendWhole(signal: AbortSignal): Promise<void> {
    const { url } = await this.#begin(signal)
    await this.#unlessForgotten(() => this.#put(url, signal, { size: this.#blob.size, body: () => this.#bytesFrom(0) }))
  }

  /** Sends what the registry does not have yet; from the start again where it cannot put together what it got. */
  async #sendRest(signal: AbortSignal): Promise<void> {
    const place = this.#place === null ? await this.#begin(signal) : await this.#resume(this.#place, signal)
    this.#place = place
    this.#isResumed ||= place.offset > 0
    await this.#unlessForgotten(() => this.#sendFrom(place, signal))
  }

  async #unlessForgotten(send: () => Promise<void>): Promise<void> {
    try {
      await send()
    } catch (failed) {
      if (!this.#isResumed || !isOfRegistry(failed)) throw failed
      this.#place = null
      throw new Transient(failed)
    }
  }

  async #sendFrom(from: Place, signal: AbortSignal): Promise<void> {
    let place = from
    const { size } = this.#blob
    if (place.offset < size) {
      const range = place.offset === 0 ? {} : { 'Content-Range': `${place.offset}-${size - 1}` }
      const { url, offset } = place
      const answer = await this.#calls.onceForHead(
        {
          method: 'PATCH',
          at: url,
          scopes: this.#scopes,
          headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': size - offset, ...range },
          body: () => this.#bytesFrom(offset),
          // 201 is what Amazon ECR answers.
          expect: [202, 201],
          what: this.#what,
        },
        signal,
      )
      if (arrivedIn(answer) < size) throw this.#lost(arrivedIn(answer), offset)
      place = { url: this.#calls.locationOf(answer, url), offset: size }
      this.#place = place
    }
    await this.#put(place.url, signal)
  }

  async #begin(signal: AbortSignal): Promise<Place> {
    const begun = (await this.#begun?.take()) ?? null
    this.#begun = null
    this.#isResumed = begun !== null
    return { url: begun ?? (await beginUpload(this.#calls, this.#repository, this.#what, signal)), offset: 0 }
  }

  /** Asks how much has arrived; begins again where the registry does not know any more. */
  async #resume(place: Place, signal: AbortSignal): Promise<Place> {
    const answer = await this.#calls.onceForHead(
      { method: 'GET', at: place.url, scopes: this.#scopes, expect: [204, 400, 404, 405], what: this.#what },
      signal,
    )
    const arrived = /^(?:bytes=)?0-([0-9]+)$/.exec(answer.headers.range ?? '')?.[1]
    if (answer.statusCode !== 204 || arrived === undefined) return this.#begin(signal)
    const url = answer.headers.location === undefined ? place.url : this.#calls.locationOf(answer, place.url)
    // `0-0` is said of nothing and of one byte: what is certain is nothing, and a place with one byte is not used again.
    if (arrived === '0') return this.#begin(signal)
    const offset = Number(arrived) + 1
    return offset > this.#blob.size ? this.#begin(signal) : { url, offset }
  }

  async #put(place: URL, signal: AbortSignal, whole?: { size: number; body: () => Readable }): Promise<void> {
    const at = new URL(place)
    at.searchParams.set('digest', this.#blob.digest)
    await this.#calls.onceForHead(
      {
        method: 'PUT',
        at,
        scopes: this.#scopes,
        headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': whole?.size ?? 0 },
        ...(whole === undefined ? {} : { body: whole.body }),
        expect: [201],
        what: this.#what,
      },
      signal,
    )
  }

  /** The registry says that it has less than was sent: asked what it has, and where it lost what came later, begun again. */
  #lost(arrived: number, offset: number): Transient {
    if (offset > 0) this.#place = null
    const why = `has only ${arrived} of ${this.#blob.size} bytes when asked to ${this.#what}`
    return new Transient(refused(this.#calls.host, why))
  }

  get #what(): string {
    return `store ${this.#blob.digest} in ${this.#repository}`
  }

  #bytesFrom(offset: number): Readable {
    const expected: Expected = this.#blob
    const source = this.#open()
    const pieces = skipping(
      verified(source, expected, (got) => mismatch(expected.digest, got)),
      offset,
    )
    const stream = Readable.from(pieces, { objectMode: false })
    stream.once('close', () => source.destroy())
    return stream
  }
}

/** Whether it is the registry that does not take what came. */
const isOfRegistry = (failed: unknown): failed is DeployError =>
  failed instanceof DeployError && (failed.code === 'REGISTRY_REFUSED' || failed.code === 'DIGEST_MISMATCH')

/** How much a registry says that it has; where it does not say, that it has everything. */
function arrivedIn({ headers }: IncomingMessage): number {
  const last = /^(?:bytes=)?0-([0-9]+)$/.exec(headers.range ?? '')?.[1]
  return last === undefined ? Number.POSITIVE_INFINITY : Number(last) + 1
}
