import { lookup as systemLookup } from 'node:dns'
import { createWriteStream } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { createHash } from 'node:crypto'
import { isIP, type LookupFunction } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { getCACertificates } from 'node:tls'
import { type AddressClass, addressClass, mayLeadTo } from '../../os/address-class.ts'

/** What a download may cost, and which way it goes. */
export interface DownloadLimits {
  readonly mostBytes: number
  /** How long a connection may be silent, and how long all of it may take. */
  readonly stallMs: number
  readonly wholeMs: number
}
export const DOWNLOAD_LIMITS: DownloadLimits = { mostBytes: 8 * 2 ** 30, stallMs: 60_000, wholeMs: 3600_000 }
const MOST_REDIRECTS = 10

/** Variables that name proxies, as the caller has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What a server said of a file, to ask again whether it changed. */
export interface Validators {
  readonly etag: string | null
  readonly lastModified: string | null
}

export interface Downloaded extends Validators {
  readonly digest: string
  readonly size: number
}

/** Why a file could not be had; who knows the instruction makes it a failure. */
export class DownloadFailed extends Error {
  override readonly name = 'DownloadFailed'
}

/**
 * Gets a file into `path`; null: it is as `known` says. The first address is the user's: any but a metadata service's. Where
 * it is public, redirects stay in public (A9); TLS is never left; nothing of a login goes along. Throws DownloadFailed.
 */
export async function download(
  request: {
    readonly url: URL
    readonly path: string
    readonly known: Validators | null
    readonly limits: DownloadLimits
    readonly env: Environment
  },
  signal: AbortSignal,
): Promise<Downloaded | null> {
  const { limits, known, path } = request
  const whole = AbortSignal.any([signal, AbortSignal.timeout(limits.wholeMs)])
  const way = new Way(limits, request.env, whole)
  try {
    const answer = await way.follow(request.url, conditions(known))
    if (answer.statusCode === 304 && known !== null) {
      answer.resume()
      return null
    }
    const file = await save(answer, path, limits.mostBytes, whole)
    return { ...file, etag: text(answer, 'etag'), lastModified: text(answer, 'last-modified') }
  } catch (failed) {
    signal.throwIfAborted()
    if (whole.aborted) throw new DownloadFailed(`it took longer than ${limits.wholeMs / 1000} s`)
    throw failed instanceof DownloadFailed ? failed : connectionFailed(failed)
  } finally {
    way.close()
  }
}

function conditions(known: Validators | null): Readonly<Record<string, string>> {
  return {
    ...(known?.etag == null ? {} : { 'if-none-match': known.etag }),
    ...(known?.etag != null || known?.lastModified == null ? {} : { 'if-modified-since': known.lastModified }),
  }
}

const text = ({ headers }: IncomingMessage, name: 'etag' | 'last-modified' | 'location'): string | null =>
  headers[name] ?? null

/** System errors of files keep their kind: a full disk is told as one. */
function connectionFailed(failed: unknown): unknown {
  const { code, syscall } = failed as { readonly code?: string; readonly syscall?: string }
  if (code === 'ENOSPC' || syscall === 'open' || syscall === 'write') return failed
  return new DownloadFailed(`the connection failed (${code ?? (failed as Error).message})`)
}

async function save(
  answer: IncomingMessage,
  path: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Pick<Downloaded, 'digest' | 'size'>> {
  const promised = Number(answer.headers['content-length'] ?? 0)
  const tooLarge = () => new DownloadFailed(`it has more than ${mostBytes} bytes`)
  if (promised > mostBytes) throw tooLarge()
  const hash = createHash('sha256')
  let size = 0
  const count = new Transform({
    transform(part: Uint8Array, _encoding, done) {
      size += part.length
      hash.update(part)
      done(size > mostBytes ? tooLarge() : null, part)
    },
  })
  await pipeline(answer, count, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal })
  return { digest: `sha256:${hash.digest('hex')}`, size }
}

