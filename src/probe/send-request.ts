import { Agent, type IncomingMessage, request } from 'node:http'
import type { LostReason } from '../model/receipt.ts'

/** How one request ended, and from which local port it was sent (0: it never had one). */
export type RequestEnd =
  | { readonly kind: 'answered'; readonly port: number; readonly status: number }
  | { readonly kind: 'lost'; readonly port: number; readonly reason: LostReason }

const MOST_COOKIES = 50

/** One cookie jar for all requests, so that a session is never pinned to an old version (design.md section 3). */
export class CookieJar {
  readonly #cookies = new Map<string, string>()

  get header(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Takes the Set-Cookie lines of an answer. */
  take(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = ''] = line.split(';')
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals).trim()
      if (equals <= 0) continue
      if (isExpired(line)) this.#cookies.delete(name)
      else if (this.#cookies.has(name) || this.#cookies.size < MOST_COOKIES)
        this.#cookies.set(name, pair.slice(equals + 1).trim())
    }
  }
}

/** How a server takes a cookie back (RFC 6265, section 3.1). */
function isExpired(line: string): boolean {
  if (/;\s*max-age=(?:0|-\d+)\s*(?:;|$)/i.test(line)) return true
  const [, expires = ''] = /;\s*expires=([^;]+)/i.exec(line) ?? []
  return Date.parse(expires) <= Date.now()
}

/** One client: its connections and its cookies. */
export interface Sender {
  send(): Promise<RequestEnd>
  close(): void
}

/**
 * A kept connection that was idle for longer is not used again: the app may be about to end it (2 s is the shortest time that a
 * known server gives without a hint), and what is lost by that is not the rollout's doing.
 */
const IDLE_MS = 1500

/** Sends GETs, every other one on a connection of its own, the rest on kept ones: both kinds of clients are lost in different ways. */
export function requestSender(url: string, host: string | null, timeoutMs: number): Sender {
  // Few, and used in turn: a kept connection that is never used again would hold a draining replica until its grace period ends.
  // As many at once as are asked for: a request that waits here for a socket would be lost by the prober itself.
  const kept = new Agent({ keepAlive: true, maxFreeSockets: 2, scheduling: 'fifo', timeout: IDLE_MS })
  const jar = new CookieJar()
  let count = 0
  return {
    close: () => kept.destroy(),
    send: () => sendOne(url, host, timeoutMs, count++ % 2 === 0 ? kept : false, jar),
  }
}

function sendOne(
  url: string,
  host: string | null,
  timeoutMs: number,
  agent: Agent | false,
  jar: CookieJar,
): Promise<RequestEnd> {
  return new Promise((resolve) => {
    let port = 0
    const cookie = jar.header
    const headers = {
      'user-agent': 'naru-receipt',
      accept: '*/*',
      ...(host === null ? {} : { host, 'x-forwarded-proto': 'http' }),
      ...(cookie === '' ? {} : { cookie }),
    }
    const asked = request(url, { agent, headers })
    const lose = (reason: LostReason) => {
      clearTimeout(timer)
      resolve({ kind: 'lost', port, reason })
      asked.destroy()
    }
    const timer = setTimeout(() => lose('timeout'), timeoutMs)
    asked.on('socket', (socket) => {
      port = socket.localPort ?? 0
      if (!socket.connecting) return
      socket.once('connect', () => {
        port = socket.localPort ?? 0
      })
    })
    asked.on('error', (failed: NodeJS.ErrnoException) => lose(lostReason(failed.code ?? '')))
    asked.on('response', (response: IncomingMessage) => {
      jar.take(response.headers['set-cookie'] ?? [])
      response.on('error', () => lose('incomplete'))
      response.on('end', () => {
        clearTimeout(timer)
        const status = response.statusCode ?? 0
        if (!response.complete) lose('incomplete')
        else resolve(status >= 500 ? { kind: 'lost', port, reason: 'status-5xx' } : { kind: 'answered', port, status })
      })
      response.resume()
    })
    asked.end()
  })
}

function lostReason(code: string): LostReason {
  if (['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code)) return 'refused'
  // An answer that is not HTTP.
  return code.startsWith('HPE_') ? 'incomplete' : 'reset'
}
