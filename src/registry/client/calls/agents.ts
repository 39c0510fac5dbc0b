import http from 'node:http'
import https from 'node:https'
import { createSecureContext, type SecureContext } from 'node:tls'

/** How connections are made: whom to trust, who we are, and through which proxy. */
export interface AgentSettings {
  /** All authorities that are trusted (PEM); empty: those of Node. */
  readonly authorities: readonly string[]
  /** Shown to the registry itself only. */
  readonly client: { readonly cert: string; readonly key: string } | null
  /** The proxy for a URL, or null. */
  readonly proxyOf: (url: URL) => string | null
}

/** Kept connections, by protocol, proxy, and whether they may show who we are. */
export class Agents {
  readonly #settings: AgentSettings
  readonly #made = new Map<string, http.Agent>()

  constructor(settings: AgentSettings) {
    this.#settings = settings
  }

  /** `own`: the URL is the registry's, not a place that it leads to. */
  of(url: URL, own: boolean): { readonly agent: http.Agent; readonly isProxied: boolean } {
    const proxy = this.#settings.proxyOf(url)
    const key = `${url.protocol} ${own} ${proxy}`
    let agent = this.#made.get(key)
    if (agent === undefined) {
      agent = this.#make(url.protocol, own, proxy)
      this.#made.set(key, agent)
    }
    return { agent, isProxied: proxy !== null }
  }

  close(): void {
    for (const agent of this.#made.values()) agent.destroy()
  }

  #make(protocol: string, own: boolean, proxy: string | null): http.Agent {
    const options = {
      keepAlive: true,
      maxSockets: 16,
      ...(proxy === null ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    }
    if (protocol !== 'https:') return new http.Agent(options)
    const secureContext = this.#secureContext(own)
    return new https.Agent({ ...options, ...(secureContext === null ? {} : { secureContext }) })
  }

  /** Made once: to read some hundred certificates takes longer than a handshake. */
  #secureContext(own: boolean): SecureContext | null {
    const { authorities } = this.#settings
    const client = own ? this.#settings.client : null
    if (authorities.length === 0 && client === null) return null
    return createSecureContext({ ...(authorities.length === 0 ? {} : { ca: [...authorities] }), ...client })
  }
}
