import { lookup as systemLookup } from 'node:dns'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { type AddressClass, addressClass, mayLeadTo } from '../../../os/address-class.ts'
import { Agents, type AgentSettings } from './agents.ts'
import { connectionFailure, refused, stalled } from '../failures.ts'

/** One request as it goes over the wire. */
export interface WireRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: Readable | Uint8Array
  readonly signal: AbortSignal
}

/** HTTP to one registry and to where it leads: kept connections, a limit for silence, no way into networks that it should not know. */
export class Connection {
  readonly origin: URL
  /** How long a connection may be silent. */
  readonly stallMs: number
  readonly #agents: Agents
  /** Where the registry itself answered from; null: not yet. */
  #reached: AddressClass | null = null

  constructor(options: { readonly origin: URL; readonly stallMs: number; readonly agents: AgentSettings }) {
    this.origin = options.origin
    this.stallMs = options.stallMs
    this.#agents = new Agents(options.agents)
  }

  get host(): string {
    return this.origin.host
  }

  /** How long an answer of a few megabytes may take, however it trickles. */
  get bodyLimitMs(): number {
    return 2 * this.stallMs
  }

  /** The answer's head; its body is read by the caller. Throws Transient or a DeployError; what the body's source threw is thrown as it is. */
  async send(request: WireRequest): Promise<IncomingMessage> {
    request.signal.throwIfAborted()
    const foreign = request.url.origin !== this.origin.origin
    if (foreign) this.#checkForeign(request.url)
    const { agent, isProxied } = this.#agents.of(request.url, !foreign)
    const answer = await this.#exchange(request, agent, foreign && !isProxied)
    // Behind a proxy it is not known where the registry is: it is taken for a public one, unless its name is an address.
    const from = isProxied ? literalAddress(request.url) : answer.socket.remoteAddress
    if (!foreign) this.#reached = from === null || from === undefined ? 'public' : addressClass(from)
    return answer
  }

  close(): void {
    this.#agents.close()
  }

  #exchange(request: WireRequest, agent: http.Agent, isGuarded: boolean): Promise<IncomingMessage> {
    const { method, url, headers, body, signal } = request
    const secure = url.protocol === 'https:'
    return new Promise((resolve, reject) => {
      const sent = (secure ? https : http).request(url, {
        method,
        headers,
        signal,
        agent,
        timeout: this.stallMs,
        ...(isGuarded ? { lookup: this.#guardedLookup } : {}),
      })
      let sourceFailed: unknown = null
      sent.on('timeout', () => sent.destroy(stalled()))
      sent.on('error', (failed) => {
        stopBody(body)
        reject(sourceFailed ?? (signal.aborted ? signal.reason : this.#failure(url, failed)))
      })
      sent.on('response', (answer) => {
        stopBody(body)
        // An answer before the end of what we send: the rest will not follow, so the connection cannot be used again.
        if (!sent.writableFinished) answer.once('end', () => sent.destroy())
        resolve(answer)
      })
      if (body === undefined || body instanceof Uint8Array) sent.end(body)
      else {
        body.on('error', (failed) => {
          sourceFailed = failed
          sent.destroy(failed)
        })
        body.pipe(sent)
      }
    })
  }

  #failure(url: URL, failed: unknown): unknown {
    if ((failed as { code?: unknown }).code === 'EFOREIGN') return refused(this.host, (failed as Error).message)
    return connectionFailure(url.host, failed, this.#reached !== null)
  }

  /** Refuses another place before a connection is made: plain HTTP after TLS, or an address that the registry must not name. */
  #checkForeign(url: URL): void {
    if (url.protocol !== 'https:' && (url.protocol !== 'http:' || this.origin.protocol === 'https:')) {
      throw refused(this.host, `leads to ${url.protocol}//${url.host}, which is not safe`)
    }
    const address = literalAddress(url)
    if (address !== null && !this.#allows(address)) throw refused(this.host, leadsTo(url.host))
  }

  #allows(address: string): boolean {
    return mayLeadTo(this.#reached ?? 'public', addressClass(address))
  }

  /** Looks a name up and refuses it when any of its addresses is one that the registry must not name: checked on what is connected to. */
  readonly #guardedLookup: LookupFunction = (name, options, callback) => {
    systemLookup(name, { ...options, all: true }, (failed, addresses) => {
      const first = addresses?.[0]
      if (failed !== null || first === undefined) return callback(failed, options.all ? [] : '', 4)
      if (!addresses.every(({ address }) => this.#allows(address))) {
        return callback(Object.assign(new Error(leadsTo(name)), { code: 'EFOREIGN' }), options.all ? [] : '', 4)
      }
      if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

/** The address that stands in a URL; null: a name. */
function literalAddress({ hostname }: URL): string | null {
  const host = hostname.replace(/^\[|\]$/g, '')
  return isIP(host) === 0 ? null : host
}

/** The rest of a body that nobody wants: its file is closed. */
function stopBody(body: WireRequest['body']): void {
  if (body !== undefined && !(body instanceof Uint8Array)) body.destroy()
}

const leadsTo = (host: string) => `leads to ${host}, an address in a network that it should not know`