/** The way from the user's address to the file. */
class Way {
  readonly #limits: DownloadLimits
  readonly #signal: AbortSignal
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent }
  /** Where the user's own address was; null: not reached yet. */
  #start: AddressClass | null = null
  /** The host that is asked now, and whether it was looked up here: a proxy looks names up itself. */
  #host = ''
  #isLookedUp = false

  constructor(limits: DownloadLimits, env: Environment, signal: AbortSignal) {
    this.#limits = limits
    this.#signal = signal
    const proxyEnv = proxies(env)
    this.#agents = { http: new http.Agent({ proxyEnv }), https: new https.Agent({ proxyEnv }) }
  }

  async follow(first: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    let url = first
    for (let turns = 0; turns <= MOST_REDIRECTS; turns++) {
      const answer = await this.#ask(url, headers)
      const status = answer.statusCode ?? 0
      if (status === 200 || status === 304) return answer
      answer.resume()
      const location = text(answer, 'location')
      if (![301, 302, 303, 307, 308].includes(status) || location === null) {
        throw new DownloadFailed(`${url.host} answered ${status}`)
      }
      this.#start ??= this.#classOf(answer)
      url = next(url, location)
    }
    throw new DownloadFailed(`it was led on more than ${MOST_REDIRECTS} times`)
  }

  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  #ask(url: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:'
    this.#host = url.hostname.replace(/^\[|\]$/g, '')
    this.#isLookedUp = false
    if (isIP(this.#host) !== 0 && !this.#allows(this.#host)) throw new DownloadFailed(leadsTo(url.host))
    return new Promise((resolve, reject) => {
      const asked = (secure ? https : http).get(url, {
        headers: { 'user-agent': 'naru', 'accept-encoding': 'identity', ...headers },
        agent: secure ? this.#agents.https : this.#agents.http,
        lookup: this.#lookup,
        signal: this.#signal,
        timeout: this.#limits.stallMs,
        ...(secure ? { ca: authorities() } : {}),
      })
      asked.on('timeout', () => {
        asked.destroy(new DownloadFailed(`${url.host} was silent for ${this.#limits.stallMs / 1000} s`))
      })
      asked.on('error', reject)
      asked.on('response', resolve)
    })
  }

  /** Looks a name up, and refuses it when any of its addresses may not be asked: checked on what is connected to. */
  readonly #lookup: LookupFunction = (name, options, callback) => {
    // What a proxy is called is the user's own word.
    const isAsked = name === this.#host
    if (isAsked) this.#isLookedUp = true
    systemLookup(name, { ...options, all: true }, (failed, addresses) => {
      const [first] = addresses ?? []
      if (failed !== null || first === undefined) return callback(failed, options.all ? [] : '', 4)
      if (isAsked && !addresses.every(({ address }) => this.#allows(address))) {
        return callback(new DownloadFailed(leadsTo(name)), options.all ? [] : '', 4)
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family)
    })
  }

  /** Behind a proxy it is not known where a name leads: it is taken for a public one. */
  #classOf({ socket }: IncomingMessage): AddressClass {
    const isProxied = isIP(this.#host) === 0 && !this.#isLookedUp
    return isProxied ? 'public' : addressClass(isIP(this.#host) === 0 ? (socket.remoteAddress ?? '') : this.#host)
  }

  #allows(address: string): boolean {
    const kind = addressClass(address)
    return this.#start === null ? kind !== 'local' : mayLeadTo(this.#start, kind)
  }
}

const leadsTo = (host: string): string => `${host} is an address that a build may not ask`

function next(from: URL, location: string): URL {
  const url = URL.parse(location, from.href)
  if (url === null) throw new DownloadFailed(`${from.host} leads to no address`)
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:')
  if (!safe) throw new DownloadFailed(`${from.host} leads to ${url.protocol}//${url.host}, which is not safe`)
  url.username = ''
  url.password = ''
  return url
}

function proxies(env: Environment): Record<string, string> {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy']
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])))
}

let known: readonly string[] | null = null
/** Node's, the machine's, and those of NODE_EXTRA_CA_CERTS; read when first needed. */
function authorities(): string[] {
  known ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
  return [...known]
}
