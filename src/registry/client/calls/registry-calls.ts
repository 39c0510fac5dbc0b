import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { backoff } from '../../../lib/backoff.ts'
import type { Clock } from '../../../lib/clock.ts'
import { DeployError } from '../../../model/failure.ts'
import type { Authorization } from './authorization.ts'
import type { Connection } from './connection.ts'
import { answered, refused, Transient } from '../failures.ts'
import { readAll, readBody, readErrors } from './read-answer.ts'

/** One call to the registry. */
export interface RegistryCall {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** A path of the registry, or a place that it named. */
  readonly at: string | URL
  readonly scopes: readonly string[]
  readonly headers?: Readonly<Record<string, string | number>>
  /** Called for each try. */
  readonly body?: () => Readable | Uint8Array
  /** Statuses that are an answer; any other is a failure. */
  readonly expect: readonly number[]
  /** For people: "read the manifest v1 of shop". */
  readonly what: string
}

/** Redirects that are followed for one call. */
const MAX_REDIRECTS = 5

/** Calls of the distribution API: authorization, redirects, what a status means, and trying again. */
export class RegistryCalls {
  readonly #connection: Connection
  readonly #authorization: Authorization
  readonly #clock: Clock
  readonly #tries: number
  readonly #random: () => number

  /** `random`: from 0 to 1, for the jitter of waits. */
  constructor(
    connection: Connection,
    authorization: Authorization,
    clock: Clock,
    { tries, random }: { readonly tries: number; readonly random: () => number },
  ) {
    this.#connection = connection
    this.#authorization = authorization
    this.#clock = clock
    this.#tries = tries
    this.#random = random
  }

  get host(): string {
    return this.#connection.host
  }

  get clock(): Clock {
    return this.#clock
  }

  /** Makes the call, again where the failure may pass. Only for calls that can be made twice. */
  call(call: RegistryCall, signal: AbortSignal): Promise<IncomingMessage> {
    return this.trying(() => this.once(call, signal), signal)
  }

  /** As `call`, for an answer without a body that matters. */
  async callForHead(call: RegistryCall, signal: AbortSignal): Promise<IncomingMessage> {
    return this.trying(() => this.onceForHead(call, signal), signal)
  }

  /** As `call`, with the answer's body, of which at most `maxBytes` and one piece more are read. */
  callForBody(
    call: RegistryCall,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<{ readonly answer: IncomingMessage; readonly bytes: Uint8Array }> {
    const once = async () => {
      const answer = await this.once(call, signal)
      return { answer, bytes: await this.readBody(answer, maxBytes) }
    }
    return this.trying(once, signal)
  }

  /** Of an answer of some megabytes, at most `maxBytes` and one piece more. Throws Transient where it breaks off or trickles. */
  readBody(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
    return readBody(this.host, answer, { maxBytes, limitMs: this.#connection.bodyLimitMs })
  }

  /** How long a connection may be silent. */
  get stallMs(): number {
    return this.#connection.stallMs
  }

  /** Runs `work` until it ends in something that is not Transient, or often enough. */
  async trying<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const delays = backoff(200, 5000)
    for (let tries = 1; ; tries++) {
      try {
        return await work()
      } catch (failed) {
        signal.throwIfAborted()
        if (!(failed instanceof Transient)) throw failed
        if (tries >= this.#tries) throw failed.failure
        await this.wait(failed, delays.next().value, signal)
      }
    }
  }

  /** Waits before the next try: half to all of `delayMs`, or that much longer than the registry asks for, so that many clients do not come back at once. */
  async wait({ retryAfterMs }: Transient, delayMs: number, signal: AbortSignal): Promise<void> {
    const random = this.#random()
    await this.#clock.sleep(
      retryAfterMs === null ? delayMs * (0.5 + random / 2) : retryAfterMs + delayMs * random,
      signal,
    )
  }

  /** As `once`, for an answer without a body that matters. */
  async onceForHead(call: RegistryCall, signal: AbortSignal): Promise<IncomingMessage> {
    const answer = await this.once(call, signal)
    await readAll(answer, 65_536).catch(() => {})
    return answer
  }

  /** Makes the call one time; asks again only where the registry wants to know who asks, or no longer takes what it was shown. */
  async once(call: RegistryCall, signal: AbortSignal): Promise<IncomingMessage> {
    for (let shown = 0; ; shown++) {
      const authorization = await this.#authorization.header(call.scopes, signal)
      const { answer, isOwn } = await this.#follow(call, authorization, signal)
      // Another place that it led to has nothing to ask.
      if (answer.statusCode !== 401 || !isOwn || shown === 2) return this.#expected(call, answer)
      const challenge = answer.headers['www-authenticate']
      // A token that was just made is not made again.
      const isNew = shown > 0 && authorization?.startsWith('Bearer ') === true
      if (isNew || !(await this.#authorization.learn(challenge, call.scopes, authorization, signal)))
        return this.#expected(call, answer)
      answer.resume()
    }
  }

  /** Where an answer of the registry points to. */
  locationOf(answer: IncomingMessage, base: URL): URL {
    const { origin } = this.#connection
    const text = answer.headers.location
    if (text === undefined || !URL.canParse(text, base.href)) throw refused(this.host, 'does not say where to go on')
    const url = new URL(text, base)
    // A registry behind a proxy that ends TLS often names itself by http: what began with TLS goes on with TLS.
    const itself = url.hostname === origin.hostname && url.port === '' && origin.protocol === 'https:'
    if (itself && url.protocol === 'http:') url.protocol = 'https:'
    return url
  }

  /** The URL of a path of the registry. */
  url(at: string | URL): URL {
    return typeof at === 'string' ? new URL(at, this.#connection.origin) : at
  }

  async #follow(
    call: RegistryCall,
    authorization: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly answer: IncomingMessage; readonly isOwn: boolean }> {
    let url = this.url(call.at)
    for (let redirects = 0; ; redirects++) {
      const isOwn = url.origin === this.#connection.origin.origin
      const answer = await this.#send(call, url, isOwn ? authorization : null, signal)
      const follows = (call.method === 'GET' || call.method === 'HEAD') && isRedirect(answer.statusCode)
      if (!follows || call.expect.includes(answer.statusCode ?? 0)) return { answer, isOwn }
      if (redirects >= MAX_REDIRECTS) throw refused(this.host, `sends from one place to another without end`)
      url = this.locationOf(answer, url)
      answer.resume()
    }
  }

  #send(call: RegistryCall, url: URL, authorization: string | null, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body?.()
    return this.#connection.send({
      method: call.method,
      url,
      headers: {
        'User-Agent': 'naru',
        ...call.headers,
        ...(authorization === null ? {} : { Authorization: authorization }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
    })
  }

  async #expected(call: RegistryCall, answer: IncomingMessage): Promise<IncomingMessage> {
    const status = answer.statusCode ?? 0
    if (call.expect.includes(status)) return answer
    const { codes, message } = await readErrors(answer)
    if (codes.includes('DIGEST_INVALID')) throw digestRefused(this.host, call.what, message)
    throw answered(this.host, answer, call.what, message, this.#clock.now())
  }
}

const isRedirect = (status: number | undefined) => [301, 302, 303, 307, 308].includes(status ?? 0)

const digestRefused = (host: string, what: string, message: string) =>
  new DeployError('DIGEST_MISMATCH', `the registry ${host} got other bytes when asked to ${what}: ${message}`, {
    hint: 'Nothing was stored. The network changed the bytes: run the same command again.',
    detail: { host },
  })
